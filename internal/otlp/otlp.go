// Package otlp sends the traces of our programs to an OpenTelemetry collector. It is off unless the environment says
// where to send them.
//
// A trace goes with a write from the request to the search: eventapi puts its context into the write's transaction (see
// eventapi/postgres), and cdc-indexer finds it there again (see cdc-indexer/spans).
package otlp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// flushTimeout bounds how long Stop waits for a collector that does not answer.
const flushTimeout = 3 * time.Second

// Provider makes tracers, if there is a collector in the environment.
type Provider struct {
	sdk *sdk.TracerProvider // nil: off
	log *slog.Logger
}

// Start reads OpenTelemetry's standard variables. OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT), such as
// http://localhost:4318, turns traces on; OTEL_SDK_DISABLED=true and OTEL_TRACES_EXPORTER=none turn them off. Of the protocols
// there is http/protobuf only. OTEL_TRACES_SAMPLER says how many requests are traced. A service called as service is what
// the traces are from, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise.
//
// A collector that is away holds nobody up: spans wait in a bounded queue, and what does not fit is dropped.
func Start(ctx context.Context, service string, log *slog.Logger) (*Provider, error) {
	on, err := enabled(os.Getenv)
	if err != nil {
		return nil, err
	}
	if !on {
		return &Provider{}, nil
	}
	from, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", service)),
		resource.WithHost(), resource.WithProcessPID(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx) // it connects when there is something to send
	if err != nil {
		return nil, fmt.Errorf("set up the export of traces: %w", err)
	}
	// The library has no other way to say that an export failed.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.WarnContext(ctx, "traces could not be sent", "error", err)
	}))
	provider := sdk.NewTracerProvider(sdk.WithResource(from), sdk.WithBatcher(exporter))
	log.InfoContext(ctx, "traces are sent by OTLP", "service", service)
	return &Provider{sdk: provider, log: log}, nil
}

// enabled says whether there is somewhere to send traces to.
func enabled(variable func(string) string) (bool, error) {
	if strings.EqualFold(variable("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	switch exporter := variable("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "", "otlp":
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: there are otlp and none", exporter)
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := variable(name); protocol != "" && protocol != "http/protobuf" {
			return false, fmt.Errorf("%s=%s: there is http/protobuf only", name, protocol)
		}
	}
	return variable("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "", nil
}

// Tracers is where spans are made; nil when traces are off, and then nothing should be done for them.
func (p *Provider) Tracers() trace.TracerProvider {
	if p.sdk == nil {
		return nil
	}
	return p.sdk
}

// Stop sends the spans that are left, for three seconds at most.
func (p *Provider) Stop(ctx context.Context) {
	if p.sdk == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := p.sdk.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		p.log.WarnContext(ctx, "the last traces could not be sent", "error", err)
	}
}
