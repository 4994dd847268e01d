package otlp_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"ticketing/internal/otlp"
)

var discard = slog.New(slog.DiscardHandler)

func TestOffUnlessTheEnvironmentSaysWhere(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		on          bool
		err         string
	}{
		"nothing":               {nil, false, ""},
		"an endpoint":           {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, true, ""},
		"an endpoint of traces": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, true, ""},
		"disabled":              {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, false, ""},
		"no exporter":           {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, false, ""},
		"another exporter":      {map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, false, "OTEL_TRACES_EXPORTER=zipkin"},
		"another protocol":      {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range test.environment {
				t.Setenv(variable, value)
			}
			provider, err := otlp.Start(t.Context(), "tested", discard)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.on, provider.Tracers() != nil)
			provider.Stop(t.Context())
		})
	}
}

// The collector gets the spans with the service's name, the last ones when the program stops.
func TestSpansReachTheCollector(t *testing.T) {
	received := make(chan *collector.ExportTraceServiceRequest, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := &collector.ExportTraceServiceRequest{}
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, request) != nil {
			return
		}
		received <- request
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	provider, err := otlp.Start(t.Context(), "tested", discard)
	require.NoError(t, err)
	_, span := provider.Tracers().Tracer("").Start(t.Context(), "work", trace.WithSpanKind(trace.SpanKindServer))
	span.End()
	provider.Stop(t.Context())

	spans := (<-received).GetResourceSpans()[0]
	attributes := map[string]string{}
	for _, attribute := range spans.GetResource().GetAttributes() {
		attributes[attribute.GetKey()] = attribute.GetValue().GetStringValue()
	}
	require.Equal(t, "tested", attributes["service.name"])
	require.Equal(t, "test", attributes["deployment.environment.name"])
	require.Equal(t, "work", spans.GetScopeSpans()[0].GetSpans()[0].GetName())
}

// A collector that takes everything and answers nothing does not keep a program from ending.
func TestADeadCollectorHoldsNobodyUp(t *testing.T) {
	stuck := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck }))
	defer server.Close()
	defer close(stuck)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	provider, err := otlp.Start(t.Context(), "tested", discard)
	require.NoError(t, err)
	begun := time.Now()
	for range 10_000 { // more than the queue holds
		_, span := provider.Tracers().Tracer("").Start(t.Context(), "work")
		span.End()
	}
	provider.Stop(t.Context())
	require.Less(t, time.Since(begun), 30*time.Second)
}
