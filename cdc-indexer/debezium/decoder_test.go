package debezium_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/debezium"
)

func newDecoder() *debezium.Decoder {
	return debezium.NewDecoder(debezium.Config{
		Schema: "public", Table: "events", Key: []string{"id"}, JSONColumns: []string{"attributes"},
		GeoPoints: []debezium.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
	})
}

const source = `"source":{"schema":"public","table":"events","sequence":"[\"200\",\"104\"]","lsn":104,"ts_us":1700000000000123}`

func envelope(op, after string) string {
	return fmt.Sprintf(`{"before":null,"after":%s,%s,"op":%q,"ts_ms":1700000000100}`, after, source, op)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	committed := time.UnixMicro(1700000000000123)
	order := change.Order{Version: 200, LSN: 104}
	tests := map[string]struct {
		value string
		want  change.Change
	}{
		"create": {envelope("c", `{"id":"a","n":1}`), change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"id":"a","n":1}`)}},
		"update": {envelope("u", `{"id":"a"}`), change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"id":"a"}`)}},
		"delete": {envelope("d", `null`), change.Change{Op: change.Delete, Order: order}},
		"a snapshot read has no lsn of its own": {
			envelope("r", `{"id":"a"}`),
			change.Change{Op: change.Upsert, Order: change.Order{Version: 200}, Document: []byte(`{"id":"a"}`), Read: true},
		},
		"the position of an initial snapshot decides between two of them": {
			strings.Replace(envelope("r", `{"id":"a"}`), `[\"200\",\"104\"]`, `[null,\"104\"]`, 1),
			change.Change{Op: change.Upsert, Order: change.Order{Version: 0, LSN: 104}, Document: []byte(`{"id":"a"}`), Read: true},
		},
		"an incremental snapshot has none in the message": {
			strings.Replace(envelope("r", `{"id":"a"}`), `[\"200\",\"104\"]`, `[\"200\",null]`, 1),
			change.Change{Op: change.Upsert, Order: change.Order{Version: 200}, Document: []byte(`{"id":"a"}`), Read: true},
		},
		"the first transaction of a stream has no commit before it": {
			strings.Replace(envelope("c", `{"id":"a"}`), `[\"200\",\"104\"]`, `[null,\"104\"]`, 1),
			change.Change{Op: change.Upsert, Order: change.Order{Version: 104, LSN: 104}, Document: []byte(`{"id":"a"}`)},
		},
		"numbers keep their digits": {
			envelope("c", `{"id":"a","big":9007199254740993,"long":123456789012345678901234567890,"e":1.50}`),
			change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"id":"a","big":9007199254740993,"long":123456789012345678901234567890,"e":1.50}`)},
		},
		"jsonb becomes what it means": {
			envelope("c", `{"attributes":"{\"n\": 9007199254740993, \"s\": \"q\\\"\"}"}`),
			change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"attributes":{"n": 9007199254740993, "s": "q\""}}`)},
		},
		"jsonb null": {
			envelope("c", `{"attributes":null}`), change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"attributes":null}`)},
		},
		"two columns make a point": {
			envelope("c", `{"latitude":52.50,"longitude":-13.25}`),
			change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"latitude":52.50,"longitude":-13.25,"location":{"lat":52.50,"lon":-13.25}}`)},
		},
		"half a point is none": {
			envelope("c", `{"latitude":52.5,"longitude":null}`),
			change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"latitude":52.5,"longitude":null}`)},
		},
		"a line break would end the document in a bulk request": {
			envelope("c", "{\n \"id\": \"a\",\r\n \"tags\": [1,\n2], \"t\": \"\\n\"}"),
			change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"id":"a","tags":[1,2],"t":"\n"}`)},
		},
		"unknown fields of the envelope are ignored": {
			strings.Replace(envelope("c", `{"id":"a"}`), `{"before"`, `{"new":{"op":"d"},"before"`, 1),
			change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"id":"a"}`)},
		},
		"a text that contains the placeholder is a text": {
			envelope("c", `{"t":"see __debezium_unavailable_value"}`),
			change.Change{Op: change.Upsert, Order: order, Document: []byte(`{"t":"see __debezium_unavailable_value"}`)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newDecoder().Decode([]byte(`{"id":"a"}`), []byte(test.value))
			require.NoError(t, err)
			test.want.Key, test.want.CommittedAt = "a", committed
			require.Equal(t, string(test.want.Document), string(got.Document))
			require.Equal(t, test.want, got)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := envelope("c", `{"id":"a"}`)
	const key = `{"id":"a"}`
	sequence := func(s string) string { return strings.Replace(good, `"[\"200\",\"104\"]"`, s, 1) }
	tests := map[string]struct{ key, value, reason, detail string }{
		"no JSON":               {key, `{"op":"c",`, debezium.ReasonMalformed, "byte 10"},
		"no object":             {key, `[1]`, debezium.ReasonMalformed, "no JSON object"},
		"no op":                 {key, `{}`, debezium.ReasonMalformed, "no op"},
		"schema in the message": {key, `{"schema":{},"payload":` + good + `}`, debezium.ReasonMalformed, "schemas.enable"},
		"no source":             {key, `{"op":"c","after":{}}`, debezium.ReasonMalformed, "no source"},
		"no after":              {key, envelope("u", `null`), debezium.ReasonMalformed, "no after"},
		"truncate":              {key, envelope("t", `null`), debezium.ReasonOperation, "TRUNCATE"},
		"unknown op":            {key, envelope("x", `null`), debezium.ReasonOperation, `"x"`},
		"another table":         {key, strings.Replace(good, `"events"`, `"venues"`, 1), debezium.ReasonTable, "public.venues"},
		"key is no JSON":        {`a`, good, debezium.ReasonKey, "no JSON"},
		"key is a string":       {`"a"`, good, debezium.ReasonKey, "no JSON object"},
		"no key":                {``, good, debezium.ReasonKey, "no JSON"},
		"key without column":    {`{"x":1}`, good, debezium.ReasonKey, "column id"},
		"null key":              {`{"id":null}`, good, debezium.ReasonKey, "column id"},
		"nested key":            {`{"id":{}}`, good, debezium.ReasonKey, "column id"},
		"empty key":             {`{"id":""}`, good, debezium.ReasonKey, "0 bytes"},
		"long key":              {`{"id":"` + strings.Repeat("x", 513) + `"}`, good, debezium.ReasonKey, "513 bytes"},
		"no sequence":           {key, sequence(`null`), debezium.ReasonOrder, "no lsn"},
		"no lsn":                {key, sequence(`"[\"1\",null]"`), debezium.ReasonOrder, "no lsn"},
		"sequence of one":       {key, sequence(`"{}"`), debezium.ReasonOrder, "form"},
		"lsn is no number":      {key, sequence(`"[\"1\",\"x\"]"`), debezium.ReasonOrder, `"x"`},
		"commit is no number":   {key, sequence(`"[\"-1\",\"1\"]"`), debezium.ReasonOrder, `"-1"`},
		"position too high":     {key, sequence(`"[\"1\",\"18446744073709551615\"]"`), debezium.ReasonOrder, "log position"},
		"no JSON in jsonb":      {key, envelope("c", `{"attributes":"{"}`), debezium.ReasonColumn, "attributes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newDecoder().Decode([]byte(test.key), []byte(test.value))
			var rejection *change.Rejection
			require.ErrorAs(t, err, &rejection)
			require.Equal(t, test.reason, rejection.Reason)
			require.Contains(t, rejection.Detail, test.detail)
		})
	}
}

func TestMessagesWithoutAChange(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", `{"op":"m","message":{"prefix":"p"},` + source + `}`} {
		_, err := newDecoder().Decode([]byte(`{"id":"a"}`), []byte(value))
		require.ErrorIs(t, err, change.ErrNoChange)
	}
}

func TestPlaceholderOfEveryColumnTypeIsRefused(t *testing.T) {
	t.Parallel()
	const text = "__debezium_unavailable_value"
	forms := map[string]string{
		"text and jsonb": `"` + text + `"`,
		"bytea":          `"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`,
		"text[]":         `["` + text + `"]`,
		"bytea[]":        `["X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]`,
		"int[]":          `[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]`,
		"hstore":         `"{\"` + text + `\":\"` + text + `\"}"`,
		"hstore as map":  `{"` + text + `":"` + text + `"}`,
	}
	for name, form := range forms {
		for _, column := range []string{"c", "attributes"} {
			_, err := newDecoder().Decode([]byte(`{"id":"a"}`), []byte(envelope("u", `{"id":"a","`+column+`":`+form+`}`)))
			var rejection *change.Rejection
			require.ErrorAs(t, err, &rejection, name)
			require.Equal(t, debezium.ReasonUnavailable, rejection.Reason, name)
			require.Contains(t, rejection.Detail, "column "+column, name)
		}
	}
}

