package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/eventsearch/elastic"
	"ticketing/eventsearch/httpapi"
	"ticketing/eventsearch/indextest"
	"ticketing/eventsearch/search"
	"ticketing/internal/esclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client talks to an API on a server of its own.
type client struct {
	t      *testing.T
	server *httptest.Server
	log    *bytes.Buffer // read it when no request runs
}

func limits() httpapi.Config {
	return httpapi.Config{
		MaxInFlight: 64, MaxSearches: 32, MaxSuggestions: 16, MaxWaits: 32, RequestTimeout: 30 * time.Second, SuggestTimeout: 20 * time.Second,
	}
}

// serve makes an API on an index of its own.
func serve(t *testing.T) (*client, *indextest.Index) {
	t.Helper()
	x := indextest.New(t)
	connection, err := esclient.New(esclient.Config{URL: x.URL, Timeout: 30 * time.Second})
	require.NoError(t, err)
	t.Cleanup(connection.Close)
	index := elastic.NewIndex(connection, elastic.Config{
		ReadAlias: x.ReadAlias, WriteAlias: x.WriteAlias, SearchTimeout: 30 * time.Second, CursorTTL: time.Minute,
	}, elastic.NewMetrics(prometheus.NewRegistry()))
	return serveIndex(t, limits(), index), x
}

func serveIndex(t *testing.T, config httpapi.Config, index httpapi.Searcher) *client {
	t.Helper()
	c := &client{t: t, log: &bytes.Buffer{}}
	api, err := httpapi.New(config, index, slog.New(slog.NewJSONHandler(c.log, nil)), prometheus.NewRegistry())
	require.NoError(t, err)
	c.server = httptest.NewServer(api)
	t.Cleanup(c.server.Close)
	return c
}

type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// get sends a request; headers are name and value by turns.
func (c *client) get(path string, headers ...string) answer {
	c.t.Helper()
	request, err := http.NewRequestWithContext(context.WithoutCancel(c.t.Context()), http.MethodGet, c.server.URL+path, http.NoBody)
	require.NoError(c.t, err)
	for n := 0; n < len(headers); n += 2 {
		request.Header.Set(headers[n], headers[n+1])
	}
	response, err := c.server.Client().Do(request)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return answer{c.t, response.StatusCode, response.Header, text}
}

type page struct {
	Items []struct {
		ID    string
		Event json.RawMessage
	}
	Total struct {
		Value int
		Exact bool
	}
	Facets     json.RawMessage
	NextCursor *string `json:"next_cursor"`
	After      *struct{ Searchable bool }
}

func (a answer) page() page {
	a.t.Helper()
	require.Equal(a.t, http.StatusOK, a.status, "%s", a.body)
	var p page
	require.NoError(a.t, json.Unmarshal(a.body, &p))
	return p
}

// locations expects a problem and returns what it names.
func (a answer) locations(status int) []string {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	if status == http.StatusNotFound || status == http.StatusGone { // which may be kept otherwise
		require.Equal(a.t, "no-store", a.header.Get("Cache-Control"))
	}
	var problem struct {
		Detail string
		Errors []struct{ Location, Message string }
	}
	require.NoError(a.t, json.Unmarshal(a.body, &problem))
	require.NotEmpty(a.t, problem.Detail)
	found := []string{}
	for _, e := range problem.Errors {
		require.NotEmpty(a.t, e.Message)
		found = append(found, e.Location)
	}
	return found
}

const id = "01a208e7-a676-782e-8251-653260612309"

func TestSearchAndGet(t *testing.T) {
	t.Parallel()
	c, x := serve(t)
	x.Put(id, 42, `{"id":"`+id+`","title":"Jazz","starts_at":"2027-05-01T19:30:00Z","version":7,"attributes":{"n":9007199254740993,"d":1.10}}`)
	x.Refresh()
	const event = `"event":{"id":"` + id + `","title":"Jazz","starts_at":"2027-05-01T19:30:00Z","version":7,"attributes":{"n":9007199254740993,"d":1.10}}`
	const freshness = `"freshness":{"committed_at":"2026-01-02T03:04:05.678901Z","indexed_at":"2026-01-02T03:04:06Z","order":{"version":"42","lsn":"42"}}`
	found := c.get("/events?q=jaz")
	require.Equal(t, "no-store", found.header.Get("Cache-Control"))
	require.Contains(t, string(found.body), event+","+freshness)
	require.Len(t, found.page().Items, 1)

	alone := c.get("/events/" + strings.ToUpper(id))
	require.Equal(t, "{"+event+","+freshness+"}\n", string(alone.body)) //nolint:testifylint // byte for byte: no digit may change
	require.Equal(t, `W/"7"`, alone.header.Get("ETag"))
	require.Equal(t, "private, no-cache", alone.header.Get("Cache-Control"))
	for tags, status := range map[string]int{`W/"7"`: 304, `"7"`: 304, `*`: 304, `"6"`: 200, `"6", "7"`: 304} {
		got := c.get("/events/"+id, "If-None-Match", tags)
		require.Equal(t, status, got.status, tags)
		require.Equal(t, `W/"7"`, got.header.Get("ETag"))
	}
	x.Delete(id, 43)
	c.get("/events/" + id).locations(http.StatusNotFound)
}

