package operations

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/trace"
	"ticketing/internal/schemathesis"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipeline answers for the parts of a real one, which the tests of package main have: here it is about HTTP and jobs.
type pipeline struct {
	looks  int
	err    error
	work   Work
	traces chan struct{} // when set, a trace goes on until it is closed, or its request ends
	which  Selection
	only   bool
}

func (p *pipeline) Status(context.Context) (health.Report, error) {
	p.looks++
	return health.Report{OK: true, Findings: []health.Finding{}}, p.err
}

func (p *pipeline) Freshness(_ context.Context, last int) (Freshness, error) {
	return Freshness{Samples: last}, p.err
}

func (p *pipeline) Letters(_ context.Context, _ Filter, limit int) (Letters, error) {
	return Letters{Total: limit, Items: []Letter{}}, p.err
}

func (p *pipeline) Letter(_ context.Context, id string) (LetterDetails, error) {
	return LetterDetails{}, fmt.Errorf("letter %s: %w", id, ErrNotFound)
}

func (p *pipeline) Replay(_ context.Context, which Selection) (Replayed, error) {
	p.which = which
	return Replayed{Letters: []ReplayedLetter{}, Outcomes: map[string]int{"applied": 1}}, p.err
}

func (p *pipeline) RestartConnector(_ context.Context, onlyFailed bool) error {
	p.only = onlyFailed
	return p.err
}

func (p *pipeline) Work(Task) (Work, error) { return p.work, p.err }

func (p *pipeline) Trace(ctx context.Context, request trace.Request, each func(trace.Step) error) (trace.End, error) {
	if err := each(trace.Step{Stage: trace.Postgres, Op: "c", Version: request.Key}); err != nil || p.err != nil {
		return trace.End{}, errors.Join(err, p.err)
	}
	if p.traces != nil {
		select {
		case <-p.traces:
		case <-ctx.Done():
			return trace.End{}, ctx.Err()
		}
	}
	return trace.End{Reason: trace.EndSearchable}, nil
}

// server is an API that a test has for itself.
type server struct {
	t        *testing.T
	url      string
	jobs     *Jobs
	stop     func() // ends the jobs, and returns when they have
	registry *prometheus.Registry
}

func serve(t *testing.T, p *pipeline, token string) *server {
	t.Helper()
	registry := prometheus.NewRegistry()
	logger := slog.New(slog.DiscardHandler)
	jobs := NewJobs(registry, logger)
	api, err := New(p, jobs, token, logger, registry)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { jobs.Run(ctx) })
	stop := func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	listening := httptest.NewServer(api)
	t.Cleanup(listening.Close)
	return &server{t: t, url: listening.URL, jobs: jobs, stop: stop, registry: registry}
}

// send returns the status and body of the answer.
func (s *server) send(method, path, token, body string) (int, string, http.Header) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(testenv.Context(s.t, 30*time.Second), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response.StatusCode, string(text), response.Header
}

func (s *server) job(method, path, body string, want int) Job {
	s.t.Helper()
	status, text, _ := s.send(method, path, "Bearer secret", body)
	require.Equal(s.t, want, status, text)
	var job Job
	require.NoError(s.t, json.Unmarshal([]byte(text), &job))
	return job
}

// ended waits for a job's end.
func (s *server) ended(id string) (job Job) {
	s.t.Helper()
	testenv.Eventually(s.t, time.Minute, func(context.Context) error {
		if job = s.job(http.MethodGet, "/api/jobs/"+id, "", http.StatusOK); job.State == Running {
			return errors.New("still running")
		}
		return nil
	})
	return job
}

// untilTold works until its context ends.
func untilTold(ctx context.Context, progress Progress) (any, error) {
	progress("copy", 40, 100)
	<-ctx.Done()
	return nil, fmt.Errorf("interrupted: %w", ctx.Err())
}

func TestChangesNeedTheToken(t *testing.T) {
	t.Parallel()
	changes := [][2]string{
		{http.MethodPost, "/api/dead-letters/replay"},
		{http.MethodPost, "/api/connector/restart"},
		{http.MethodPost, "/api/jobs"},
		{http.MethodDelete, "/api/jobs/x"},
	}
	p := &pipeline{}
	without, with := serve(t, p, ""), serve(t, p, "secret")
	for _, change := range changes {
		status, body, _ := without.send(change[0], change[1], "Bearer secret", "")
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, body, "CDC_INDEXER_OPERATOR_TOKEN")
		for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer secret2", "Basic secret", "secret"} {
			status, _, header := with.send(change[0], change[1], wrong, "")
			require.Equal(t, http.StatusUnauthorized, status, "%s %s", change, wrong)
			require.Contains(t, header.Get("WWW-Authenticate"), "Bearer")
		}
	}
	status, _, _ := with.send(http.MethodPost, "/api/connector/restart?only_failed=false", "bearer secret", "")
	require.Equal(t, http.StatusAccepted, status)
	require.False(t, p.only)
	for _, path := range []string{"/api/status", "/api/freshness", "/api/dead-letters", "/api/jobs"} {
		status, body, _ := without.send(http.MethodGet, path, "", "")
		require.Equal(t, http.StatusOK, status, body)
	}
}

