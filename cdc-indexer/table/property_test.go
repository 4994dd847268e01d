package table_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

// TestDocumentsSayWhatTheRowsSay compares documents with what Postgres itself makes of the rows.
func TestDocumentsSayWhatTheRowsSay(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rows := open(t, d.config(t))
	rapid.Check(t, func(rt *rapid.T) {
		d.exec(t, "DELETE FROM events")
		for n := range rapid.IntRange(1, 5).Draw(rt, "rows") {
			d.insertEvent(t, drawEvent(rt, n))
		}
		snapshot, err := rows.Snapshot(testenv.Context(t, time.Minute), table.WaitFor{})
		require.NoError(rt, err)
		defer func() { require.NoError(rt, snapshot.Close(t.Context())) }()
		documents := readAll(t, snapshot)
		result, err := d.conn.Query(t.Context(), "SELECT id::text, row_to_json(e)::text FROM events AS e")
		require.NoError(rt, err)
		defer result.Close()
		compared := 0
		for result.Next() {
			var id, row string
			require.NoError(rt, result.Scan(&id, &row))
			requireSameEvent(rt, row, documents[id].Document)
			compared++
		}
		require.NoError(rt, result.Err())
		require.Len(rt, documents, compared)
	})
}

func drawEvent(t *rapid.T, n int) map[string]any {
	optional := func(g *rapid.Generator[string]) any {
		if rapid.Bool().Draw(t, "null") {
			return nil
		}
		return g.Draw(t, "text")
	}
	attributes, err := json.Marshal(rapid.MapOf(nastyText(20), nastyText(40)).Draw(t, "attributes"))
	require.NoError(t, err)
	starts := time.UnixMicro(rapid.Int64Range(-62135596800000000, 253402300700000000).Draw(t, "starts"))
	event := map[string]any{
		"id": fmt.Sprintf("01980000-0000-7000-8000-%012x", n), "title": nastyText(300).Draw(t, "title"), "category": nastyText(100).Draw(t, "category"),
		"organizer": nastyText(200).Draw(t, "organizer"), "description": optional(nastyText(2000)), "venue_name": optional(nastyText(200)), "city": optional(nastyText(200)),
		"starts_at": starts, "ends_at": starts.Add(time.Microsecond), "tags": rapid.SliceOfN(nastyText(30), 0, 50).Draw(t, "tags"), "attributes": string(attributes),
		"capacity": rapid.Int32Min(0).Draw(t, "capacity"), "version": rapid.Int64Min(1).Draw(t, "version"),
	}
	if rapid.Bool().Draw(t, "located") {
		event["latitude"], event["longitude"] = rapid.Float64Range(-90, 90).Draw(t, "latitude"), rapid.Float64Range(-180, 180).Draw(t, "longitude")
	}
	if rapid.Bool().Draw(t, "priced") {
		cents := rapid.Int64Range(0, 999999999999).Draw(t, "cents")
		price := fmt.Sprintf("%d.%02d", cents/100, cents%100)
		event["price_min"], event["price_max"], event["currency"] = price, price, "EUR"
	}
	return event
}

func (d *database) insertEvent(t *testing.T, event map[string]any) {
	t.Helper()
	var columns, parameters []string
	var arguments []any
	for column, value := range event {
		columns, arguments = append(columns, column), append(arguments, value)
		parameters = append(parameters, fmt.Sprintf("$%d", len(arguments)))
	}
	d.exec(t, "INSERT INTO events ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(parameters, ", ")+")", arguments...)
}

