package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/eventapi/event"
	"ticketing/eventapi/httpapi"
)

func TestEveryBadFieldIsNamed(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	for members, locations := range map[string][]string{
		`"title":"","capacity":-1,"country":"xx","tags":["",null]`: {"body.title", "body.capacity", "body.country", "body.tags[0]", "body.tags[1]"},
		`"title":null,"status":null,"tags":null,"attributes":null`: {"body.title", "body.status", "body.tags", "body.attributes"},
		`"title":1,"latitude":"1","capacity":1.5,"tags":[1],"attributes":[],"starts_at":1,"price_min":1,"id":7`: {
			"body.id", "body.title", "body.latitude", "body.capacity", "body.tags", "body.attributes", "body.starts_at", "body.price_min",
		},
		`"status":""`:                                            {"body.status"},
		`"Title":"x","venue":"y"`:                                {"body.Title", "body.venue"},
		`"city":"a\u0000b"`:                                      {"body.city"},
		`"city":"\ud800"`:                                        {"body.city"},
		"\"city\":\"\xff\"":                                      {"body.city"},
		`"attributes":{"a":["\u0000"]}`:                          {"body.attributes"},
		`"attributes":{"\ud800":1}`:                              {"body.attributes"},
		`"attributes":{"a":1e400000}`:                            {"body.attributes"},
		`"latitude":1e400,"longitude":0`:                         {"body.latitude"},
		`"price_min":"NaN","price_max":"1e3"`:                    {"body.price_min", "body.price_max"},
		`"starts_at":"2026-02-30T00:00:00Z"`:                     {"body.starts_at"},
		`"starts_at":"2026-05-01T19:30:00,5Z"`:                   {"body.starts_at"},
		`"ends_at":"9999-12-31T23:59:59-01:00"`:                  {"body.ends_at"},
		`"capacity":2147483648`:                                  {"body.capacity"},
		`"version":3,"created_at":"2026-05-01"`:                  {"body.version", "body.created_at"},
		`"capacity":1e1,"tickets_available":11.0`:                {"body.tickets_available"},
		`"description":"` + strings.Repeat("x", 1_000_001) + `"`: {"body.description"},
	} {
		refused := c.do(http.MethodPost, "/events", "{"+required+","+members+"}")
		require.ElementsMatch(t, locations, refused.locations(http.StatusUnprocessableEntity), "%.200s", members)
	}
	require.Empty(t, c.list("").Items, "nothing was written")
}

func TestUnreadableRequests(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	path := c.create("")
	for _, body := range []string{"", "{", `{"title":"x"} x`, "\xff", `{"title":}`, strings.Repeat(`{"a":`, 20000)} {
		c.do(http.MethodPost, "/events", body, "Content-Type", "application/json").problem(http.StatusBadRequest)
		c.do(http.MethodPatch, path, body).problem(http.StatusBadRequest)
		c.do(http.MethodPost, "/events:batch", body, "Content-Type", "application/json").problem(http.StatusBadRequest)
	}
	for _, mediaType := range []string{"", "text/plain", "application/merge-patch+json", "application/json; charset=latin1", ";", "application/jsonx"} {
		c.do(http.MethodPost, "/events", "{"+required+"}", "Content-Type", mediaType).problem(http.StatusUnsupportedMediaType)
	}
	refused := c.do(http.MethodPatch, path, "{}", "Content-Type", "application/json")
	refused.problem(http.StatusUnsupportedMediaType)
	require.Equal(t, "application/merge-patch+json", refused.header.Get("Accept-Patch"))
	c.do(http.MethodPost, "/events", "{"+required+"}", "Content-Type", `Application/JSON; charset="UTF-8"`).event(http.StatusCreated)
	c.do(http.MethodPost, "/events", "{"+required+`,"x":"`+strings.Repeat("x", 1<<20)+`"}`).problem(http.StatusRequestEntityTooLarge)

	for _, path := range []string{"/", "/nowhere", "/events/", "/events/x/y"} {
		c.do(http.MethodGet, path, "").problem(http.StatusNotFound)
	}
	for path, allow := range map[string]string{
		"/events": "GET, POST, HEAD", "/events:batch": "POST", path: "GET, PUT, PATCH, DELETE, HEAD", "/healthz": "GET, HEAD",
	} {
		refused := c.do(http.MethodTrace, path, "")
		refused.problem(http.StatusMethodNotAllowed)
		require.Equal(t, allow, refused.header.Get("Allow"))
	}
	for _, id := range []string{"x", "%00", "0190a5e26f3b7c4d8e5f0123456789ab", "urn:uuid:0190a5e2-6f3b-7c4d-8e5f-0123456789ab", "a%2Fb"} {
		require.Contains(t, c.do(http.MethodGet, "/events/"+id, "").locations(http.StatusUnprocessableEntity), "path.id", id)
	}
}