func TestAStatusIsShared(t *testing.T) {
	t.Parallel()
	p := &pipeline{}
	s := serve(t, p, "")
	for range 5 {
		status, _, header := s.send(http.MethodGet, "/api/status", "", "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "no-store", header.Get("Cache-Control"))
	}
	require.Less(t, p.looks, 5)
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	s := serve(t, &pipeline{err: &SettingError{Setting: "--database-url"}}, "secret")
	for path, body := range map[string]string{"/api/jobs": `{"kind":"verify"}`, "/api/connector/restart": ""} {
		status, text, header := s.send(http.MethodPost, path, "Bearer secret", body)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, text, "--database-url")
		require.Equal(t, "application/problem+json", header.Get("Content-Type"))
	}
	s = serve(t, &pipeline{err: errors.New("Kafka at x does not answer")}, "")
	status, text, _ := s.send(http.MethodGet, "/api/dead-letters", "", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "Kafka at x does not answer")
}

func TestLettersAreChosenInOneWay(t *testing.T) {
	t.Parallel()
	p := &pipeline{}
	s := serve(t, p, "secret")
	for _, wrong := range []string{`{}`, `{"all":true,"reason":"x"}`, `{"ids":["0:1"],"key":"x"}`, `{"all":false}`, `{"ids":[]}`} {
		status, text, _ := s.send(http.MethodPost, "/api/dead-letters/replay", "Bearer secret", wrong)
		require.Equal(t, http.StatusUnprocessableEntity, status, text)
	}
	for body, want := range map[string]Selection{
		`{"all":true}`:             {},
		`{"ids":["0:1","2:3"]}`:    {IDs: []string{"0:1", "2:3"}},
		`{"reason":"r","key":"k"}`: {Filter: Filter{Reason: "r", Key: "k"}},
	} {
		status, text, _ := s.send(http.MethodPost, "/api/dead-letters/replay", "Bearer secret", body)
		require.Equal(t, http.StatusOK, status, text)
		require.Equal(t, want, p.which)
	}
	status, _, _ := s.send(http.MethodGet, "/api/dead-letters/0:1", "", "")
	require.Equal(t, http.StatusNotFound, status)
	status, _, _ = s.send(http.MethodGet, "/api/dead-letters/x", "", "")
	require.Equal(t, http.StatusUnprocessableEntity, status)
}

func TestOneJobAtATime(t *testing.T) {
	t.Parallel()
	p := &pipeline{work: untilTold}
	s := serve(t, p, "secret")
	first := s.job(http.MethodPost, "/api/jobs", `{"kind":"reindex"}`, http.StatusAccepted)
	require.Equal(t, Running, first.State)
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		job := s.job(http.MethodGet, "/api/jobs/"+first.ID, "", http.StatusOK)
		if job.Phase != "copy" || job.Done != 40 || job.Total != 100 || job.Rate <= 0 || job.ETA == nil {
			return fmt.Errorf("%+v", job)
		}
		return nil
	})
	status, text, _ := s.send(http.MethodPost, "/api/jobs", "Bearer secret", `{"kind":"verify"}`)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, text, "reindex "+first.ID)

	s.job(http.MethodDelete, "/api/jobs/"+first.ID, "", http.StatusAccepted)
	cancelled := s.ended(first.ID)
	require.Equal(t, Cancelled, cancelled.State)
	require.Contains(t, cancelled.Error, "cancelled by the operator")
	status, _, _ = s.send(http.MethodDelete, "/api/jobs/"+first.ID, "Bearer secret", "")
	require.Equal(t, http.StatusConflict, status)
	status, _, _ = s.send(http.MethodDelete, "/api/jobs/unknown", "Bearer secret", "")
	require.Equal(t, http.StatusNotFound, status)

	p.work = func(_ context.Context, progress Progress) (any, error) {
		progress("compare", 3, 2) // the total is an estimate
		return map[string]int{"rows": 3}, nil
	}
	second := s.ended(s.job(http.MethodPost, "/api/jobs", `{"kind":"verify","repair":true}`, http.StatusAccepted).ID)
	require.Equal(t, Done, second.State)
	require.Equal(t, map[string]any{"rows": 3.0}, second.Result)
	require.Equal(t, int64(3), second.Total)
	require.True(t, second.Repair)
	p.work = func(context.Context, Progress) (any, error) { return nil, errors.New("broken") }
	third := s.ended(s.job(http.MethodPost, "/api/jobs", `{"kind":"rollback"}`, http.StatusAccepted).ID)
	require.Equal(t, Failed, third.State)
	require.Equal(t, "broken", third.Error)

	_, text, _ = s.send(http.MethodGet, "/api/jobs", "", "")
	var list jobList
	require.NoError(t, json.Unmarshal([]byte(text), &list))
	require.Equal(t, []string{third.ID, second.ID, first.ID}, []string{list.Items[0].ID, list.Items[1].ID, list.Items[2].ID})
	for kind, outcome := range map[Kind]State{KindReindex: Cancelled, KindVerify: Done, KindRollback: Failed} {
		require.InDelta(t, 1, counted(t, s.jobs, kind, outcome), 0)
	}
}

