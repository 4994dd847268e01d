package elastic_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/elastic/elasticfake"
	"ticketing/internal/testenv"
)

// TestContract holds what the indexer relies on in Elasticsearch, and runs against the real server and the fake. A
// test that passes with the fake therefore says something about the real one.
func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("fake", func(t *testing.T) {
		t.Parallel()
		runContract(t, func(t *testing.T) *contract {
			t.Helper()
			fake := elasticfake.New()
			return &contract{t: t, url: "http://fake", transport: fake, forgetDeletes: fake.ForgetDeletes}
		})
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		url := testenv.Address(t, testenv.ElasticsearchURL)
		runContract(t, func(t *testing.T) *contract {
			t.Helper()
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			c := &contract{t: t, url: url, transport: transport}
			c.forgetDeletes = c.forgetRealDeletes
			return c
		})
	})
}

func runContract(t *testing.T, connect func(*testing.T) *contract) {
	t.Helper()
	all := maps.Clone(behaviours)
	maps.Copy(all, buildBehaviours)
	for name, behaviour := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t)
			c.names = strings.NewReplacer("INDEX", testenv.Name(t), "OTHER", testenv.Name(t), "READ", testenv.Name(t), "WRITE", testenv.Name(t))
			c.must(http.MethodPut, "/INDEX", contractIndex)
			t.Cleanup(func() {
				for _, index := range []string{"/INDEX", "/OTHER"} {
					c.do(context.Background(), http.MethodDelete, index, "")
				}
			})
			behaviour(c)
		})
	}
}

const contractIndex = `{
	"settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"},
	"mappings": {"dynamic": "strict", "properties": {
		"key":    {"type": "keyword"},
		"text":   {"type": "text"},
		"date":   {"type": "date"},
		"long":   {"type": "long"},
		"int":    {"type": "integer"},
		"double": {"type": "double"},
		"loose":  {"dynamic": false, "properties": {"bool": {"type": "boolean"}}},
		"cdc":    {"dynamic": "strict", "properties": {
			"version": {"type": "long"}, "lsn": {"type": "long"}, "deleted": {"type": "boolean"}
		}}
	}},
	"aliases": {"READ": {"filter": {"term": {"cdc.deleted": false}}}, "WRITE": {"is_write_index": true}}
}`

// contract speaks plain HTTP to one server and has an index with both aliases there. INDEX, OTHER, READ and WRITE in
// paths and bodies stand for names of its own.
type contract struct {
	t             *testing.T
	url           string
	transport     http.RoundTripper
	names         *strings.Replacer
	forgetDeletes func()
}

func (c *contract) do(ctx context.Context, method, path, body string) (int, gjson.Result, http.Header) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, c.url+c.names.Replace(path), bytes.NewReader([]byte(c.names.Replace(body))))
	require.NoError(c.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.transport.RoundTrip(request)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	require.NotEqual(c.t, http.StatusNotImplemented, response.StatusCode, "%s", text)
	return response.StatusCode, gjson.ParseBytes(text), response.Header
}

// must returns the body of an answer with status 200.
func (c *contract) must(method, path, body string) gjson.Result {
	c.t.Helper()
	status, answer, _ := c.do(testenv.Context(c.t, time.Minute), method, path, body)
	require.Equal(c.t, http.StatusOK, status, answer.Raw)
	return answer
}

// refused checks that a request is answered with an error.
func (c *contract) refused(status int, kind, method, path, body string) {
	c.t.Helper()
	got, answer, _ := c.do(testenv.Context(c.t, time.Minute), method, path, body)
	require.Equal(c.t, status, got, answer.Raw)
	require.Equal(c.t, kind, answer.Get("error.type").String(), answer.Raw)
}

// bulk returns what a bulk request through the write alias answers for each line pair, as "status type".
func (c *contract) bulk(lines ...string) []string {
	c.t.Helper()
	return outcomes(c.must(http.MethodPost, "/WRITE/_bulk?require_alias=true", strings.Join(lines, "\n")+"\n"))
}

func outcomes(answer gjson.Result) []string {
	var found []string
	for _, item := range answer.Get("items.#.*|@values|@flatten").Array() {
		found = append(found, strings.TrimSpace(item.Get("status").String()+" "+item.Get("error.type").String()))
	}
	return found
}

// put returns the two lines that write a document of key id under a condition.
func put(id, condition, document string) string {
	return fmt.Sprintf("{\"index\":{\"_id\":%q%s}}\n%s", id, condition, document)
}

func external(version int64) string {
	return fmt.Sprintf(`,"version":%d,"version_type":"external"`, version)
}

func externalGTE(version int64) string {
	return fmt.Sprintf(`,"version":%d,"version_type":"external_gte"`, version)
}

func ifSeqNo(seqNo, term int64) string {
	return fmt.Sprintf(`,"if_seq_no":%d,"if_primary_term":%d`, seqNo, term)
}

// get reads a document past the refresh.
func (c *contract) get(id string) gjson.Result {
	c.t.Helper()
	return c.must(http.MethodPost, "/WRITE/_mget", `{"ids":["`+id+`"]}`).Get("docs.0")
}

// key returns the field key of document a.
func (c *contract) key() string { c.t.Helper(); return c.get("a").Get("_source.key").String() }

// forgetRealDeletes makes the server forget at its next refresh.
func (c *contract) forgetRealDeletes() {
	c.t.Helper()
	c.must(http.MethodPut, "/INDEX/_settings", `{"index.gc_deletes":"1ms"}`)
	c.must(http.MethodPost, "/INDEX/_refresh", "")
}
