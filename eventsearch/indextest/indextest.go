// Package indextest makes indices on the real Elasticsearch for the tests of the read side, by the project's own
// definition and in the form in which the indexer writes documents.
package indextest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"ticketing/internal/testenv"
)

// Index is an index of a test's own, with both aliases, deleted when the test ends.
type Index struct {
	URL        string
	ReadAlias  string
	WriteAlias string

	t    testing.TB
	name string
}

type object = map[string]any

// New makes an empty index.
func New(t testing.TB) *Index {
	t.Helper()
	x := Missing(t)
	definition := Definition(t)
	definition["aliases"] = object{
		x.ReadAlias:  object{"filter": object{"term": object{"cdc.deleted": false}}},
		x.WriteAlias: object{"is_write_index": true},
	}
	x.request(t.Context(), http.MethodPut, "/"+x.name, definition)
	t.Cleanup(func() { x.request(context.Background(), http.MethodDelete, "/"+x.name, nil) })
	return x
}

// Missing returns the names of an index that is not there.
func Missing(t testing.TB) *Index {
	t.Helper()
	name := testenv.Name(t)
	return &Index{URL: testenv.Address(t, testenv.ElasticsearchURL), ReadAlias: name, WriteAlias: name + "-write", t: t, name: name + "-1"}
}

// Definition reads the project's definition of the index, with the indexer's bookkeeping in it and without refreshes of
// its own, so that tests decide what is searchable.
func Definition(t testing.TB) map[string]any {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "cdc-indexer", "pipelines", "events.index.yaml"))
	if err != nil {
		t.Fatalf("read the index definition: %v", err)
	}
	var definition object
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatalf("read the index definition: %v", err)
	}
	definition["settings"].(object)["refresh_interval"] = "-1"
	definition["mappings"].(object)["properties"].(object)["cdc"] = object{"properties": object{
		"version": object{"type": "long"}, "lsn": object{"type": "long"}, "deleted": object{"type": "boolean"},
		"committed_at": object{"type": "date"}, "indexed_at": object{"type": "date"},
	}}
	return definition
}

// Put indexes a row, given as JSON, of a log position. It is searchable after Refresh.
func (x *Index) Put(id string, lsn int64, row string) {
	x.t.Helper()
	row = strings.TrimSuffix(strings.TrimSpace(row), "}")
	if row != "{" {
		row += ","
	}
	x.put(id, row+x.bookkeeping(lsn, false)+"}")
}

// PutEvent indexes an event with the fields that every event has, and those given as well.
func (x *Index) PutEvent(id string, lsn int64, fields map[string]any) {
	x.t.Helper()
	event := object{
		"id": id, "title": "Untitled", "category": "concert", "status": "published", "organizer": "o", "tags": []string{},
		"starts_at": "2027-05-01T19:30:00Z", "ends_at": "2027-05-01T22:30:00Z", "version": 1,
	}
	for name, value := range fields {
		event[name] = value
	}
	row, err := json.Marshal(event)
	if err != nil {
		x.t.Fatalf("encode an event: %v", err)
	}
	x.Put(id, lsn, string(row))
}

// Delete leaves a tombstone.
func (x *Index) Delete(id string, lsn int64) {
	x.t.Helper()
	x.put(id, "{"+x.bookkeeping(lsn, true)+"}")
}

// Refresh makes searchable what was written.
func (x *Index) Refresh() {
	x.t.Helper()
	x.request(x.t.Context(), http.MethodPost, "/"+x.name+"/_refresh", nil)
}

// OpenPointsInTime counts the points in time, and other searches that go on, of this index.
func (x *Index) OpenPointsInTime() int {
	x.t.Helper()
	var answer struct {
		All struct {
			Total struct {
				Search struct {
					Open int `json:"open_contexts"`
				} `json:"search"`
			} `json:"total"`
		} `json:"_all"`
	}
	if err := json.Unmarshal(x.request(x.t.Context(), http.MethodGet, "/"+x.name+"/_stats/search", nil), &answer); err != nil {
		x.t.Fatalf("count points in time: %v", err)
	}
	return answer.All.Total.Search.Open
}

func (x *Index) bookkeeping(lsn int64, deleted bool) string {
	return fmt.Sprintf(`"cdc":{"version":%d,"lsn":%d,"deleted":%t,"committed_at":"2026-01-02T03:04:05.678901Z","indexed_at":"2026-01-02T03:04:06Z"}`,
		lsn, lsn, deleted)
}

func (x *Index) put(id, document string) {
	x.t.Helper()
	x.request(x.t.Context(), http.MethodPut, "/"+x.WriteAlias+"/_doc/"+id, json.RawMessage(document))
}

func (x *Index) request(ctx context.Context, method, path string, body any) []byte {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var content io.Reader = http.NoBody
	if raw, ok := body.(json.RawMessage); ok { // as it is: encoding would change nothing but take its time
		content = bytes.NewReader(raw)
	} else if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			x.t.Fatalf("%s %s: %v", method, path, err)
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, x.URL+path, content)
	if err != nil {
		x.t.Fatalf("%s %s: %v", method, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		x.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode > 299 {
		x.t.Fatalf("%s %s: %s: %v %.500s", method, path, response.Status, err, answer)
	}
	return answer
}

// ClosePointInTime ends a point in time, as the server does when nobody has asked for a while.
func (x *Index) ClosePointInTime(id string) {
	x.t.Helper()
	x.request(x.t.Context(), http.MethodDelete, "/_pit", object{"id": id})
}

// PutMany indexes a number of events at once.
func (x *Index) PutMany(count int) {
	x.t.Helper()
	var lines bytes.Buffer
	for n := range count {
		fmt.Fprintf(&lines, "{\"index\":{\"_id\":\"m%d\"}}\n{\"id\":\"m%d\",\"title\":\"Many %d\",\"starts_at\":\"2027-05-01T19:30:00Z\",\"version\":1,%s}\n",
			n, n, n, x.bookkeeping(1, false))
	}
	x.request(x.t.Context(), http.MethodPost, "/"+x.WriteAlias+"/_bulk", json.RawMessage(lines.Bytes()))
}
