package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"ticketing/internal/testenv"
)

// A write's trace goes on through its row and its message into the index, also a delete's. The caller's trace is taken up.
func TestATraceGoesFromTheRequestIntoTheIndex(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	index := testenv.Name(t)
	startIndexer(t, pipelineOfItsOwn(t, index), c.environment()...)
	api := start(t, "eventapi", append(c.environment(),
		"EVENTAPI_DATABASE_URL="+testenv.URLAs(t, testenv.Address(t, testenv.PostgresURL), "eventapi"))...)

	event := newEvent("traced")
	event["id"] = newUUID()
	id := event["id"].(string)
	for _, write := range []struct {
		method, path string
		body         any
		topic        string
		status       int
		route        string
	}{
		{http.MethodPost, "/events", event, "event-created", http.StatusCreated, "POST /events"},
		{http.MethodPut, "/events/" + id, newEvent("traced again"), "event-updated", http.StatusOK, "PUT /events/{id}"},
		{http.MethodDelete, "/events/" + id, nil, "event-deleted", http.StatusNoContent, "DELETE /events/{id}"},
	} {
		caller := newCaller()
		status, body, err := call(testenv.Context(t, patience), write.method, api+write.path, http.Header{"Traceparent": {caller.header("01")}}, write.body)
		require.NoError(t, err)
		require.Equal(t, write.status, status, "%s", body)
		// from the request to the index, each the child of the one before
		c.wait(t, caller, []tracedSpan{
			{"eventapi", write.route}, {"cdc-indexer", "send " + write.topic}, {"cdc-indexer", "process " + write.topic}, {"cdc-indexer", "refresh " + index + "-write"},
		})
		for _, span := range c.of(caller) {
			t.Logf("%-12s %-24s %.1f ms", span.service, span.name, float64(span.took.Microseconds())/1000)
		}
	}

	// What the caller does not want to be traced is not.
	unwanted, wanted := newCaller(), newCaller()
	for _, header := range []string{unwanted.header("00"), wanted.header("01")} {
		status, body, err := call(testenv.Context(t, patience), http.MethodPost, api+"/events", http.Header{"Traceparent": {header}}, newEvent("traced"))
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, status, "%s", body)
	}
	c.wait(t, wanted, []tracedSpan{{"eventapi", "POST /events"}, {"cdc-indexer", "send event-created"}})
	require.Empty(t, c.of(unwanted))
}

func TestATraceGoesFromASearchToElasticsearch(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	api := start(t, "eventsearch", append(c.environment(), "EVENTSEARCH_ELASTICSEARCH_URL="+elasticsearch(t), "EVENTSEARCH_PIPELINE=false")...)
	caller := newCaller()
	status, body, err := call(testenv.Context(t, patience), http.MethodGet, api+"/events?q=traced", http.Header{"Traceparent": {caller.header("01")}}, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", body)
	c.wait(t, caller, []tracedSpan{{"eventsearch", "GET /events"}, {"eventsearch", "search"}})
}

// start runs one of our programs on a port of its own, with those environment variables, and waits until it is ready.
func start(t *testing.T, name string, environment ...string) (url string) {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	launch(t, program(t, name), []string{"--listen", address}, environment)
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		status, body, err := call(ctx, http.MethodGet, "http://"+address+"/readyz", nil, nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%s: %s", name, body)
		}
		return err
	})
	return "http://" + address
}

// pipelineOfItsOwn writes a pipeline file for the table's events with an index and a consumer group of that name.
func pipelineOfItsOwn(t *testing.T, name string) string {
	t.Helper()
	server := elasticsearch(t)
	path := filepath.Join(t.TempDir(), "pipeline.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
name: %[1]s
table: public.events
key: [id]
topics: [event-created, event-updated, event-deleted]
dead_letter_topic: event-dlq
consumer_group: %[1]s
index: {prefix: %[1]s, read_alias: %[1]s, write_alias: %[1]s-write, definition: %[2]s}
json_columns: [attributes]
geo_points: [{field: location, latitude: latitude, longitude: longitude}]
source: {messages: ticketing.message}
`, name, filepath.Join(root(t), "cdc-indexer", "pipelines", "events.index.yaml")), 0o600))
	cleanup(t, func(ctx context.Context) error {
		_, _, err := call(ctx, http.MethodDelete, server+"/"+name+"-000001", nil, nil)
		return err
	})
	return path
}

// caller is a span of somebody who calls our programs.
type caller struct{ trace, span string }

func newCaller() caller {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	return caller{hex.EncodeToString(random[:16]), hex.EncodeToString(random[16:])}
}

func (c caller) header(flags string) string { return "00-" + c.trace + "-" + c.span + "-" + flags }

type tracedSpan struct{ service, name string }

// receivedSpan is a span as the collector got it.
type receivedSpan struct {
	tracedSpan
	id, parent string
	took       time.Duration
}

// traceCollector receives traces by OTLP.
type traceCollector struct {
	url string

	mu    sync.Mutex
	spans map[string][]receivedSpan // by trace
}

func newCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{spans: map[string][]receivedSpan{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = c.take(body)
		}
		if err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// environment has the programs send their spans here, and soon.
func (c *traceCollector) environment() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_BSP_SCHEDULE_DELAY=100"}
}

func (c *traceCollector) take(body []byte) error {
	request := &collector.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(body, request); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, attribute := range resource.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				service = attribute.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				trace := hex.EncodeToString(span.GetTraceId())
				c.spans[trace] = append(c.spans[trace], receivedSpan{
					tracedSpan: tracedSpan{service, span.GetName()},
					id:         hex.EncodeToString(span.GetSpanId()), parent: hex.EncodeToString(span.GetParentSpanId()),
					took: time.Duration(span.GetEndTimeUnixNano() - span.GetStartTimeUnixNano()),
				})
			}
		}
	}
	return nil
}

func (c *traceCollector) of(caller caller) []receivedSpan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans[caller.trace]
}

// wait waits until the caller's trace has those spans, each a child of the one before and the first the caller's.
func (c *traceCollector) wait(t *testing.T, caller caller, chain []tracedSpan) {
	t.Helper()
	testenv.Eventually(t, patience, func(context.Context) error {
		parent, spans := caller.span, c.of(caller)
	next:
		for _, want := range chain {
			for _, got := range spans {
				if got.tracedSpan == want && got.parent == parent {
					parent = got.id
					continue next
				}
			}
			return fmt.Errorf("%w: %v below %s among %v", errNotYet, want, parent, spans)
		}
		return nil
	})
}
