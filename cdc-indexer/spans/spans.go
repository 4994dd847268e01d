// Package spans tells OpenTelemetry how changes got into the index, each within the trace of the request that made it.
//
// A request's trace travels in the log as a message of its transaction (pg_logical_emit_message), and Debezium writes
// that to a topic of its own. So there are two streams, and the transaction's id ties them together: a Joiner takes the
// changes from one and the traces from the other, whichever comes first.
package spans

import (
	"context"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"ticketing/cdc-indexer/change"
)

// Change is a change that the indexer is done with, and when it got how far. The times are those of the clocks of
// Postgres, Kafka Connect and the indexer, in this order.
type Change struct {
	Change    change.Change // without its document
	Result    change.Result
	Topic     string
	Partition int
	Offset    int64

	Written    time.Time // to the topic
	Taken      time.Time // for the index
	Answered   time.Time // by Elasticsearch
	Searchable time.Time // an applied one
}

const (
	// maxTransactions bounds the traces that are kept for changes that are still to come: of a batch of changes that was
	// put off by Elasticsearch for some time.
	maxTransactions = 10_000
	// maxWaiting bounds the changes that are kept for a trace that is still to come, and patience for how long. Most
	// changes have none.
	maxWaiting = 10_000
	patience   = 10 * time.Second
)

// Joiner makes spans of changes whose trace it knows. What it keeps is bounded, and what it drops is a trace and nothing
// else. It is safe for concurrent use.
type Joiner struct {
	tracer trace.Tracer
	index  string

	mu      sync.Mutex
	traces  map[int64]trace.SpanContext
	kept    []int64 // transactions of traces, the oldest first
	waiting map[int64][]Change
	since   []arrival // of waiting, the oldest first
}

type arrival struct {
	transaction int64
	at          time.Time
}

// NewJoiner returns a Joiner of the changes that go to index.
func NewJoiner(provider trace.TracerProvider, index string) *Joiner {
	return &Joiner{
		tracer: provider.Tracer("ticketing/cdc-indexer/spans"), index: index,
		traces: map[int64]trace.SpanContext{}, waiting: map[int64][]Change{},
	}
}

// Trace notes the trace of a transaction, and makes the spans of its changes that are there already.
func (j *Joiner) Trace(ctx context.Context, transaction int64, parent trace.SpanContext) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.traces[transaction]; !known {
		j.kept = append(j.kept, transaction)
	}
	j.traces[transaction] = parent
	if len(j.kept) > maxTransactions {
		delete(j.traces, j.kept[0])
		j.kept = j.kept[1:]
	}
	for _, c := range j.waiting[transaction] {
		j.record(ctx, parent, c)
	}
	delete(j.waiting, transaction)
}

// Done makes the spans of changes whose trace is known, and lets the others wait for theirs.
func (j *Joiner) Done(ctx context.Context, changes []Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	for _, c := range changes {
		if parent, known := j.traces[c.Change.Transaction]; known {
			j.record(ctx, parent, c)
			continue
		}
		j.waiting[c.Change.Transaction] = append(j.waiting[c.Change.Transaction], c)
		j.since = append(j.since, arrival{c.Change.Transaction, now})
	}
	for len(j.since) > maxWaiting || len(j.since) > 0 && now.Sub(j.since[0].at) > patience {
		delete(j.waiting, j.since[0].transaction)
		j.since = j.since[1:]
	}
}

// record makes the spans of one change: its message's, and within it the indexer's.
func (j *Joiner) record(ctx context.Context, parent trace.SpanContext, c Change) {
	ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	message := trace.WithAttributes(
		attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.destination.name", c.Topic),
		attribute.String("messaging.destination.partition.id", strconv.Itoa(c.Partition)),
		attribute.Int64("messaging.kafka.offset", c.Offset),
		attribute.String("messaging.kafka.message.key", c.Change.Key),
		attribute.Int64("cdc.version", c.Change.Order.Version),
		attribute.Int64("cdc.lsn", c.Change.Order.LSN),
		attribute.Int64("cdc.transaction", c.Change.Transaction),
		attribute.String("cdc.operation", c.Change.Op.String()),
	)
	ctx, sent := j.tracer.Start(ctx, "send "+c.Topic, trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(c.Change.CommittedAt), message)
	sent.End(trace.WithTimestamp(c.Written))

	ctx, processed := j.tracer.Start(ctx, "process "+c.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(c.Written), message)
	processed.SetAttributes(attribute.String("cdc.outcome", c.Result.Outcome.String()))
	if c.Result.Rejection != nil {
		processed.SetStatus(codes.Error, c.Result.Rejection.Error())
	}
	elasticsearch := trace.WithAttributes(attribute.String("db.system.name", "elasticsearch"), attribute.String("db.collection.name", j.index))
	_, written := j.tracer.Start(ctx, "bulk "+j.index, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(c.Taken), elasticsearch)
	written.End(trace.WithTimestamp(c.Answered))
	end := c.Answered
	if c.Result.Outcome == change.Applied {
		_, shown := j.tracer.Start(ctx, "refresh "+j.index, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(c.Answered), elasticsearch)
		shown.End(trace.WithTimestamp(c.Searchable))
		end = c.Searchable
	}
	processed.End(trace.WithTimestamp(end))
}
