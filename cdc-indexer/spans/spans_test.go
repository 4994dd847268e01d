package spans_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/spans"
)

func newJoiner(t *testing.T) (*spans.Joiner, *tracetest.SpanRecorder) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	return spans.NewJoiner(sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)), "events-write"), recorder
}

// request is the span of a REST request.
func request(t *testing.T, flags trace.TraceFlags) trace.SpanContext {
	t.Helper()
	traceID, err := trace.TraceIDFromHex("0af7651916cd43dd8448eb211c80319c")
	require.NoError(t, err)
	spanID, err := trace.SpanIDFromHex("b7ad6b7169203331")
	require.NoError(t, err)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: flags})
}

var begun = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func after(ms int) time.Time { return begun.Add(time.Duration(ms) * time.Millisecond) }

func handled(transaction int64, outcome change.Outcome) spans.Change {
	return spans.Change{
		Change: change.Change{
			Key: "a", Order: change.Order{Version: 16, LSN: 8}, Op: change.Upsert, CommittedAt: after(0), Transaction: transaction,
		},
		Topic: "event-updated", Partition: 3, Offset: 42, Result: change.Result{Outcome: outcome},
		Written: after(10), Taken: after(20), Answered: after(30), Searchable: after(40),
	}
}

func named(recorder *tracetest.SpanRecorder) map[string]sdk.ReadOnlySpan {
	found := map[string]sdk.ReadOnlySpan{}
	for _, span := range recorder.Ended() {
		found[span.Name()] = span
	}
	return found
}

