package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/internal/rest"
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

// process is a running eventapi.
type process struct {
	url     string
	log     *testenv.Log
	client  *http.Client
	stop    context.CancelFunc
	stopped chan error
}

// start runs eventapi on a free port until the test ends, and waits until it answers.
func start(t *testing.T, databaseURL string, args ...string) *process {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	config, err := configure(t, append([]string{"--listen", address, "--database-url", databaseURL, "--shutdown-delay", "0s"}, args...)...)
	require.NoError(t, err)

	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	transport := &http.Transport{}
	p := &process{
		url: "http://" + address, log: &testenv.Log{}, client: &http.Client{Transport: transport}, stop: stop, stopped: make(chan error, 1),
	}
	go func() { p.stopped <- run(ctx, config, rest.NewLogger(p.log, config.LogLevel, config.LogFormat)) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-p.stopped; err != nil && !t.Failed() {
			t.Errorf("eventapi: %v\n%s", err, p.log)
		}
	})
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		_, err := p.do(ctx, http.MethodGet, "/healthz", "")
		return err
	})
	return p
}

// wait waits for the process to stop, and leaves its error for the clean-up to see nothing.
func (p *process) wait() error {
	err := <-p.stopped
	p.stopped <- nil
	return err
}

type response struct {
	status int
	header http.Header
	body   string
}

func (p *process) do(ctx context.Context, method, path, body string) (response, error) {
	request, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return response{answer.StatusCode, answer.Header, string(text)}, err
}

const validEvent = `{"title":"t","category":"c","organizer":"o","starts_at":"2026-05-01T19:30:00Z","ends_at":"2026-05-01T22:30:00Z"}`

func TestServesFromDatabaseToMetrics(t *testing.T) {
	t.Parallel()
	p := start(t, testenv.URLAs(t, testenv.Database(t), "eventapi"))
	ready, err := p.do(t.Context(), http.MethodGet, "/readyz", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, ready.status, ready.body)
	created, err := p.do(t.Context(), http.MethodPost, "/events", validEvent)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, created.status, created.body)
	metrics, err := p.do(t.Context(), http.MethodGet, "/metrics", "")
	require.NoError(t, err)
	for _, line := range []string{
		`eventapi_http_request_duration_seconds_count{method="POST",route="/events",status="201"} 1`,
		"eventapi_http_requests_in_flight 1", "eventapi_pool_connections_max 10", "eventapi_pool_connections_open ",
		"eventapi_build_info{", "go_goroutines ", "process_open_fds ",
	} {
		require.Contains(t, metrics.body, line)
	}
}

// The program starts, says what is wrong and answers 503 while the database is away.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	p := start(t, fmt.Sprintf("postgres://eventapi:secret@127.0.0.1:%d/x", testenv.FreePort(t)))
	ready, err := p.do(t.Context(), http.MethodGet, "/readyz", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, ready.status)
	require.JSONEq(t, `{"status":"unavailable","parts":{"server":"ok","database":"does not answer","schema":"unknown"}}`, ready.body)
	created, err := p.do(t.Context(), http.MethodPost, "/events", validEvent)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, created.status)
	require.Equal(t, "1", created.header.Get("Retry-After"))
	require.Equal(t, "application/problem+json", created.header.Get("Content-Type"))
	require.NotContains(t, p.log.String(), "secret")
}

// A body that does not arrive in time is answered with 408.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	p := start(t, "postgres://127.0.0.1:1/x", "--read-timeout", "100ms")
	body, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/events", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	answer, err := p.client.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusRequestTimeout, answer.StatusCode)
	require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
}

// A request that runs when the signal comes is answered; /readyz has turned 503 by then, and the program ends.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	p := start(t, testenv.URLAs(t, database, "eventapi"), "--shutdown-delay", "300ms")
	created, err := p.do(t.Context(), http.MethodPost, "/events", validEvent)
	require.NoError(t, err)
	locked := lockEvents(t, database)

	answers := make(chan response, 1)
	go func() {
		answer, _ := p.do(t.Context(), http.MethodPut, created.header.Get("Location"), validEvent)
		answers <- answer
	}()
	waitForLock(t, database)
	p.stop()
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		ready, err := p.do(ctx, http.MethodGet, "/readyz", "")
		if err == nil && ready.status != http.StatusServiceUnavailable {
			err = fmt.Errorf("status %d", ready.status)
		}
		return err
	})
	require.NoError(t, locked.Rollback(t.Context()))
	require.Equal(t, http.StatusOK, (<-answers).status)
	require.NoError(t, p.wait())
}

