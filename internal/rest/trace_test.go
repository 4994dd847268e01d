package rest_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"ticketing/internal/rest"
)

// A request's span is named by its route, goes on with the caller's trace, and its id stands in the log.
func TestTraces(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	log := &bytes.Buffer{}
	api := rest.New(rest.Config{
		Name: "tested", Title: "Tested", MaxInFlight: 1, RequestTimeout: time.Second,
		Ready:  func(context.Context) (map[string]string, error) { return nil, nil },
		Traces: sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)),
	}, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	api.Router().Get("/things/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	get := func(path, traceparent string) {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		request.Header.Set("Traceparent", traceparent)
		api.ServeHTTP(httptest.NewRecorder(), request)
	}

	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		get(path, "")
	}
	require.Empty(t, recorder.Ended())
	get("/things/7", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	require.Len(t, recorder.Ended(), 1)
	span := recorder.Ended()[0]
	require.Equal(t, "GET /things/{id}", span.Name())
	require.Equal(t, "b7ad6b7169203331", span.Parent().SpanID().String())
	require.Contains(t, log.String(), "trace_id=0af7651916cd43dd8448eb211c80319c")
	get("/nothing", "no traceparent")
	require.Equal(t, "GET unmatched", recorder.Ended()[1].Name())
	require.False(t, recorder.Ended()[1].Parent().IsValid())
}