func TestBadParametersAreNamed(t *testing.T) {
	t.Parallel()
	c, x := serve(t)
	x.PutEvent("a", 1, nil)
	x.PutEvent("b", 1, nil)
	x.Refresh()
	cursor := *c.get("/events?limit=1").page().NextCursor
	forged, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	deep := base64.RawURLEncoding.EncodeToString(bytes.Replace(forged, []byte(`"n":1,`), []byte(`"n":10000,`), 1))
	for query, want := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "limit=x": "limit", "limit=1&limit=2": "limit", "limit=": "limit",
		"q=" + strings.Repeat("x", 201): "q", "q=" + strings.Repeat("x+", 13): "q", "q=%00": "q", "sort=relevance": "q",
		"status=gone": "status", "city=": "city", "city=a,,b": "city", "tags=%ff": "tags", "country=a&country=": "country",
		"price_min=1.999": "price_min", "price_max=-1": "price_max", "price_min=10&price_max=9.99": "price_max",
		"starts_from=tomorrow": "starts_from", "starts_to=2026-05-01T19:30:00": "starts_to",
		"starts_from=2027-01-01T00:00:00Z&starts_to=2026-01-01T00:00:00Z": "starts_to",
		"near=1": "near", "near=91,0": "near", "within=5": "near", "within=0&near=1,1": "within", "within=20001&near=1,1": "within",
		"sort=distance": "near", "sort=name": "sort", "order=up": "order", "unknown=1": "unknown",
		"after=x": "after", "after=" + id: "after", "wait=11": "wait", "wait=-1": "wait",
		"cursor=x": "cursor", "cursor=" + cursor + "&city=Wien": "cursor", "cursor=" + cursor + "&sort=price": "cursor",
		"cursor=" + deep: "cursor", "cursor=e30": "cursor",
	} {
		require.Equal(t, []string{"query." + want}, c.get("/events?"+query).locations(http.StatusUnprocessableEntity), query)
	}
	require.ElementsMatch(t, []string{"query.limit", "query.price_min", "query.sort"},
		c.get("/events?limit=0&price_min=x&sort=x").locations(http.StatusUnprocessableEntity), "all at once")
	for path, want := range map[string]string{
		"/events/x": "path.id", "/suggest": "query.q", "/suggest?q=" + strings.Repeat("x", 101): "query.q", "/events/" + id + "?x=1": "query.x",
		"/events/" + id + "?after=1": "query.after",
	} {
		require.Contains(t, c.get(path).locations(http.StatusUnprocessableEntity), want, path)
	}
	require.Len(t, c.get("/events?limit=100&cursor="+cursor).page().Items, 1, "a page may have another size")
}

func TestListsAndCursors(t *testing.T) {
	t.Parallel()
	c, x := serve(t)
	for n, city := range []string{"Wien", "Graz", "Washington, D.C.", "Linz"} {
		x.PutEvent(string(rune('a'+n)), 1, map[string]any{"city": city})
	}
	x.Refresh()
	require.Equal(t, 3, c.get(`/events?city=Wien,Graz&city=`+url.QueryEscape(`Washington\, D.C.`)).page().Total.Value)
	query, seen := "/events?limit=1&city=Wien,Graz,Linz", ""
	first := c.get(query).page()
	require.NotNil(t, first.Facets)
	for p := first; ; p = c.get(query + "&cursor=" + *p.NextCursor).page() {
		seen += p.Items[0].ID
		if p.NextCursor == nil {
			break
		}
	}
	require.Equal(t, "abd", seen)
	again := c.get(query + "&cursor=" + *first.NextCursor)
	require.Empty(t, again.locations(http.StatusGone), "the last page has given the point in time back")
	require.Contains(t, string(again.body), "begin again with the first page")
}

