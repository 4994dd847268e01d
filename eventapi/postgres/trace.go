package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// tracePrefix is the prefix of the logical decoding messages that carry a write's trace; connectors/events.json lets
// only these through.
const tracePrefix = "traceparent"

// emitTrace puts the trace of a write into the log, as a message of the write's own transaction: it is there when the
// write is, and whoever reads the log finds both under one transaction id. The table needs no column for it, and a
// delete carries its own trace and not that of the write before.
const emitTrace = "SELECT pg_logical_emit_message(true, '" + tracePrefix + "', $1)"

// queueTrace adds the message to a batch. A request that is not traced, or not sampled, adds nothing.
func queueTrace(ctx context.Context, batch *pgx.Batch) {
	if !traced(ctx) {
		return
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	batch.Queue(emitTrace, carrier["traceparent"])
}

func traced(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsSampled() }
