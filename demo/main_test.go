package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"

	"ticketing/demo/freshness"
	"ticketing/demo/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configure reads a command line as main does.
func configure(t *testing.T, environment map[string]string, args ...string) (Config, error) {
	t.Helper()
	var config Config
	parser, err := kong.New(&config, variables(func(name string) string { return environment[name] }))
	require.NoError(t, err)
	_, err = parser.Parse(args)
	return config, err
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	config, err := configure(t, nil)
	require.NoError(t, err)
	require.Equal(t, 10_000, config.Events)
	require.Equal(t, "http://localhost:8080", config.EventAPIURL)
	require.Equal(t, "http://localhost:9200", config.ElasticsearchURL)
	require.Equal(t, "events", config.Index)

	config, err = configure(t, map[string]string{"EVENTAPI_PORT": "1", "ELASTICSEARCH_PORT": "2"})
	require.NoError(t, err)
	require.Equal(t, "http://localhost:1", config.EventAPIURL)
	require.Equal(t, "http://localhost:2", config.ElasticsearchURL)
}

func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	config := Config{PostgresPort: "6543", Password: "p@ss/word"}
	require.Equal(t, "postgres://indexer:p%40ss%2Fword@localhost:6543/ticketing?sslmode=disable", config.databaseURL())
	config.DatabaseURL = "postgres://elsewhere/db"
	require.Equal(t, "postgres://elsewhere/db", config.databaseURL())
}

func TestConfigErrorsNameTheOption(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--events", "0"},
		{"--concurrency", "0"},
		{"--timeout", "0s"},
		{"--index", ""},
		{"--eventapi-url", "localhost:8080"},
		{"--elasticsearch-url", "postgres://localhost"},
		{"--database-url", "postgres://localhost:port/db"},
	} {
		_, err := configure(t, nil, args...)
		require.ErrorContains(t, err, args[0])
	}
}

// fakeAPI keeps events in memory and counts what is asked of it.
type fakeAPI struct {
	t *testing.T

	mutex  sync.Mutex
	events map[string]map[string]any
	keys   map[string]bool // Idempotency-Keys seen
	calls  map[string]int
	// before, when set, may answer a request instead; it returns false to let it through.
	before func(w http.ResponseWriter, r *http.Request) bool
}