// A request that names a write waits for it, but not for ever, and says what came of it.
func TestAfterAWrite(t *testing.T) {
	t.Parallel()
	c, x := serve(t)
	x.PutEvent(id, 10, nil)
	x.Refresh()
	token := func(position, wait string) string { return "after=" + id + ":" + position + "&wait=" + wait }
	require.Nil(t, c.get("/events").page().After)
	require.True(t, c.get("/events?"+token("10", "0")).page().After.Searchable)
	late := c.get("/events?" + token("20", "0.05")).page()
	require.False(t, late.After.Searchable)
	require.Len(t, late.Items, 1, "the answer comes all the same")

	alone := c.get("/events/"+id+"?"+token("20", "0"), "If-None-Match", "*")
	require.Equal(t, http.StatusOK, alone.status, "304 could not say that it is too old")
	require.Contains(t, string(alone.body), `"after":{"searchable":false}`)
	require.Equal(t, "no-store", alone.header.Get("Cache-Control"))
	require.Equal(t, http.StatusNotModified, c.get("/events/"+id+"?"+token("10", "0"), "If-None-Match", "*").status)

	var group sync.WaitGroup
	group.Go(func() {
		found := c.get("/events?" + token("20", "10")).page()
		require.True(t, found.After.Searchable)
		require.Empty(t, found.Items, "the delete is seen")
	})
	group.Go(func() {
		gone := c.get("/events/" + id + "?" + token("20", "10"))
		gone.locations(http.StatusNotFound)
		require.NotContains(t, string(gone.body), "not searchable yet")
	})
	x.Delete(id, 20)
	x.Refresh()
	group.Wait()
	missing := c.get("/events/" + id + "?" + token("30", "0"))
	missing.locations(http.StatusNotFound)
	require.Contains(t, string(missing.body), "not searchable yet")
}

// fake is an index that does what its function says for a search or a question for a write, and nothing else.
type fake struct {
	httpapi.Searcher
	do func(ctx context.Context) error
}

func (f fake) Search(ctx context.Context, _ search.Query) (search.Page, error) {
	return search.Page{}, f.do(ctx)
}

func (f fake) Searchable(ctx context.Context, _ search.Token) (bool, error) { return false, f.do(ctx) }

// Searches beyond the limit are refused at once.
func TestSearchesAreShed(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	config := limits()
	config.MaxSearches = 1
	c := serveIndex(t, config, fake{do: func(context.Context) error {
		close(entered)
		<-leave
		return nil
	}})
	first := make(chan answer, 1)
	go func() { first <- c.get("/events") }()
	<-entered
	refused := c.get("/events")
	refused.locations(http.StatusServiceUnavailable)
	require.Equal(t, "1", refused.header.Get("Retry-After"))
	require.Contains(t, string(c.get("/metrics").body), `eventsearch_shed_total{limit="searches"} 1`)
	close(leave)
	require.Equal(t, http.StatusOK, (<-first).status)
}

// Where too many wait already, a request looks once and does not wait.
func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 100)
	leave := make(chan struct{})
	config := limits()
	config.MaxWaits = 1
	index := fake{do: func(ctx context.Context) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		if ctx.Err() != nil {
			return errors.Join(search.ErrUnavailable, ctx.Err())
		}
		select {
		case <-leave:
			return search.ErrUnavailable // ends the wait of the first
		default:
			return nil
		}
	}}
	c := serveIndex(t, config, index)
	first := make(chan answer, 1)
	go func() { first <- c.get("/events?wait=10&after=" + id + ":1") }()
	<-entered
	second := c.get("/events?wait=10&after=" + id + ":1")
	require.False(t, second.page().After.Searchable)
	require.Contains(t, string(c.get("/metrics").body), `eventsearch_after_wait_seconds_count{outcome="busy"} 1`)
	close(leave)
	refused := <-first
	refused.locations(http.StatusServiceUnavailable)
	require.Equal(t, "1", refused.header.Get("Retry-After"))
}

// Errors that nobody expected are logged with the request's id, and say nothing to the client.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	c := serveIndex(t, limits(), fake{do: func(context.Context) error { return errors.New("secret") }})
	failed := c.get("/events", "X-Request-Id", "my-request")
	require.Empty(t, failed.locations(http.StatusInternalServerError))
	require.NotContains(t, string(failed.body), "secret")
	c.server.Close()
	require.Contains(t, c.log.String(), "secret")
	require.Contains(t, c.log.String(), `"request_id":"my-request"`)
}

func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	config := limits()
	config.RequestTimeout = 20 * time.Millisecond
	c := serveIndex(t, config, fake{do: func(context.Context) error { return nil }})
	c.get("/events?wait=10&after=" + id + ":1").locations(http.StatusServiceUnavailable)
}
