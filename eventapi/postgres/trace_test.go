package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
)

// traced returns a context within a trace.
func traced(t *testing.T, flags trace.TraceFlags) context.Context {
	t.Helper()
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags,
	}))
}

const traceparent = "00-01000000000000000000000000000000-0200000000000000-01"

// The log has the trace of every sampled write in the write's own transaction, and none of any other.
func TestAWriteCarriesItsTrace(t *testing.T) {
	t.Parallel()
	store, url := open(t)
	conn := superuser(t, url)
	slot := logicalSlot(t, conn)
	render := func([]event.Event, event.Position) (idempotency.Answer, error) {
		return idempotency.Answer{Status: 201, Headers: map[string]string{}, Body: []byte("{}")}, nil
	}
	chosen := someID()
	for _, write := range []struct {
		name string
		do   func(ctx context.Context) error
		want string // the records of the transaction, as pgoutput calls them
	}{
		{"create", func(ctx context.Context) error {
			_, _, err := store.Create(ctx, []event.New{{Fields: fields("x")}})
			return err
		}, "I"},
		{"create with an id", func(ctx context.Context) error {
			_, _, err := store.Create(ctx, []event.New{{ID: &chosen, Fields: fields("x")}})
			return err
		}, "I"},
		{"create several", func(ctx context.Context) error {
			_, _, err := store.Create(ctx, []event.New{{Fields: fields("x")}, {Fields: fields("y")}})
			return err
		}, "II"},
		{"create once", func(ctx context.Context) error {
			_, err := store.CreateOnce(ctx, idempotency.Request{Key: "k", Hash: []byte("h")}, []event.New{{Fields: fields("x")}}, render)
			return err
		}, "I"},
		{"create once again", func(ctx context.Context) error {
			_, err := store.CreateOnce(ctx, idempotency.Request{Key: "k", Hash: []byte("h")}, []event.New{{Fields: fields("x")}}, render)
			return err
		}, ""},
		{"update", func(ctx context.Context) error {
			_, _, err := store.Update(ctx, chosen, nil, retitle("z"))
			return err
		}, "U"},
		{"delete", func(ctx context.Context) error {
			return deleted(store.Delete(ctx, chosen, nil))
		}, "D"},
	} {
		require.NoError(t, write.do(traced(t, trace.FlagsSampled)), write.name)
		want := write.want
		if want != "" {
			want = "M" + want
		}
		require.Equal(t, want, nextTransaction(t, conn, slot), write.name)
	}
	_, _, err := store.Create(traced(t, trace.FlagsSampled), []event.New{{ID: &chosen, Fields: fields("x")}})
	require.NoError(t, err)
	require.Equal(t, "MI", nextTransaction(t, conn, slot))
	_, _, err = store.Create(traced(t, trace.FlagsSampled), []event.New{{ID: &chosen, Fields: fields("x")}})
	require.ErrorIs(t, err, event.ErrExists)
	require.Empty(t, nextTransaction(t, conn, slot), "the trace of a write that failed")

	for name, ctx := range map[string]context.Context{"not sampled": traced(t, 0), "not traced": t.Context()} {
		_, _, err := store.Create(ctx, []event.New{{Fields: fields("x")}})
		require.NoError(t, err)
		require.Equal(t, "I", nextTransaction(t, conn, slot), name)
	}
}

// nextTransaction takes all from the slot and returns the kinds of its records: I, U, D, and M for a message, which must
// be the trace. All must be of one transaction.
func nextTransaction(t *testing.T, conn *pgx.Conn, slot string) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT xid::text, convert_from(substr(data, 1, 1), 'UTF8'), position(convert_to($2, 'UTF8') IN data) > 0
		FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'ticketing', 'messages', 'true')
		WHERE substr(data, 1, 1) IN ('I', 'U', 'D', 'M')`, slot, traceparent)
	require.NoError(t, err)
	var transaction, xid, kind, kinds string
	var found bool
	_, err = pgx.ForEachRow(rows, []any{&xid, &kind, &found}, func() error {
		if transaction == "" {
			transaction = xid
		}
		require.Equal(t, transaction, xid)
		require.Equal(t, kind == "M", found)
		kinds += kind
		return nil
	})
	require.NoError(t, err)
	return kinds
}