// newDemo returns a demo that writes to a fake API, and what it has printed.
func newDemo(t *testing.T, events int) (*demo, *fakeAPI, *bytes.Buffer) {
	t.Helper()
	fake := &fakeAPI{t: t, events: map[string]map[string]any{}, keys: map[string]bool{}, calls: map[string]int{}}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	var out bytes.Buffer
	d := &demo{
		config:    Config{Events: events, Concurrency: 4, Timeout: time.Minute, EventAPIURL: server.URL},
		screen:    &screen{out: &out, freshness: &freshness.Recorder{}},
		api:       &api{client: newClient(server.URL, 4)},
		generator: sample.New(1, "run", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)),
		runName:   "run",
	}
	t.Cleanup(d.api.close)
	return d, fake, &out
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.before != nil && f.before(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil { // the client has gone
		return
	}
	id, found := strings.CutPrefix(r.URL.Path, "/events/")
	kind := r.Method + " " + r.URL.Path
	if found {
		kind = r.Method
	}
	f.calls[kind]++
	switch {
	case kind == "POST /events:batch":
		f.keys[r.Header.Get("Idempotency-Key")] = true
		var created []any
		for _, item := range gjson.GetBytes(body, "items").Array() {
			created = append(created, f.create(item.Raw))
		}
		reply(w, http.StatusCreated, map[string]any{"items": created})
	case kind == "POST /events":
		f.keys[r.Header.Get("Idempotency-Key")] = true
		reply(w, http.StatusCreated, f.create(string(body)))
	case kind == "GET /events":
		reply(w, http.StatusOK, f.page(r.URL.Query().Get("cursor")))
	case f.events[id] == nil:
		reply(w, http.StatusNotFound, map[string]any{"detail": "event not found"})
	case kind == http.MethodDelete:
		delete(f.events, id)
		w.WriteHeader(http.StatusNoContent)
	case kind == http.MethodPut && r.Header.Get("If-Match") != f.etag(id):
		reply(w, http.StatusPreconditionFailed, map[string]any{"detail": "another version"})
	case kind == http.MethodGet:
		w.Header().Set("ETag", f.etag(id))
		reply(w, http.StatusOK, f.events[id])
	default:
		f.update(id, body)
		reply(w, http.StatusOK, f.events[id])
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (f *fakeAPI) create(text string) map[string]any {
	var e map[string]any
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		f.t.Errorf("%s: %v", text, err)
	}
	e["id"], e["version"] = fmt.Sprintf("id-%06d", len(f.events)), 1
	f.events[e["id"].(string)] = e
	return e
}

func (f *fakeAPI) update(id string, body []byte) {
	e := f.events[id]
	e["version"] = e["version"].(int) + 1
	if err := json.Unmarshal(body, &e); err != nil {
		f.t.Errorf("%s: %v", body, err)
	}
}

func (f *fakeAPI) etag(id string) string { return strconv.Quote(fmt.Sprint(f.events[id]["version"])) }

// page returns three events at a time.
func (f *fakeAPI) page(cursor string) map[string]any {
	items, next := []any{}, any(nil)
	for _, id := range slices.Sorted(maps.Keys(f.events)) {
		if id <= cursor {
			continue
		}
		if len(items) == 3 {
			next = items[2].(map[string]any)["id"]
			break
		}
		items = append(items, f.events[id])
	}
	return map[string]any{"items": items, "next_cursor": next}
}

func TestWritesAsPlanned(t *testing.T) {
	t.Parallel()
	d, fake, out := newDemo(t, 1000)
	plan, err := d.create(t.Context())
	require.NoError(t, err)
	require.Len(t, fake.events, 1000)
	require.Greater(t, fake.calls["POST /events"], 20, "some one by one")
	require.Less(t, fake.calls["POST /events:batch"], 11, "most in batches")
	require.Len(t, fake.keys, fake.calls["POST /events"]+fake.calls["POST /events:batch"], "every creation has a key of its own")
	require.Len(t, plan.changed, 200)
	require.Len(t, plan.deleted, 100)

	require.NoError(t, d.change(t.Context(), plan.changed))
	require.Equal(t, 34, fake.calls[http.MethodPut])
	require.Equal(t, 166, fake.calls[http.MethodPatch])
	for _, w := range plan.changed {
		require.EqualValues(t, 2, w.version)
		require.Equal(t, 2, fake.events[w.id]["version"])
	}

	require.NoError(t, d.delete(t.Context(), d.screen.progress("deleting", 100), ids(plan.deleted)))
	require.Len(t, fake.events, 900)
	require.NoError(t, d.delete(t.Context(), d.screen.silent(), ids(plan.deleted)), "what is gone is deleted")

	for _, line := range []string{"creating   1,000 of 1,000", "changing     200 of 200", "deleting     100 of 100"} {
		require.Contains(t, out.String(), line)
	}
}

func TestCleanDeletesOnlyTheDemosEvents(t *testing.T) {
	t.Parallel()
	d, fake, out := newDemo(t, 20)
	fake.create(`{"title": "somebody's", "attributes": {}}`)
	_, err := d.create(t.Context())
	require.NoError(t, err)
	fake.create(`{"title": "somebody else's", "attributes": {"demo": true}}`)

	require.NoError(t, d.clean(t.Context()))
	require.Len(t, fake.events, 2)
	require.Contains(t, out.String(), "20 events of the demo")
	require.NoError(t, d.clean(t.Context()))
	require.Contains(t, out.String(), "There are no events of the demo")
}

func TestRepeatsWhatIsUnavailable(t *testing.T) {
	t.Parallel()
	d, fake, _ := newDemo(t, 1)
	var keys []string
	fake.before = func(w http.ResponseWriter, r *http.Request) bool {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) < 3 {
			reply(w, http.StatusServiceUnavailable, map[string]any{"detail": "busy"})
		}
		return len(keys) < 3
	}
	require.NoError(t, d.api.create(t.Context(), "key", &written{event: d.generator.Event()}))
	require.Equal(t, []string{"key", "key", "key"}, keys)
}

func TestDoesNotRepeatWhatIsRefused(t *testing.T) {
	t.Parallel()
	d, fake, _ := newDemo(t, 1000)
	calls := 0
	fake.before = func(w http.ResponseWriter, _ *http.Request) bool {
		calls++
		reply(w, http.StatusUnprocessableEntity, map[string]any{
			"detail": "validation failed", "errors": []any{map[string]any{"location": "body.title", "message": "must not be empty"}},
		})
		return true
	}
	err := d.api.create(t.Context(), "key", &written{})
	require.ErrorContains(t, err, "422 Unprocessable Entity: validation failed; body.title must not be empty")
	require.Equal(t, 1, calls)
	_, err = d.create(t.Context())
	require.ErrorContains(t, err, "create events: POST")
}

func TestReplaceReadsAgainWhenSomebodyWasQuicker(t *testing.T) {
	t.Parallel()
	d, fake, _ := newDemo(t, 1)
	w := &written{event: d.generator.Event()}
	require.NoError(t, d.api.create(t.Context(), "key", w))
	quicker := 2
	fake.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && quicker > 0 {
			quicker--
			fake.update(w.id, []byte(`{"title": "quicker"}`))
		}
		return false
	}
	require.NoError(t, d.api.replace(t.Context(), w, d.generator.Revise(w.event)))
	require.EqualValues(t, 4, w.version)
	require.Contains(t, fake.events[w.id]["title"], "new programme")
}

