package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/eventapi/event"
	"ticketing/eventapi/httpapi"
	"ticketing/eventapi/postgres"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client talks to an API on a server of its own.
type client struct {
	t      *testing.T
	server *httptest.Server
	api    *httpapi.API
	log    *bytes.Buffer // read it when no request runs
}

func limits() httpapi.Config {
	return httpapi.Config{MaxBodyBytes: 1 << 20, MaxInFlight: 64, RequestTimeout: 10 * time.Second}
}

// serve makes an API on the real store and a database of its own.
func serve(t *testing.T, config httpapi.Config) *client {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Config{
		URL: testenv.URLAs(t, testenv.Database(t), "eventapi"), MaxConns: 8,
		ConnectTimeout: 5 * time.Second, StatementTimeout: 10 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return serveStore(t, config, store)
}

func serveStore(t *testing.T, config httpapi.Config, store httpapi.Store) *client {
	t.Helper()
	c := &client{t: t, log: &bytes.Buffer{}}
	var err error
	c.api, err = httpapi.New(config, store, slog.New(slog.NewJSONHandler(c.log, nil)), prometheus.NewRegistry())
	require.NoError(t, err)
	c.server = httptest.NewServer(c.api)
	t.Cleanup(c.server.Close)
	return c
}

type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// do sends a request; headers are name and value by turns. A body goes as JSON unless a header says otherwise.
func (c *client) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	request, err := http.NewRequestWithContext(context.WithoutCancel(c.t.Context()), method, c.server.URL+path, strings.NewReader(body))
	require.NoError(c.t, err)
	switch {
	case method == http.MethodPatch:
		request.Header.Set("Content-Type", "application/merge-patch+json")
	case body != "":
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.server.Client().Do(request)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return answer{c.t, response.StatusCode, response.Header, text}
}

// event expects an event and decodes it.
func (a answer) event(status int) event.Event {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	var e event.Event
	require.NoError(a.t, json.Unmarshal(a.body, &e))
	return e
}

type problem struct {
	Title, Detail string
	Status        int
	Errors        []struct{ Location, Message string }
}

// problem expects a problem and decodes it.
func (a answer) problem(status int) problem {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	var p problem
	require.NoError(a.t, json.Unmarshal(a.body, &p))
	require.Equal(a.t, status, p.Status)
	require.Equal(a.t, http.StatusText(status), p.Title)
	require.NotEmpty(a.t, p.Detail)
	return p
}

// locations expects a problem and returns what it names.
func (a answer) locations(status int) []string {
	a.t.Helper()
	var locations []string
	for _, e := range a.problem(status).Errors {
		require.NotEmpty(a.t, e.Message)
		locations = append(locations, e.Location)
	}
	return locations
}

const required = `"title":"Jazz","category":"concert","organizer":"Lakeside","starts_at":"2026-05-01T19:30:00Z","ends_at":"2026-05-01T22:30:00Z"`

// create makes an event of the required fields and more members, and returns its path.
func (c *client) create(more string) string {
	c.t.Helper()
	created := c.do(http.MethodPost, "/events", "{"+required+more+"}")
	require.Equal(c.t, http.StatusCreated, created.status, "%s", created.body)
	return created.header.Get("Location")
}