func TestOldJobsAreForgotten(t *testing.T) {
	t.Parallel()
	s := serve(t, &pipeline{work: func(context.Context, Progress) (any, error) { return nil, nil }}, "secret")
	var first string
	for n := range keptJobs + 1 {
		job := s.ended(s.job(http.MethodPost, "/api/jobs", `{"kind":"verify"}`, http.StatusAccepted).ID)
		if n == 0 {
			first = job.ID
		}
	}
	require.Len(t, s.jobs.List(), keptJobs)
	s.job(http.MethodGet, "/api/jobs/"+first, "", http.StatusNotFound)
}

func TestTheProgramEndsWhileAJobRuns(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	s := serve(t, &pipeline{work: func(ctx context.Context, progress Progress) (any, error) {
		defer close(ended)
		return untilTold(ctx, progress)
	}}, "secret")
	job := s.job(http.MethodPost, "/api/jobs", `{"kind":"reindex"}`, http.StatusAccepted)
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		if s.jobs.List()[0].Phase != "copy" {
			return errors.New("has not begun")
		}
		return nil
	})
	s.stop()
	select {
	case <-ended:
	default:
		t.Fatal("stopped before the job")
	}
	require.Equal(t, Cancelled, s.job(http.MethodGet, "/api/jobs/"+job.ID, "", http.StatusOK).State)
	status, text, _ := s.send(http.MethodPost, "/api/jobs", "Bearer secret", `{"kind":"verify"}`)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, "shutting down")
}

func TestATraceIsAStreamOfEvents(t *testing.T) {
	t.Parallel()
	s := serve(t, &pipeline{}, "")
	status, text, header := s.send(http.MethodGet, "/api/trace/a%2Fb?since=2030-01-01T00:00:00Z", "", "")
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, "text/event-stream", header.Get("Content-Type"))
	events := strings.Split(strings.TrimSpace(text), "\n\n")
	require.Len(t, events, 2)
	require.Contains(t, events[0], "event: step\ndata: {\"stage\":\"postgres\"")
	require.Contains(t, events[0], `"version":"a/b"`)
	require.Equal(t, "event: end\ndata: {\"reason\":\"searchable\"}", events[1])

	failing := serve(t, &pipeline{err: errors.New("Kafka is away")}, "")
	_, text, _ = failing.send(http.MethodGet, "/api/trace/a", "", "")
	require.Contains(t, text, `event: end`+"\n"+`data: {"reason":"error","detail":"Kafka is away"}`)
}

// A step is sent when it happens, and a trace ends with the one who asked for it.
func TestTracesAreBounded(t *testing.T) {
	t.Parallel()
	p := &pipeline{traces: make(chan struct{})}
	s := serve(t, p, "")
	ctx, cancel := context.WithCancel(testenv.Context(t, 30*time.Second))
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range maxTraces {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/trace/a", http.NoBody)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		first := make([]byte, 512)
		read, err := response.Body.Read(first)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(first[:read], []byte("event: step")))
	}
	status, text, _ := s.send(http.MethodGet, "/api/trace/a", "", "")
	require.Equal(t, http.StatusServiceUnavailable, status, text)
	require.Contains(t, text, "8 rows are being traced")
	cancel() // the clients go
	close(p.traces)
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		if status, text, _ := s.send(http.MethodGet, "/api/trace/a", "", ""); status != http.StatusOK {
			return errors.New(text)
		}
		return nil
	})
}

func TestTheDocumentIsTrue(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("installs a program, left out by -short")
	}
	s := serve(t, &pipeline{work: func(context.Context, Progress) (any, error) { return nil, nil }}, "secret")
	schemathesis.Run(t, s.url, filepath.Join("testdata", "schemathesis"))
}

func counted(t *testing.T, jobs *Jobs, kind Kind, outcome State) float64 {
	t.Helper()
	return testutil.ToFloat64(jobs.ended.WithLabelValues(string(kind), string(outcome)))
}