func TestStopsWhenTold(t *testing.T) {
	t.Parallel()
	d, fake, _ := newDemo(t, 100_000)
	ctx, cancel := context.WithCancel(t.Context())
	fake.before = func(http.ResponseWriter, *http.Request) bool {
		if len(fake.events) > 500 {
			cancel()
		}
		return false
	}
	_, err := d.create(ctx)
	require.ErrorIs(t, err, context.Canceled)
	fake.mutex.Lock() // for requests that are still being answered
	defer fake.mutex.Unlock()
	require.Less(t, len(fake.events), 5000)
}

// withSearch gives a demo an index that shows what the fake API holds, when it is asked for the nth time.
func withSearch(t *testing.T, d *demo, fake *fakeAPI, nth int) {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		filter := gjson.GetBytes(body, "query.bool.filter")
		fake.mutex.Lock()
		defer fake.mutex.Unlock()
		asked++
		e := fake.events[filter.Get("0.term.id").String()]
		found := 0
		if e != nil && int64(e["version"].(int)) >= filter.Get("1.range.version.gte").Int() && asked >= nth {
			found = 1
		}
		reply(w, http.StatusOK, map[string]any{"count": found})
	}))
	t.Cleanup(server.Close)
	d.search = &search{client: newClient(server.URL, 4), alias: "events"}
	t.Cleanup(d.search.close)
}

func TestProbeMeasuresWhileTheDemoWrites(t *testing.T) {
	t.Parallel()
	d, fake, out := newDemo(t, 500)
	withSearch(t, d, fake, 10)
	// The changes wait until there is a measurement.
	fake.before = func(w http.ResponseWriter, r *http.Request) bool {
		wait := r.Method == http.MethodPut && d.screen.freshness.Summary().Count == 0
		if wait {
			reply(w, http.StatusServiceUnavailable, nil)
		}
		return wait
	}
	probe, err := d.newProbe(t.Context())
	require.NoError(t, err)
	late, err := d.write(t.Context(), probe)
	require.NoError(t, late)
	require.NoError(t, err)
	require.Len(t, fake.events, probes+450)
	require.Positive(t, d.screen.freshness.Summary().Max)

	var rest freshness.Recorder
	require.NoError(t, probe.times(t.Context(), 5, &rest))
	require.Equal(t, 5, rest.Summary().Count)
	d.sayFreshness(&rest)
	require.Regexp(t, `(?m)^at rest .* ms .* 5$`, out.String())
}

func TestWritesGoOnWhenNothingBecomesSearchable(t *testing.T) {
	t.Parallel()
	d, fake, _ := newDemo(t, 500)
	withSearch(t, d, fake, 1_000_000)
	d.config.Timeout = 10 * time.Millisecond
	probe, err := d.newProbe(t.Context())
	require.NoError(t, err)
	done := make(chan struct{})
	require.ErrorIs(t, probe.until(t.Context(), done, d.screen.freshness), freshness.ErrLate)
	_, err = d.write(t.Context(), probe)
	require.NoError(t, err)
	require.Len(t, fake.events, probes+450)
}

func TestSaysWhatIsNotUp(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			reply(w, http.StatusNotFound, map[string]any{"error": map[string]any{"reason": "no such index [events]"}})
		}
	}))
	defer up.Close()
	config, err := configure(t, nil, "--eventapi-url", down.URL, "--elasticsearch-url", down.URL)
	require.NoError(t, err)
	out := &screen{out: io.Discard, freshness: &freshness.Recorder{}}

	err = run(t.Context(), config, out)
	require.ErrorContains(t, err, "The API is not ready at "+down.URL+". Run `make up` first, or say with --eventapi-url")

	config.EventAPIURL = up.URL
	err = run(t.Context(), config, out)
	require.ErrorContains(t, err, "Elasticsearch is not ready at "+down.URL+". Run `make up` first")

	config.ElasticsearchURL = up.URL
	err = run(t.Context(), config, out)
	require.ErrorContains(t, err, "there is no alias events")
}

func TestProgressBarOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &screen{out: &out, terminal: true, freshness: &freshness.Recorder{}}
	s.freshness.Add(45 * time.Millisecond)
	p := s.progress("creating", 100)
	p.add(40)
	p.add(60)
	require.Contains(t, out.String(), "creating, fresh in 45 ms (p95 45 ms)")
	require.Contains(t, out.String(), "100/100")
}

func TestText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		require.Equal(t, want, thousands(n))
	}
	for d, want := range map[time.Duration]string{0: "-", 45*time.Millisecond + 600*time.Microsecond: "46 ms", 1250 * time.Millisecond: "1.2 s"} {
		require.Equal(t, want, short(d))
	}
}