// broken is a store that does what its function says in Get, and nothing else.
type broken struct {
	httpapi.Store
	get func(ctx context.Context) (event.Event, error)
}

func (b broken) Get(ctx context.Context, _ event.ID) (event.Event, error) { return b.get(ctx) }

func (broken) Check(context.Context) (database, schema error) {
	return nil, errors.New("table public.events is missing")
}

const anyEvent = "/events/0190a5e2-6f3b-7c4d-8e5f-0123456789ab"

// Errors that nobody expected are logged with the request's id, and say nothing to the client.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	for name, get := range map[string]func(context.Context) (event.Event, error){
		"error": func(context.Context) (event.Event, error) { return event.Event{}, errors.New("secret") },
		"panic": func(context.Context) (event.Event, error) { panic("secret") },
		"a year that JSON cannot carry": func(ctx context.Context) (event.Event, error) {
			return event.Event{CreatedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serveStore(t, limits(), broken{get: get})
			failed := c.do(http.MethodGet, anyEvent, "", "X-Request-Id", "my-request")
			failed.problem(http.StatusInternalServerError)
			require.NotContains(t, string(failed.body), "secret")
			c.server.Close()
			require.Contains(t, c.log.String(), `"level":"ERROR"`)
			require.Contains(t, c.log.String(), `"request_id":"my-request"`)
		})
	}
}

// A store that does not answer in time is away.
func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	config := limits()
	config.RequestTimeout = 10 * time.Millisecond
	c := serveStore(t, config, broken{get: func(ctx context.Context) (event.Event, error) {
		<-ctx.Done()
		return event.Event{}, errors.Join(event.ErrUnavailable, ctx.Err())
	}})
	refused := c.do(http.MethodGet, anyEvent, "")
	refused.problem(http.StatusServiceUnavailable)
	require.Equal(t, "1", refused.header.Get("Retry-After"))
}

// Requests beyond the limit are refused at once; operators see the program all the same.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	config := limits()
	config.MaxInFlight = 1
	entered, leave := make(chan struct{}), make(chan struct{})
	c := serveStore(t, config, broken{get: func(context.Context) (event.Event, error) {
		close(entered)
		<-leave
		return event.Event{}, event.ErrNotFound
	}})
	first := make(chan answer, 1)
	go func() { first <- c.do(http.MethodGet, anyEvent, "") }()
	<-entered
	refused := c.do(http.MethodGet, anyEvent, "")
	refused.problem(http.StatusServiceUnavailable)
	require.Equal(t, "1", refused.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, c.do(http.MethodGet, "/healthz", "").status)
	close(leave)
	(<-first).problem(http.StatusNotFound)
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	c := serveStore(t, limits(), broken{})
	ready := c.do(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, ready.status)
	require.JSONEq(t, `{"status":"unavailable","parts":{"server":"ok","database":"ok","schema":"table public.events is missing"}}`, string(ready.body))
	c.api.Drain()
	require.Contains(t, string(c.do(http.MethodGet, "/readyz", "").body), `"server":"shutting down"`)
	require.Equal(t, http.StatusOK, c.do(http.MethodGet, "/healthz", "").status)
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	c := serveStore(t, limits(), broken{})
	require.Equal(t, "abc-1.2:3_4", c.do(http.MethodGet, "/healthz", "", "X-Request-Id", "abc-1.2:3_4").header.Get("X-Request-Id"))
	for _, id := range []string{"", "a b", "a\"b", strings.Repeat("x", 129)} {
		made := c.do(http.MethodGet, "/healthz", "", "X-Request-Id", id).header.Get("X-Request-Id")
		require.Len(t, made, 26)
	}
}

// The documentation lists every operation, and needs nothing from elsewhere.
func TestDocuments(t *testing.T) {
	t.Parallel()
	c := serveStore(t, limits(), broken{})
	document := c.do(http.MethodGet, "/openapi.json", "")
	require.Equal(t, "application/openapi+json", document.header.Get("Content-Type"))
	var parsed struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(document.body, &parsed))
	require.Equal(t, "3.1.0", parsed.OpenAPI)
	page := c.do(http.MethodGet, "/docs", "")
	require.Contains(t, page.header.Get("Content-Type"), "text/html")
	require.NotContains(t, string(page.body), "<script")
	require.NotContains(t, string(page.body), "http://")
	require.NotContains(t, string(page.body), "https://")
	for _, path := range []string{"/events", "/events/{id}", "/events:batch"} {
		require.Contains(t, parsed.Paths, path)
		require.Contains(t, string(page.body), path)
	}
}