// requireSameEvent compares a row as row_to_json writes it with its document.
func requireSameEvent(t *rapid.T, row string, document []byte) {
	require.True(t, json.Valid(document), "%s", document)
	require.True(t, utf8.Valid(document))
	require.False(t, bytes.ContainsAny(document, "\r\n"), "%s", document)
	want, got := object(t, []byte(row)), object(t, document)
	if want["latitude"] != nil {
		require.Equal(t, map[string]any{"lat": got["latitude"], "lon": got["longitude"]}, got["location"])
		delete(got, "location")
	}
	require.Len(t, got, len(want))
	for name, value := range want {
		number, isNumber := value.(json.Number)
		text, isText := value.(string)
		switch {
		case strings.HasSuffix(name, "_at"):
			require.True(t, isText)
			sent, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
			require.Equal(t, sent.UTC().Format("2006-01-02T15:04:05.000000Z"), got[name], name)
		case isNumber && strings.HasPrefix(name, "price"):
			require.Equal(t, number.String(), got[name], name)
		case isNumber && strings.HasSuffix(name, "itude"):
			x, err := number.Float64()
			require.NoError(t, err)
			y, err := strconv.ParseFloat(string(got[name].(json.Number)), 64)
			require.NoError(t, err)
			require.Equal(t, x, y, name) //nolint:testifylint // the same bits are wanted
		default:
			require.Equal(t, value, got[name], name)
		}
	}
}

func object(t *rapid.T, text []byte) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value map[string]any
	require.NoError(t, decoder.Decode(&value), "%s", text)
	return value
}

// TestNumbersAndTimesAreThoseOfPostgres compares what is rendered from the binary format with the server's text.
func TestNumbersAndTimesAreThoseOfPostgres(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rows := d.keyed(t, "odd", "id int PRIMARY KEY, n numeric, t timestamptz, u uuid, f float8, r float4, b varbit", "id")
	digits := rapid.StringMatching(`-?[0-9]{1,40}(\.[0-9]{0,40})?`)
	rapid.Check(t, func(rt *rapid.T) {
		d.exec(t, "DELETE FROM odd")
		numbers := rapid.SliceOfN(digits, 1, 50).Draw(rt, "numbers")
		instants := rapid.SliceOfN(rapid.Int64Range(-62135596800000000, 253402300799999999), len(numbers), len(numbers)).Draw(rt, "instants")
		floats := rapid.SliceOfN(rapid.Float64(), len(numbers), len(numbers)).Draw(rt, "floats")
		reals := rapid.SliceOfN(rapid.Float32(), len(numbers), len(numbers)).Draw(rt, "reals")
		uuids := rapid.SliceOfN(keyGenerators["uuid"], len(numbers), len(numbers)).Draw(rt, "uuids")
		d.exec(t, `INSERT INTO odd SELECT i, n::numeric, 'epoch'::timestamptz + (t / 1000000) * interval '1 s' + (t % 1000000) * interval '1 us', u::uuid, f, r
			FROM unnest($1::text[], $2::int8[], $3::text[], $4::float8[], $5::float4[]) WITH ORDINALITY AS x (n, t, u, f, r, i)`, numbers, instants, uuids, floats, reals)
		snapshot, err := rows.Snapshot(testenv.Context(t, time.Minute), table.WaitFor{})
		require.NoError(rt, err)
		defer func() { require.NoError(rt, snapshot.Close(t.Context())) }()
		documents := readAll(t, snapshot)
		result, err := d.conn.Query(t.Context(), `SELECT id::text, n::text, to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), u::text, f, r FROM odd`)
		require.NoError(rt, err)
		defer result.Close()
		for result.Next() {
			var id, number, instant, uuid string
			var double float64
			var single float32
			require.NoError(rt, result.Scan(&id, &number, &instant, &uuid, &double, &single))
			got := object(rt, documents[id].Document)
			require.Equal(rt, []any{number, instant, uuid}, []any{got["n"], got["t"], got["u"]})
			f, err := strconv.ParseFloat(string(got["f"].(json.Number)), 64)
			require.NoError(rt, err)
			require.Equal(rt, double, f) //nolint:testifylint // the same bits are wanted
			r, err := strconv.ParseFloat(string(got["r"].(json.Number)), 32)
			require.NoError(rt, err)
			require.Equal(rt, single, float32(r)) //nolint:testifylint // the same bits are wanted
		}
		require.NoError(rt, result.Err())
	})
}
