package pipeline_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"ticketing/eventsearch/pipeline"
)

// other is a program behind the proxy, which tells what it was asked.
func other(t *testing.T, name string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Join([]string{name, r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Cookie"), string(body)}, "|"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func serve(t *testing.T, config pipeline.Config) func(method, path, body string) (int, string) {
	t.Helper()
	proxy, err := pipeline.New(config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(proxy.Close)
	router := chi.NewRouter()
	proxy.Mount(router)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return func(method, path, body string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer secret")
		request.Header.Set("Cookie", "session=1")
		answer, err := server.Client().Do(request)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(text)
	}
}

func TestHandsOn(t *testing.T) {
	t.Parallel()
	ask := serve(t, pipeline.Config{IndexerURL: other(t, "indexer"), EventAPIURL: other(t, "eventapi")})
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodGet, "/pipeline/api/status", "", 200, "indexer|GET|/api/status|Bearer secret||"},
		{http.MethodGet, "/pipeline/api/dead-letters?limit=5&reason=a%20b", "", 200, "indexer|GET|/api/dead-letters?limit=5&reason=a%20b|Bearer secret||"},
		{http.MethodPost, "/pipeline/api/jobs", `{"kind":"verify"}`, 200, `indexer|POST|/api/jobs|Bearer secret||{"kind":"verify"}`},
		{http.MethodDelete, "/pipeline/api/jobs/a", "", 200, "indexer|DELETE|/api/jobs/a|Bearer secret||"},
		{http.MethodPost, "/pipeline/events", `{"title":"a"}`, 200, `eventapi|POST|/events|Bearer secret||{"title":"a"}`},
		{http.MethodPut, "/pipeline/api/jobs", "", 405, ""},
		{http.MethodGet, "/pipeline/events", "", 405, ""},
		{http.MethodGet, "/pipeline/metrics", "", 404, ""},
		{http.MethodGet, "/pipeline/api/../metrics", "", 404, ""},
		{http.MethodGet, "/pipeline/api/dead-letters/0%3A7", "", 200, "indexer|GET|/api/dead-letters/0%3A7|"},
		{http.MethodGet, "/pipeline/api/trace/a%2Fb", "", 200, "indexer|GET|/api/trace/a%2Fb|"},
		{http.MethodPost, "/pipeline/events", strings.Repeat("x", 64<<10+1), 413, "larger than 65536 bytes"},
	} {
		status, text := ask(test.method, test.path, test.body)
		require.Equal(t, test.status, status, "%s %s", test.method, test.path)
		require.Contains(t, text, test.want)
	}
}

func TestNamesTheSettingOfTheOneThatIsAway(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	ask := serve(t, pipeline.Config{IndexerURL: gone.URL, EventAPIURL: gone.URL})
	status, text := ask(http.MethodGet, "/pipeline/api/status", "")
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, text, "--indexer-url (EVENTSEARCH_INDEXER_URL)")
	status, text = ask(http.MethodPost, "/pipeline/events", "{}")
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, text, "--eventapi-url (EVENTSEARCH_EVENTAPI_URL)")
}

// What the other side sends is seen at once, and not at its end.
func TestPassesAStreamAsItComes(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-seen:
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, "second")
	}))
	t.Cleanup(server.Close)
	proxy, err := pipeline.New(pipeline.Config{IndexerURL: server.URL, EventAPIURL: server.URL}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(proxy.Close)
	router := chi.NewRouter()
	proxy.Mount(router)
	front := httptest.NewServer(router)
	t.Cleanup(front.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, front.URL+"/pipeline/api/trace/a", http.NoBody)
	require.NoError(t, err)
	answer, err := front.Client().Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	first := make([]byte, len("first"))
	_, err = io.ReadFull(answer.Body, first)
	require.NoError(t, err)
	close(seen)
	rest, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "firstsecond", string(first)+string(rest))
}

func TestRefusesBadAddresses(t *testing.T) {
	t.Parallel()
	_, err := pipeline.New(pipeline.Config{IndexerURL: "localhost:8082", EventAPIURL: "http://localhost:8080"}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "--indexer-url")
	_, err = pipeline.New(pipeline.Config{IndexerURL: "http://localhost:8082", EventAPIURL: ""}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "--eventapi-url")
}
