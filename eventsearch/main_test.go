package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/eventsearch/indextest"
	"ticketing/internal/rest"
	"ticketing/internal/schemathesis"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configure reads a command line as main does.
func configure(t *testing.T, args ...string) (Config, error) {
	t.Helper()
	var config Config
	parser, err := kong.New(&config, kong.Exit(func(int) {}))
	require.NoError(t, err)
	_, err = parser.Parse(args)
	return config, err
}

// process is a running eventsearch.
type process struct {
	url    string
	log    *testenv.Log
	client *http.Client
}

// start runs eventsearch on a free port until the test ends, and waits until it answers.
func start(t *testing.T, x *indextest.Index, args ...string) *process {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	config, err := configure(t, append([]string{
		"--listen", address, "--elasticsearch-url", x.URL, "--read-alias", x.ReadAlias, "--write-alias", x.WriteAlias,
		"--shutdown-delay", "0s",
		// Where other tests have the processors, a suggestion may rightly take longer than half a second and be refused.
		"--elasticsearch-timeout", "15s", "--search-timeout", "15s", "--suggest-timeout", "15s",
	}, args...)...)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	transport := &http.Transport{}
	p := &process{url: "http://" + address, log: &testenv.Log{}, client: &http.Client{Transport: transport}}
	stopped := make(chan error, 1)
	go func() {
		stopped <- run(ctx, config, rest.NewLogger(p.log, config.LogLevel, config.LogFormat))
	}()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		require.NoError(t, <-stopped)
	})
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		_, _, err := p.get(ctx, "/healthz")
		return err
	})
	return p
}

func (p *process) get(ctx context.Context, path string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func (p *process) require(t *testing.T, path string, status int) string {
	t.Helper()
	got, body, err := p.get(t.Context(), path)
	require.NoError(t, err)
	require.Equal(t, status, got, body)
	return body
}

func TestServesFromIndexToMetrics(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	x.PutEvent("a", 1, map[string]any{"title": "Jazz by the lake"})
	x.Refresh()
	p := start(t, x)
	p.require(t, "/readyz", http.StatusOK)
	require.Contains(t, p.require(t, "/events?q=jazz", http.StatusOK), `"title":"Jazz by the lake"`)
	p.require(t, "/suggest?q=ja", http.StatusOK)
	p.require(t, "/events?after=01a208e7-a676-782e-8251-653260612309:5&wait=0", http.StatusOK)
	metrics := p.require(t, "/metrics", http.StatusOK)
	for _, line := range []string{
		`eventsearch_http_request_duration_seconds_count{method="GET",route="/events",status="200"} 2`,
		`eventsearch_elasticsearch_request_duration_seconds_count{operation="count",outcome="ok"} 2`,
		`eventsearch_elasticsearch_request_duration_seconds_count{operation="suggest",outcome="ok"} 1`,
		`eventsearch_after_wait_seconds_count{outcome="late"} 1`,
		`eventsearch_shed_total{limit="searches"} 0`, "eventsearch_http_requests_in_flight 1", "go_goroutines ",
	} {
		require.Contains(t, metrics, line)
	}
}

// The program starts, says what is wrong and answers 503 while there is no index.
func TestWithoutAnIndex(t *testing.T) {
	t.Parallel()
	p := start(t, indextest.Missing(t))
	require.JSONEq(t, `{"status":"unavailable","parts":{"server":"ok","elasticsearch":"ok",
		"index":"there is no index yet: the indexer makes it when it starts"}}`, p.require(t, "/readyz", http.StatusServiceUnavailable))
	require.Contains(t, p.require(t, "/events", http.StatusServiceUnavailable), "there is no index yet")
}

// A server that is away or overloaded is 503, and its own words stay in the log.
func TestElasticsearchAway(t *testing.T) {
	t.Parallel()
	x := indextest.Missing(t)
	x.URL = fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))
	p := start(t, x)
	p.require(t, "/readyz", http.StatusServiceUnavailable)
	for _, path := range []string{"/events", "/events/01a208e7-a676-782e-8251-653260612309", "/suggest?q=a"} {
		body := p.require(t, path, http.StatusServiceUnavailable)
		require.Contains(t, body, "the index does not answer")
		require.NotContains(t, body, "connection refused")
	}
	require.Contains(t, p.log.String(), "connection refused")
}

func TestSchemathesis(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	for n := range 30 {
		x.PutEvent(fmt.Sprintf("01a208e7-a676-782e-8251-6532606123%02d", n), 1, map[string]any{"title": fmt.Sprint("Event ", n), "city": "Wien"})
	}
	x.Refresh()
	p := start(t, x, "--log-level", "warn")
	schemathesis.Run(t, p.url, filepath.Join("testdata", "schemathesis"))
	require.Empty(t, p.log.String(), "a warning or an error was logged")
}

func TestBadConfigurationNamesTheOption(t *testing.T) {
	t.Parallel()
	for option, args := range map[string][]string{
		"--elasticsearch-url (EVENTSEARCH_ELASTICSEARCH_URL)": {"--elasticsearch-url", "localhost:9200"},
		"--listen":         {"--listen", "8081"},
		"--max-searches":   {"--max-searches", "0"},
		"--max-waits":      {"--max-waits=-1"},
		"--search-timeout": {"--search-timeout", "10us"},
		"--search-timeout (6s) must not be longer than --elasticsearch-timeout (5s)":  {"--search-timeout", "6s"},
		"--suggest-timeout (2s) must not be longer than --elasticsearch-timeout (1s)": {"--suggest-timeout", "2s", "--elasticsearch-timeout", "1s"},
		"--cursor-ttl":       {"--cursor-ttl", "0s"},
		"--read-alias":       {"--read-alias", ""},
		"--shutdown-delay":   {"--shutdown-delay=-1s"},
		"--log-format":       {"--log-format", "xml"},
		"--max-answer-bytes": {"--max-answer-bytes", "0"},
	} {
		_, err := configure(t, args...)
		require.ErrorContains(t, err, option)
	}
}

func TestConfigurationFromEnvironment(t *testing.T) {
	t.Setenv("EVENTSEARCH_LISTEN", "127.0.0.1:1")
	t.Setenv("EVENTSEARCH_ELASTICSEARCH_URL", "http://elsewhere:9200")
	config, err := configure(t)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", config.Listen)
	require.Equal(t, "http://elsewhere:9200", config.client().URL)
	require.True(t, strings.HasPrefix(config.WriteAlias, config.ReadAlias))
}