// Whichever comes first, the change's spans are the request's descendants, and say when it got how far.
func TestAChangeIsFoundInItsRequestsTrace(t *testing.T) {
	t.Parallel()
	for name, feed := range map[string]func(*spans.Joiner){
		"the change first": func(j *spans.Joiner) {
			j.Done(t.Context(), []spans.Change{handled(7, change.Applied)})
			j.Trace(t.Context(), 7, request(t, trace.FlagsSampled))
		},
		"the trace first": func(j *spans.Joiner) {
			j.Trace(t.Context(), 7, request(t, trace.FlagsSampled))
			j.Done(t.Context(), []spans.Change{handled(7, change.Applied)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			joiner, recorder := newJoiner(t)
			feed(joiner)
			joiner.Done(t.Context(), []spans.Change{handled(8, change.Applied)}) // of another transaction, which has no trace

			found := named(recorder)
			require.Len(t, recorder.Ended(), 4)
			for span, want := range map[string]struct {
				parent    string
				kind      trace.SpanKind
				from, end int
			}{
				"send event-updated":    {"", trace.SpanKindProducer, 0, 10},
				"process event-updated": {"send event-updated", trace.SpanKindConsumer, 10, 40},
				"bulk events-write":     {"process event-updated", trace.SpanKindClient, 20, 30},
				"refresh events-write":  {"process event-updated", trace.SpanKindClient, 30, 40},
			} {
				require.Contains(t, found, span)
				got, parent := found[span], request(t, 0).SpanID()
				if want.parent != "" {
					parent = found[want.parent].SpanContext().SpanID()
				}
				require.Equal(t, request(t, 0).TraceID(), got.SpanContext().TraceID(), span)
				require.Equal(t, parent, got.Parent().SpanID(), span)
				require.Equal(t, want.kind, got.SpanKind(), span)
				require.Equal(t, after(want.from), got.StartTime(), span)
				require.Equal(t, after(want.end), got.EndTime(), span)
			}
			attributes := attribute.NewSet(found["process event-updated"].Attributes()...)
			for key, want := range map[attribute.Key]string{
				"messaging.destination.name": "event-updated", "messaging.destination.partition.id": "3",
				"messaging.kafka.offset": "42", "messaging.kafka.message.key": "a",
				"cdc.version": "16", "cdc.lsn": "8", "cdc.transaction": "7", "cdc.outcome": "applied", "cdc.operation": "upsert",
			} {
				value, known := attributes.Value(key)
				require.True(t, known, key)
				require.Equal(t, want, value.String(), key)
			}
		})
	}
}

func TestATransactionMayHaveManyChanges(t *testing.T) {
	t.Parallel()
	joiner, recorder := newJoiner(t)
	joiner.Done(t.Context(), []spans.Change{handled(7, change.Applied), handled(7, change.Applied)})
	joiner.Trace(t.Context(), 7, request(t, trace.FlagsSampled))
	joiner.Done(t.Context(), []spans.Change{handled(7, change.Applied)})
	require.Len(t, recorder.Ended(), 3*4)
}

// What was not written has no refresh, and what was refused says why.
func TestChangesThatWereNotApplied(t *testing.T) {
	t.Parallel()
	joiner, recorder := newJoiner(t)
	refused := handled(7, change.Rejected)
	refused.Result.Rejection = &change.Rejection{Reason: "mapping", Detail: "no number"}
	joiner.Trace(t.Context(), 7, request(t, trace.FlagsSampled))
	joiner.Done(t.Context(), []spans.Change{refused})
	require.Len(t, recorder.Ended(), 3)
	process := named(recorder)["process event-updated"]
	require.Equal(t, after(30), process.EndTime())
	require.Equal(t, sdk.Status{Code: codes.Error, Description: "mapping: no number"}, process.Status())

	joiner.Done(t.Context(), []spans.Change{handled(7, change.Stale)})
	require.Len(t, recorder.Ended(), 6)
	require.Equal(t, codes.Unset, recorder.Ended()[5].Status().Code)
}

// A request that is not sampled has no spans here either.
func TestNotSampled(t *testing.T) {
	t.Parallel()
	joiner, recorder := newJoiner(t)
	joiner.Trace(t.Context(), 7, request(t, 0))
	joiner.Done(t.Context(), []spans.Change{handled(7, change.Applied)})
	require.Empty(t, recorder.Ended())
}

// However much comes that belongs to nothing, what is kept is bounded; what came last is what is kept.
func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	const many = 25_000
	joiner, recorder := newJoiner(t)
	for transaction := range int64(many) {
		joiner.Done(t.Context(), []spans.Change{handled(transaction, change.Applied)})
		joiner.Trace(t.Context(), many+transaction, request(t, trace.FlagsSampled))
	}
	traces, changes := joiner.Kept()
	require.Equal(t, 10_000, traces)
	require.Equal(t, 10_000, changes)
	joiner.Trace(t.Context(), 0, request(t, trace.FlagsSampled))
	joiner.Done(t.Context(), []spans.Change{handled(many, change.Applied)})
	require.Empty(t, recorder.Ended())
	joiner.Trace(t.Context(), many-1, request(t, trace.FlagsSampled))
	joiner.Done(t.Context(), []spans.Change{handled(2*many-1, change.Applied)})
	require.Len(t, recorder.Ended(), 2*4)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	value, err := os.ReadFile(filepath.Join("..", "debezium", "testdata", "captured", "traceparent.value.json"))
	require.NoError(t, err)
	transaction, parent, ok := spans.Decode(t.Context(), value)
	require.True(t, ok)
	require.Positive(t, transaction)
	require.Equal(t, request(t, trace.FlagsSampled).WithRemote(true), parent)

	for name, value := range map[string]string{
		"no JSON":        `{`,
		"empty":          ``,
		"another prefix": `{"source":{"txId":1},"message":{"prefix":"other","content":"MDAtMGFmNzY1MTkxNmNkNDNkZDg0NDhlYjIxMWM4MDMxOWMtYjdhZDZiNzE2OTIwMzMzMS0wMQ=="}}`,
		"no trace":       `{"source":{"txId":1},"message":{"prefix":"traceparent","content":"bm8="}}`,
		"no transaction": `{"source":{"txId":null},"message":{"prefix":"traceparent","content":"MDAtMGFmNzY1MTkxNmNkNDNkZDg0NDhlYjIxMWM4MDMxOWMtYjdhZDZiNzE2OTIwMzMzMS0wMQ=="}}`,
		"no message":     `{"source":{"txId":1},"message":null}`,
	} {
		_, _, ok := spans.Decode(t.Context(), []byte(value))
		require.False(t, ok, name)
	}
}
