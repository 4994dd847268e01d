package elastic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

const keysText = `
settings: {number_of_shards: 2, number_of_replicas: 0, refresh_interval: "-1"}
mappings:
  dynamic: false
  properties:
    name: {type: keyword}
    n: {type: long}
`

// keyed is an index of documents with a name and a number.
func newKeyed(t *testing.T, documents ...string) (*index, *elastic.Reader) {
	t.Helper()
	return newKeyedAs(t, keysText, documents...)
}

func newKeyedAs(t *testing.T, definitionText string, documents ...string) (*index, *elastic.Reader) {
	t.Helper()
	x := newIndex(t)
	definition, err := elastic.ParseDefinition([]byte(definitionText))
	require.NoError(t, err)
	_, err = elastic.Ensure(x.ctx(), x.client, x.names, definition)
	require.NoError(t, err)
	changes := make([]change.Change, len(documents))
	for n, document := range documents {
		changes[n] = upsert(document, 100, 100, "")
		changes[n].Document = []byte(document)
	}
	x.apply(append(changes, remove("a tombstone", 100, 100))...)
	reader := elastic.NewReader(x.client, x.names)
	require.NoError(t, reader.Refresh(x.ctx()))
	return x, reader
}

func TestDocumentsOfARange(t *testing.T) {
	t.Parallel()
	name, n, both := []string{"name"}, []string{"n"}, []string{"name", "n"}
	named := []string{`{"name":"a"}`, `{"name":"b"}`, `{"name":"c"}`, `{}`}
	numbered := []string{`{"n":-5}`, `{"n":9}`, `{"n":10}`, `{"n":9007199254740993}`, `{}`}
	paired := []string{`{"name":"a","n":10}`, `{"name":"a","n":9}`, `{"name":"b","n":1}`, `{"name":"b","n":2}`, `{"name":"b","n":3}`, `{"name":"c","n":0}`, `{"name":"b"}`, `{"n":2}`}
	tests := map[string]struct {
		documents []string
		keys      elastic.KeyRange
		want      []int // of the documents
	}{
		"all":                          {named, elastic.KeyRange{Columns: name}, []int{0, 1, 2, 3}},
		"below, with those without":    {named, elastic.KeyRange{Columns: name, To: []string{"b"}}, []int{0, 3}},
		"from":                         {named, elastic.KeyRange{Columns: name, From: []string{"b"}}, []int{1, 2}},
		"between":                      {named, elastic.KeyRange{Columns: name, From: []string{"a"}, To: []string{"c"}}, []int{0, 1}},
		"integers below":               {numbered, elastic.KeyRange{Columns: n, To: []string{"10"}}, []int{0, 1, 4}},
		"integers from":                {numbered, elastic.KeyRange{Columns: n, From: []string{"10"}}, []int{2, 3}},
		"integers between":             {numbered, elastic.KeyRange{Columns: n, From: []string{"-5"}, To: []string{"10"}}, []int{0, 1}},
		"an integer beyond float64":    {numbered, elastic.KeyRange{Columns: n, From: []string{"9007199254740993"}}, []int{3}},
		"and above it":                 {numbered, elastic.KeyRange{Columns: n, From: []string{"9007199254740994"}}, nil},
		"two columns below":            {paired, elastic.KeyRange{Columns: both, To: []string{"b", "2"}}, []int{0, 1, 2, 6, 7}},
		"two columns from":             {paired, elastic.KeyRange{Columns: both, From: []string{"b", "2"}}, []int{3, 4, 5}},
		"two columns between":          {paired, elastic.KeyRange{Columns: both, From: []string{"a", "10"}, To: []string{"b", "3"}}, []int{0, 2, 3, 6}},
		"two columns, a shorter bound": {paired, elastic.KeyRange{Columns: both, From: []string{"b"}, To: []string{"c"}}, []int{2, 3, 4, 6}},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			x, reader := newKeyed(t, test.documents...)
			var want, got []string
			for _, n := range test.want {
				want = append(want, test.documents[n])
			}
			require.NoError(t, reader.Documents(x.ctx(), test.keys, elastic.Writes{}, func(page []elastic.Document) error {
				for _, document := range page {
					require.Equal(t, document.ID, string(document.Row()))
					require.Equal(t, change.Order{Version: 100, LSN: 100}, document.Order)
					require.False(t, document.Deleted)
					require.False(t, document.Touched)
					got = append(got, document.ID)
				}
				return nil
			}))
			require.ElementsMatch(t, want, got)
		})
	}
}