// A request that does not end is cut off after the allowed time, and the program says so.
func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	p := start(t, testenv.URLAs(t, database, "eventapi"), "--shutdown-timeout", "50ms")
	created, err := p.do(t.Context(), http.MethodPost, "/events", validEvent)
	require.NoError(t, err)
	lockEvents(t, database)
	failed := make(chan error, 1)
	go func() {
		_, err := p.do(t.Context(), http.MethodPut, created.header.Get("Location"), validEvent)
		failed <- err
	}()
	waitForLock(t, database)
	p.stop()
	require.Error(t, <-failed)
	require.ErrorContains(t, p.wait(), "--shutdown-timeout")
}

// Old answers go away by themselves, young ones stay.
func TestPurgesIdempotencyKeys(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	conn := connect(t, database)
	for key, age := range map[string]string{"old": "2 h", "young": "0 h"} {
		_, err := conn.Exec(t.Context(), `INSERT INTO idempotency_keys (key, request_hash, status, body, created_at)
			VALUES ($1, '', 201, '', now() - $2::text::interval)`, key, age)
		require.NoError(t, err)
	}
	start(t, testenv.URLAs(t, database, "eventapi"), "--idempotency-ttl", "1h", "--purge-interval", "10ms")
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		var keys string
		err := conn.QueryRow(ctx, "SELECT string_agg(key, ' ') FROM idempotency_keys").Scan(&keys)
		if err == nil && keys != "young" {
			err = errors.New("keys: " + keys)
		}
		return err
	})
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	p := start(t, "postgres://127.0.0.1:1/x")
	config, err := configure(t, "--database-url", "postgres://127.0.0.1:1/x", "--listen", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	require.ErrorContains(t, run(t.Context(), config, slog.New(slog.DiscardHandler)), "--listen")
}

func TestBadConfigurationNamesTheOption(t *testing.T) {
	t.Parallel()
	url := []string{"--database-url", "postgres://x/y"}
	tests := map[string][]string{
		"--database-url (EVENTAPI_DATABASE_URL)":   nil,
		"--database-url (EVENTAPI_DATABASE_URL): ": {"--database-url", "postgres://%zz"},
		"--listen":            append([]string{"--listen", "8080"}, url...),
		"--max-body-bytes":    append([]string{"--max-body-bytes", "0"}, url...),
		"--max-conns":         append([]string{"--max-conns", "0"}, url...),
		"--statement-timeout": append([]string{"--statement-timeout", "10us"}, url...),
		"--request-timeout":   append([]string{"--request-timeout=-1s"}, url...),
		"--shutdown-delay":    append([]string{"--shutdown-delay=-1s"}, url...),
		"--log-format":        append([]string{"--log-format", "xml"}, url...),
		"--log-level":         append([]string{"--log-level", "loud"}, url...),
	}
	for option, args := range tests {
		_, err := configure(t, args...)
		require.ErrorContains(t, err, option)
	}
	_, err := configure(t, "--max-in-flight", "0", "--idle-timeout", "0s")
	require.ErrorContains(t, err, "--max-in-flight")
	require.ErrorContains(t, err, "--idle-timeout")
}

func TestConfigurationFromEnvironment(t *testing.T) {
	t.Setenv("EVENTAPI_DATABASE_URL", "postgres://x/y")
	t.Setenv("EVENTAPI_REQUIRE_IF_MATCH", "true")
	t.Setenv("EVENTAPI_LISTEN", "127.0.0.1:1")
	t.Setenv("EVENTAPI_LOG_LEVEL", "warn")
	config, err := configure(t)
	require.NoError(t, err)
	require.Equal(t, "postgres://x/y", config.DatabaseURL)
	require.Equal(t, "127.0.0.1:1", config.Listen)
	require.True(t, config.RequireIfMatch)
	require.Equal(t, slog.LevelWarn, config.LogLevel)
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	p := start(t, "postgres://127.0.0.1:1/x")
	answer, err := p.do(t.Context(), http.MethodGet, "/nowhere?x=1", "")
	require.NoError(t, err)
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		for line := range strings.Lines(p.log.String()) {
			var entry map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &entry))
			if entry["path"] == "/nowhere" {
				require.Equal(t, answer.header.Get("X-Request-Id"), entry["request_id"])
				require.EqualValues(t, http.StatusNotFound, entry["status"])
				require.Equal(t, "unmatched", entry["route"])
				return nil
			}
		}
		return errors.New("no line")
	})
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// lockEvents holds the lock of every event until the transaction or the test ends.
func lockEvents(t *testing.T, database string) pgx.Tx {
	t.Helper()
	tx, err := connect(t, database).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM events FOR UPDATE")
	require.NoError(t, err)
	return tx
}

// waitForLock waits until a statement of eventapi waits for a lock.
func waitForLock(t *testing.T, database string) {
	t.Helper()
	conn := connect(t, database)
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		var waiting int
		err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE usename = 'eventapi' AND datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err == nil && waiting == 0 {
			err = errors.New("nothing waits")
		}
		return err
	})
}
