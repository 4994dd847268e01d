package compare_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/internal/compare"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sides is a table and an index of a test's own.
type sides struct {
	t       *testing.T
	options compare.Options
}

// newSides makes a table from its definition, and an index with a mapping of its key and a read alias that hides
// tombstones.
func newSides(t *testing.T, columns, keyMapping string, options compare.Options) *sides {
	t.Helper()
	options.DatabaseURL = testenv.Database(t)
	options.ElasticsearchURL = testenv.Address(t, testenv.ElasticsearchURL)
	options.Table = "public.things"
	options.Index = testenv.Name(t)
	s := &sides{t: t, options: options}
	s.sql("CREATE TABLE things (" + columns + ")")
	s.request(http.MethodPut, "/"+s.index(), `{
		"settings": {"number_of_shards": 2, "number_of_replicas": 0, "refresh_interval": "-1"},
		"mappings": {"dynamic": false, "properties": {`+keyMapping+`, "cdc": {"properties": {"deleted": {"type": "boolean"}}}}},
		"aliases": {"`+options.Index+`": {"filter": {"term": {"cdc.deleted": false}}}}}`)
	t.Cleanup(func() { s.request(http.MethodDelete, "/"+s.index(), "") })
	return s
}

func (s *sides) index() string { return s.options.Index + "-000001" }

func (s *sides) sql(statement string) {
	s.t.Helper()
	ctx := testenv.Context(s.t, time.Minute)
	conn, err := pgx.Connect(ctx, s.options.DatabaseURL)
	require.NoError(s.t, err)
	_, err = conn.Exec(ctx, statement)
	require.NoError(s.t, err)
	require.NoError(s.t, conn.Close(ctx))
}

func (s *sides) request(method, path, body string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own has ended at clean-up
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.options.ElasticsearchURL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	require.Less(s.t, response.StatusCode, 300, "%s %s", method, path)
}

// put indexes a document: the fields without the bookkeeping, as the inside of a JSON object.
func (s *sides) put(id, fields string) {
	s.t.Helper()
	s.request(http.MethodPut, "/"+s.index()+"/_doc/"+id, "{"+fields+`, "cdc": {"deleted": false}}`)
}

func (s *sides) remove(id string) {
	s.t.Helper()
	s.request(http.MethodDelete, "/"+s.index()+"/_doc/"+id, "")
}

func (s *sides) compare() compare.Report {
	s.t.Helper()
	report, err := compare.Table(testenv.Context(s.t, time.Minute), s.options)
	require.NoError(s.t, err)
	return report
}

const (
	firstID  = "01980000-0000-7000-8000-00000000000a"
	secondID = "01980000-0000-7000-8000-00000000000b"
	thirdID  = "01980000-0000-7000-8000-00000000000c"
)

// secondDocument is what must be in the index for the second row.
const secondDocument = `"id": "` + secondID + `", "title": "Second", "price": "123456789012345678901234567890.10", "latitude": 46.2044,
	"longitude": 6.1432, "location": {"lat": 46.2044, "lon": 6.1432}, "at": "2026-02-03T04:05:06.123456Z", "tags": ["a", "b"],
	"attributes": {"n": 0.12345678901234567890, "list": [1, 2]}, "seats": 9007199254740993, "note": null`

func newEvents(t *testing.T) *sides {
	t.Helper()
	s := newSides(t,
		`id uuid PRIMARY KEY, title text, price numeric, latitude double precision, longitude double precision, at timestamptz,
		tags text[], attributes jsonb, seats bigint, note text, shout text GENERATED ALWAYS AS (upper(title)) STORED`,
		`"id": {"type": "keyword"}`,
		compare.Options{
			Key: []string{"id"}, JSONColumns: []string{"attributes"},
			GeoPoints: []compare.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
		})
	s.sql(`INSERT INTO things VALUES
		('` + firstID + `', 'First', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
		('` + secondID + `', 'Second', 123456789012345678901234567890.10, 46.2044, 6.1432, '2026-02-03T05:05:06.123456+01', '{a,b}',
			'{"list": [1, 2], "n": 0.12345678901234567890}', 9007199254740993, NULL),
		('` + thirdID + `', 'Third', 0, 0, 0, '2026-02-03', '{}', '{}', 0, '')`)
	s.put(firstID, `"id": "`+firstID+`", "title": "First", "price": null, "latitude": null, "longitude": null, "at": null, "tags": null, "attributes": null`)
	s.put(secondID, secondDocument)
	s.put(thirdID, `"id": "`+thirdID+`", "title": "Third", "price": "0", "latitude": 0.0, "longitude": -0.0, "location": {"lat": 0.0, "lon": 0.0},
		"at": "2026-02-03T00:00:00.000000Z", "tags": [], "attributes": {}, "seats": 0, "note": ""`)
	s.request(http.MethodPut, "/"+s.index()+"/_doc/tombstone", `{"cdc": {"deleted": true}}`)
	return s
}

func TestEqual(t *testing.T) {
	t.Parallel()
	s := newEvents(t)
	require.Equal(t, compare.Report{Rows: 3, Documents: 3}, s.compare())
	require.True(t, s.compare().Equal())
}