func TestDocumentsInManyPages(t *testing.T) {
	t.Parallel()
	documents := make([]string, 2200)
	for n := range documents {
		documents[n] = fmt.Sprintf(`{"n":%d}`, n)
	}
	x, reader := newKeyed(t, documents...)
	var got []string
	pages := 0
	require.NoError(t, reader.Documents(x.ctx(), elastic.KeyRange{Columns: []string{"n"}}, elastic.Writes{}, func(page []elastic.Document) error {
		pages++
		for _, document := range page {
			got = append(got, document.ID)
		}
		return nil
	}))
	require.Greater(t, pages, 1)
	slices.Sort(got)
	slices.Sort(documents)
	require.Equal(t, documents, got)
}

func TestRowIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"plain":       `{"title":"a","n":1}`,
		"empty":       `{}`,
		"spaces":      `{ "title" : "a" , "n":[ 1, 2 ] }`,
		"escapes":     `{"title":"\u00e9é<b>&amp;\/\ud83c\udfab"}`,
		"numbers":     `{"n":9007199254740993,"d":1.50,"x":123456789012345678901234567890.10,"e":1e400}`,
		"inner cdc":   `{"x":{"cdc":{"version":1}},"title":"\"cdc\":"}`,
		"null":        `{"title":null}`,
		"like a tail": `{"title":"}","x":{}}`,
	}
	x := newIndex(t).create()
	for key, row := range rows {
		c := upsert(key, 100, 100, "")
		c.Document = []byte(row)
		require.Equal(t, change.Applied, x.apply(c)[0].Outcome, key)
	}
	reader := elastic.NewReader(x.client, x.names)
	require.NoError(t, reader.Refresh(x.ctx()))
	seen := 0
	require.NoError(t, reader.Documents(x.ctx(), elastic.KeyRange{}, elastic.Writes{}, func(page []elastic.Document) error {
		for _, document := range page {
			seen++
			require.Equal(t, rows[document.ID], string(document.Row()))
			got, err := reader.Get(x.ctx(), []string{document.ID})
			require.NoError(t, err)
			require.Equal(t, rows[document.ID], string(got[0].Row()))
		}
		return nil
	}))
	require.Len(t, rows, seen)
}

func TestWhatSomebodyElseHasWrittenIsToldApart(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	x.apply(upsert("ours", 100, 100, "a"), upsert("theirs", 100, 100, "a"), upsert("tie", 100, 100, "a"), remove("gone", 100, 100))
	x.apply(upsert("tie", 100, 108, "b"))
	const cdc = `"cdc":{"version":100,"lsn":100,"deleted":false}`
	x.request(x.ctx(), http.MethodPut, "/"+x.names.First()+"/_doc/theirs", `{`+cdc+`,"title":"b"}`)
	x.request(x.ctx(), http.MethodPut, "/"+x.names.First()+"/_doc/foreign", `{"title":"b"}`)

	got, err := elastic.NewReader(x.client, x.names).Get(x.ctx(), []string{"ours", "theirs", "tie", "gone", "foreign", "absent"})
	require.NoError(t, err)
	ours, theirs, tie, gone, foreign := got[0], got[1], got[2], got[3], got[4]
	require.False(t, ours.Touched)
	require.True(t, theirs.Touched)
	require.Equal(t, change.Order{Version: 100, LSN: 100}, theirs.Order)
	require.NotEqual(t, `{"title":"b"}`, string(theirs.Row()), "its bookkeeping is not where the indexer puts it")
	require.True(t, tie.Touched)
	require.Equal(t, change.Order{Version: 100, LSN: 108}, tie.Order)
	require.True(t, gone.Deleted)
	require.True(t, foreign.Touched)
	require.Zero(t, foreign.Order)
	require.JSONEq(t, `{"title":"b"}`, string(foreign.Row()))
	require.Nil(t, got[5])
}

func TestRowDoesNotChangeTheSource(t *testing.T) {
	t.Parallel()
	document := elastic.Document{Source: json.RawMessage(`{"a":1,"cdc":{"version":1}}`)}
	require.Equal(t, `{"a":1}`, string(document.Row()))
	require.Len(t, document.Source, len(`{"a":1,"cdc":{"version":1}}`))
	require.True(t, json.Valid(document.Source))
}
