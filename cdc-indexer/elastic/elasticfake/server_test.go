package elasticfake_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/elastic/elasticfake"
)

// What the fake shares with the real server is tested by the contract suite of package elastic. This is the rest.

func send(t *testing.T, fake *elasticfake.Server, method, path, body string) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://fake"+path, strings.NewReader(body))
	require.NoError(t, err)
	response, err := fake.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text), nil
}

func newIndex(t *testing.T) *elasticfake.Server {
	t.Helper()
	fake := elasticfake.New()
	status, text, err := send(t, fake, http.MethodPut, "/x", `{}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, text)
	return fake
}

func found(t *testing.T, fake *elasticfake.Server) string {
	t.Helper()
	_, text, err := send(t, fake, http.MethodPost, "/x/_mget?filter_path=docs.found", `{"ids":["a","b"]}`)
	require.NoError(t, err)
	return text
}

const twoDocuments = `{"index":{"_id":"a"}}
{}
{"index":{"_id":"b"}}
{}
`

func TestFaults(t *testing.T) {
	t.Parallel()
	second := func(item int) bool { return item == 1 }
	tests := map[string]struct {
		fault elasticfake.Fault
		err   error
		found string
	}{
		"none":                     {elasticfake.Fault{}, nil, `{"docs":[{"found":true},{"found":true}]}`},
		"unreachable":              {elasticfake.Fault{Unreachable: true}, elasticfake.ErrConnection, `{"docs":[{"found":false},{"found":false}]}`},
		"lost response":            {elasticfake.Fault{LostResponse: true}, elasticfake.ErrConnection, `{"docs":[{"found":true},{"found":true}]}`},
		"overloaded":               {elasticfake.Fault{Unwritten: second}, nil, `{"docs":[{"found":true},{"found":false}]}`},
		"crash during the request": {elasticfake.Fault{LostResponse: true, Unwritten: second}, elasticfake.ErrConnection, `{"docs":[{"found":true},{"found":false}]}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := newIndex(t)
			fake.SetFault(func(*http.Request) elasticfake.Fault { return test.fault })
			_, text, err := send(t, fake, http.MethodPost, "/x/_bulk?filter_path=items.*.status", twoDocuments)
			require.ErrorIs(t, err, test.err)
			if name == "overloaded" {
				require.JSONEq(t, `{"items":[{"index":{"status":201}},{"index":{"status":429}}]}`, text)
			}
			fake.SetFault(nil)
			require.JSONEq(t, test.found, found(t, fake))
		})
	}
}

// As seen on Elasticsearch 8.19: a deleted document's version does not survive a restart.
func TestRestart(t *testing.T) {
	t.Parallel()
	fake := newIndex(t)
	const write = `{"index":{"_id":"a","version":6,"version_type":"external"}}` + "\n{}\n"
	_, _, err := send(t, fake, http.MethodPost, "/x/_bulk", `{"delete":{"_id":"a","version":9,"version_type":"external"}}`+"\n")
	require.NoError(t, err)
	_, text, err := send(t, fake, http.MethodPost, "/x/_bulk", write)
	require.NoError(t, err)
	require.Contains(t, text, `"status":409`)
	fake.Restart()
	_, text, err = send(t, fake, http.MethodPost, "/x/_bulk", write)
	require.NoError(t, err)
	require.Contains(t, text, `"status":201`)
	require.Contains(t, text, `"_primary_term":2`)
}

func TestUnknownRequestsAreNotAnswered(t *testing.T) {
	t.Parallel()
	tests := map[string][3]string{
		"path":         {http.MethodPost, "/x/_delete_by_query", `{}`},
		"method":       {http.MethodGet, "/x", ``},
		"parameter":    {http.MethodPost, "/x/_bulk?pipeline=p", twoDocuments},
		"refresh":      {http.MethodPost, "/x/_bulk?refresh=wait_for", twoDocuments},
		"bulk action":  {http.MethodPost, "/x/_bulk", `{"update":{"_id":"a"}}` + "\n{}\n"},
		"bulk field":   {http.MethodPost, "/x/_bulk", `{"index":{"_id":"a","routing":"r"}}` + "\n{}\n"},
		"query":        {http.MethodPost, "/x/_search", `{"query":{"match":{"a":1}}}`},
		"search":       {http.MethodPost, "/x/_search", `{"highlight":{}}`},
		"aggregation":  {http.MethodPost, "/x/_search", `{"aggs":{"a":{"terms":{"field":"a"}}}}`},
		"sort":         {http.MethodPost, "/x/_search", `{"sort":[{"_id":"asc"}]}`},
		"field type":   {http.MethodPut, "/y", `{"mappings":{"properties":{"a":{"type":"geo_point"}}}}`},
		"alias option": {http.MethodPut, "/y", `{"aliases":{"a":{"routing":"r"}}}`},
		"setting":      {http.MethodPut, "/x/_settings", `{"index.gc_deletes":"1s"}`},
		"auto-create":  {http.MethodPost, "/y/_bulk", twoDocuments},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text, err := send(t, newIndexWithDocument(t), test[0], test[1], test[2])
			require.NoError(t, err)
			require.Equal(t, http.StatusNotImplemented, status, text)
			require.Contains(t, text, "elasticfake does not implement")
		})
	}
}

func newIndexWithDocument(t *testing.T) *elasticfake.Server {
	t.Helper()
	fake := newIndex(t)
	_, _, err := send(t, fake, http.MethodPost, "/x/_bulk?refresh=true", twoDocuments)
	require.NoError(t, err)
	return fake
}

func TestServesOverTheNetwork(t *testing.T) {
	t.Parallel()
	fake := newIndexWithDocument(t)
	server := httptest.NewServer(fake)
	defer server.Close()
	count := func() (string, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/x/_count?filter_path=count", nil)
		require.NoError(t, err)
		response, err := server.Client().Do(request)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		return string(text), err
	}
	text, err := count()
	require.NoError(t, err)
	require.JSONEq(t, `{"count":2}`, text)
	fake.SetFault(func(*http.Request) elasticfake.Fault { return elasticfake.Fault{LostResponse: true} })
	_, err = count()
	require.ErrorIs(t, err, io.EOF)
}
