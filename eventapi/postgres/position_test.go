package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ticketing/eventapi/event"
	"ticketing/internal/testenv"
)

// deleted is the error of a delete alone.
func deleted(_ event.Position, err error) error { return err }

// Each write's own record in the log lies at its position or behind, and every earlier record of the row before it.
// Others write meanwhile.
func TestPositionsLieBetweenTheChangesOfARow(t *testing.T) {
	t.Parallel()
	store, url := open(t)
	conn := superuser(t, url)
	slot := logicalSlot(t, conn)
	stop := writeOthers(t, store)

	id := someID()
	var positions []event.Position
	write := func(at event.Position, err error) {
		require.NoError(t, err)
		positions = append(positions, at)
	}
	insert := func() (event.Position, error) {
		_, at, err := store.Create(t.Context(), []event.New{{ID: &id, Fields: fields("x")}})
		return at, err
	}
	for round := range 20 {
		write(insert())
		for n := range 3 {
			_, at, err := store.Update(t.Context(), id, nil, retitle(fmt.Sprint(round, n)))
			write(at, err)
		}
		write(store.Delete(t.Context(), id, nil))
	}
	stop()

	records := recordsOf(t, conn, slot, id)
	require.Len(t, records, len(positions))
	for n, record := range records {
		require.GreaterOrEqual(t, record, positions[n], "write %d", n)
		if n > 0 {
			require.Less(t, records[n-1], positions[n], "write %d", n)
		}
	}
}

// logicalSlot makes a slot that keeps the log from here on, and returns its name.
func logicalSlot(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	slot := testenv.Name(t)
	_, err := conn.Exec(t.Context(), "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", slot)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_drop_replication_slot($1)", slot)
		require.NoError(t, err)
	})
	return slot
}

// writeOthers writes other rows until the returned function is called.
func writeOthers(t *testing.T, store interface {
	Create(ctx context.Context, events []event.New) ([]event.Event, event.Position, error)
},
) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _, _ = store.Create(ctx, []event.New{{Fields: fields("another")}}) // the last one is cut off
		}
	}()
	return func() { cancel(); <-done }
}

// recordsOf returns where the changes of a row stand in the log, in the order of their commits.
func recordsOf(t *testing.T, conn *pgx.Conn, slot string, id event.ID) []event.Position {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT lsn - '0/0'::pg_lsn
		FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'ticketing')
		WHERE position(convert_to($2, 'UTF8') IN data) > 0`, slot, id.String())
	require.NoError(t, err)
	records, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	positions := make([]event.Position, len(records))
	for n, record := range records {
		positions[n] = event.Position(record)
	}
	return positions
}

// A create that meets a delete of the same id under way takes its position when that is over: the delete's record must
// not be taken for the create's.
func TestPositionOfACreateBehindADelete(t *testing.T) {
	t.Parallel()
	store, url := open(t)
	existing := create(t, store, "x")
	conn := superuser(t, url)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "DELETE FROM events WHERE id = $1", [16]byte(existing.ID))
	require.NoError(t, err)

	type result struct {
		at  event.Position
		err error
	}
	results := make(chan result, 1)
	go func() {
		_, at, err := store.Create(t.Context(), []event.New{{ID: &existing.ID, Fields: fields("again")}})
		results <- result{at, err}
	}()
	observer := superuser(t, url)
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		var waiting int
		err := observer.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = 'eventapi' AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err == nil && waiting == 0 {
			err = errors.New("nothing waits")
		}
		return err
	})
	// The transaction of the delete goes on.
	_, err = tx.Exec(t.Context(), "INSERT INTO events (title, category, organizer, starts_at, ends_at) VALUES ('t', 'c', 'o', now(), now() + '1 h')")
	require.NoError(t, err)
	var end int64
	require.NoError(t, tx.QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").Scan(&end))
	require.NoError(t, tx.Commit(t.Context()))
	created := <-results
	require.NoError(t, created.err)
	require.GreaterOrEqual(t, created.at, event.Position(end))
}