func TestDocumentIDs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		columns   []string
		key, want string
	}{
		{[]string{"id"}, `{"id":9007199254740993}`, "9007199254740993"},
		{[]string{"id"}, `{"id":"ü\"x"}`, `ü"x`},
		{[]string{"id"}, `{"id":true}`, `true`},
		{[]string{"a", "b"}, `{"b":2,"a":"x"}`, `["x",2]`},
		{[]string{"a", "b"}, `{"a":"x\",2","b":3}`, `["x\",2",3]`}, // no two keys make one _id
	}
	for _, test := range tests {
		decoder := debezium.NewDecoder(debezium.Config{Schema: "public", Table: "events", Key: test.columns})
		got, err := decoder.Decode([]byte(test.key), []byte(envelope("d", `null`)))
		require.NoError(t, err)
		require.Equal(t, test.want, got.Key)
	}
}

func TestEpochStandsAboveEveryPosition(t *testing.T) {
	t.Parallel()
	decoder := debezium.NewDecoder(debezium.Config{Schema: "public", Table: "events", Key: []string{"id"}, Epoch: 2})
	got, err := decoder.Decode([]byte(`{"id":"a"}`), []byte(envelope("d", `null`)))
	require.NoError(t, err)
	require.Equal(t, change.Order{Version: 2<<56 | 200, LSN: 104}, got.Order)
}

