package rest

import (
	"context"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// trace makes a span of every request, within the trace of its traceparent header if it has one (W3C Trace Context).
func (a *API) trace(next http.Handler) http.Handler {
	return otelhttp.NewHandler(next, "",
		otelhttp.WithTracerProvider(a.config.Traces),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()), // Prometheus has its own
		otelhttp.WithFilter(func(r *http.Request) bool {
			switch r.URL.Path {
			case "/healthz", "/readyz", "/metrics":
				return false
			default:
				return true
			}
		}),
	)
}

// nameSpan names a request's span by its route, which nobody knows before the request has been routed.
func nameSpan(ctx context.Context, method, route string) {
	span := trace.SpanFromContext(ctx)
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.route", route))
}

// traceID is the attribute that ties a log line to a trace; an empty one, which is left out, without a trace.
func traceID(ctx context.Context) slog.Attr {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		return slog.String("trace_id", span.TraceID().String())
	}
	return slog.Attr{}
}