func TestFindsEveryKindOfDifference(t *testing.T) {
	t.Parallel()
	s := newEvents(t)
	changes := map[string]struct{ old, new string }{
		"title":      {`"Second"`, `"second"`},
		"price":      {`890.10"`, `890.11"`},
		"latitude":   {`"latitude": 46.2044`, `"latitude": 46.20440000000001`},
		"location":   {`"lon": 6.1432`, `"lon": 6.1433`},
		"at":         {`.123456Z`, `.123457Z`},
		"tags":       {`["a", "b"]`, `["b", "a"]`},
		"attributes": {`0.12345678901234567890`, `0.12345678901234567891`},
		"seats":      {`9007199254740993`, `9007199254740992`},
		"note":       {`"note": null`, `"note": ""`},
		"no_column":  {`"note": null`, `"no_column": 1`},
	}
	for field, change := range changes {
		require.Contains(t, secondDocument, change.old)
		s.put(secondID, strings.Replace(secondDocument, change.old, change.new, 1))
		report := s.compare()
		require.False(t, report.Equal(), field)
		require.Equal(t, 1, report.Differing, field)
		require.Len(t, report.Differences, 1, field)
		require.Equal(t, secondID, report.Differences[0].Key, field)
		require.Equal(t, field, report.Differences[0].Field)
		require.Contains(t, report.String(), field)
		require.Zero(t, report.Missing+report.Extra, field)
	}
	s.put(secondID, secondDocument)
	require.True(t, s.compare().Equal())

	s.remove(secondID)
	require.Equal(t, compare.Report{Rows: 3, Documents: 2, Missing: 1, MissingKeys: []string{secondID}}, s.compare(), "missing")

	s.put("wrong", secondDocument)
	report := s.compare()
	require.Equal(t, 1, report.Differing, "another _id")
	require.Equal(t, compare.Difference{Key: secondID, Field: "_id", Table: `"` + secondID + `"`, Index: `"wrong"`}, report.Differences[0])

	s.put(secondID, secondDocument)
	report = s.compare()
	require.Equal(t, 1, report.Extra, "twice")
	s.remove("wrong")

	s.put("zzz", `"id": "zzz", "title": "Extra"`)
	s.put("nokey", `"title": "Extra"`)
	require.Equal(t, compare.Report{Rows: 3, Documents: 5, Extra: 2, ExtraKeys: []string{"zzz", "nokey"}}, s.compare(), "extra")
}

// TestPages reads more documents than one page has, in the order of an integer key that text would sort otherwise.
func TestPages(t *testing.T) {
	t.Parallel()
	const rows = 2500
	s := newSides(t, "id bigint PRIMARY KEY, title text", `"id": {"type": "long"}`, compare.Options{Key: []string{"id"}, Samples: 2})
	s.sql(fmt.Sprintf("INSERT INTO things SELECT n, 'Title ' || n FROM generate_series(-%d, %d) AS n", rows/2, rows/2-1))
	var bulk strings.Builder
	for n := -rows / 2; n < rows/2; n++ {
		if n%100 == 0 {
			continue
		}
		fmt.Fprintf(&bulk, `{"index":{"_id":"%d"}}`+"\n"+`{"id":%d,"title":"Title %d","cdc":{"deleted":false}}`+"\n", n, n, n)
	}
	s.request(http.MethodPost, "/"+s.index()+"/_bulk", bulk.String())
	require.Equal(t, compare.Report{
		Rows: rows, Documents: rows - 25, Missing: 25, MissingKeys: []string{"-1200", "-1100"},
	}, s.compare())
}

func TestKeyOfTwoColumns(t *testing.T) {
	t.Parallel()
	s := newSides(t, "venue text, seat integer, PRIMARY KEY (venue, seat)", `"venue": {"type": "keyword"}, "seat": {"type": "integer"}`,
		compare.Options{Key: []string{"venue", "seat"}})
	s.sql(`INSERT INTO things VALUES ('a', 2), ('a', 10), ('B', 1)`)
	for _, seat := range []string{`"a",2`, `"a",10`, `"B",1`} {
		venue, number, _ := strings.Cut(seat, ",")
		s.put("%5B"+strings.ReplaceAll(seat, `"`, "%22")+"%5D", `"venue": `+venue+`, "seat": `+number)
	}
	require.Equal(t, compare.Report{Rows: 3, Documents: 3}, s.compare())
}

func TestKeyMappedAsAnotherType(t *testing.T) {
	t.Parallel()
	s := newSides(t, "id integer PRIMARY KEY", `"id": {"type": "keyword"}`, compare.Options{Key: []string{"id"}})
	s.put("9", `"id": 9`)
	s.put("10", `"id": 10`)
	_, err := compare.Table(testenv.Context(t, time.Minute), s.options)
	require.ErrorContains(t, err, "map id as a number")
}

func TestErrorsNameTheOption(t *testing.T) {
	t.Parallel()
	_, err := compare.Table(t.Context(), compare.Options{})
	for _, option := range []string{"DatabaseURL", "ElasticsearchURL", "Table", "Key", "Index"} {
		require.ErrorContains(t, err, option)
	}

	s := newSides(t, "id numeric PRIMARY KEY, title text", `"id": {"type": "keyword"}`, compare.Options{
		Key: []string{"id", "nothing"}, JSONColumns: []string{"title"}, GeoPoints: []compare.GeoPoint{{Field: "location", Latitude: "north", Longitude: "east"}},
	})
	_, err = compare.Table(testenv.Context(t, time.Minute), s.options)
	for _, problem := range []string{"column id is of type numeric", "there is no column nothing", "no column title of type json", "no columns north and east"} {
		require.ErrorContains(t, err, problem)
	}

	options := s.options
	options.Table = "public.nothing"
	_, err = compare.Table(testenv.Context(t, time.Minute), options)
	require.ErrorContains(t, err, "public.nothing")
	options = s.options
	options.Key, options.JSONColumns, options.GeoPoints = nil, nil, nil
	options.Key, options.Index = []string{"title"}, "nothing"
	_, err = compare.Table(testenv.Context(t, time.Minute), options)
	require.ErrorContains(t, err, "index_not_found_exception")
}