// FuzzDecode: whatever the bytes are, Decode does not panic, refuses only in its two ways, and what it lets through
// is one line of valid JSON that a bulk request can carry.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"a"}`), []byte(envelope("c", `{"id":"a","attributes":"{}","latitude":1,"longitude":2}`)))
	f.Add([]byte(`{"id":1}`), []byte(envelope("r", "{\n\"id\":1}")))
	f.Add([]byte(`{"id":1}`), []byte(envelope("d", "null")))
	f.Add([]byte(`{"id":1}`), []byte{})
	for _, message := range captured(f) {
		f.Add(message.key, message.value)
	}
	decoder := newDecoder()
	f.Fuzz(func(t *testing.T, key, value []byte) {
		got, err := decoder.Decode(key, value)
		var rejection *change.Rejection
		switch {
		case err == nil:
			require.NotEmpty(t, got.Key)
			require.LessOrEqual(t, len(got.Key), 512)
			require.GreaterOrEqual(t, got.Order.Version, int64(0))
			if got.Op == change.Upsert {
				require.True(t, json.Valid(got.Document), "%q", got.Document)
				require.NotContains(t, string(got.Document), "\n")
				require.Equal(t, byte('}'), got.Document[len(got.Document)-1])
			}
		case errorsAsRejection(err, &rejection):
			require.NotEmpty(t, rejection.Reason)
		default:
			require.ErrorIs(t, err, change.ErrNoChange)
		}
	})
}
