package table_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

const (
	first  = "01980000-0000-7000-8000-000000000001"
	second = "01980000-0000-7000-8000-000000000002"
	third  = "01980000-0000-7000-8000-000000000003"
)

func insert(id string) string {
	return fmt.Sprintf("INSERT INTO events (id, title, category, organizer, starts_at, ends_at) VALUES ('%s', 'T', 'c', 'o', '2026-05-01T10:00Z', '2026-05-01T11:00Z')", id)
}

// transaction is one that is under way in a session of its own.
func (d *database) transaction(t *testing.T, statements ...string) *pgx.Conn {
	t.Helper()
	conn := d.connect(t)
	for _, statement := range append([]string{"BEGIN"}, statements...) {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	return conn
}

// taking is a snapshot that is being taken, and the transactions that it has reported.
type taking struct {
	reports chan table.Blocker
	done    chan error
	taken   *table.Snapshot
}

func startTaking(t *testing.T, rows *table.Table) *taking {
	t.Helper()
	s := &taking{reports: make(chan table.Blocker, 10), done: make(chan error, 1)}
	ctx := testenv.Context(t, time.Minute)
	go func() {
		var err error
		s.taken, err = rows.Snapshot(ctx, table.WaitFor{Report: func(b table.Blocker) { s.reports <- b }})
		s.done <- err
	}()
	t.Cleanup(func() {
		if s.taken != nil {
			_ = s.taken.Close(context.Background())
		}
	})
	return s
}

func (s *taking) report(t *testing.T) table.Blocker {
	t.Helper()
	select {
	case blocker := <-s.reports:
		return blocker
	case err := <-s.done:
		t.Fatalf("was not held up: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was reported")
	}
	return table.Blocker{}
}

func TestSnapshotWaitsForTransactionsThatHaveWritten(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rows := open(t, d.config(t))
	// Both are newer than any transaction that has ended: pg_current_snapshot() lists neither.
	older := d.transaction(t, "SET application_name = 'older'", insert(first))
	// The record of a subtransaction stands under an id of its own.
	newer := d.transaction(t, "SAVEPOINT s", insert(second))

	snapshot := startTaking(t, rows)
	blocker := snapshot.report(t)
	require.EqualValues(t, older.PgConn().PID(), blocker.PID)
	require.Equal(t, "postgres", blocker.User)
	require.Equal(t, "older", blocker.Application)
	require.Equal(t, "idle in transaction", blocker.State)
	require.Contains(t, blocker.Query, "INSERT INTO events")
	require.Positive(t, blocker.Age)

	_, err := older.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.EqualValues(t, newer.PgConn().PID(), snapshot.report(t).PID)
	_, err = newer.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-snapshot.done)
	require.Len(t, readAll(t, snapshot.taken), 2)
}

func TestSnapshotDoesNotWaitForOthers(t *testing.T) {
	t.Parallel()
	d, other := newDatabase(t), newDatabase(t)
	d.transaction(t, "SELECT * FROM events")    // has written nothing
	other.transaction(t, insert(first))         // cannot write here
	d.transaction(t, insert(first), "ROLLBACK") // is over
	snapshot, err := open(t, d.config(t)).Snapshot(testenv.Context(t, time.Minute), table.WaitFor{
		Report: func(b table.Blocker) { t.Errorf("waits for %s", b) },
	})
	require.NoError(t, err)
	require.NoError(t, snapshot.Close(t.Context()))
}

func TestSnapshotNamesTheTransactionThatTakesTooLong(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rows := open(t, d.config(t))
	blocker := d.transaction(t, insert(first))
	_, err := rows.Snapshot(testenv.Context(t, time.Minute), table.WaitFor{Timeout: 300 * time.Millisecond})
	var heldUp *table.HeldUpError
	require.ErrorAs(t, err, &heldUp)
	require.EqualValues(t, blocker.PgConn().PID(), heldUp.Blocker.PID)
	require.GreaterOrEqual(t, heldUp.Waited, 300*time.Millisecond)
	require.ErrorContains(t, err, fmt.Sprintf("pid %d, user postgres", blocker.PgConn().PID()))
	require.ErrorContains(t, err, fmt.Sprintf("pg_terminate_backend(%d)", blocker.PgConn().PID()))
}

func TestSnapshotEndsWithItsContext(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rows := open(t, d.config(t))
	d.transaction(t, insert(first))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := rows.Snapshot(ctx, table.WaitFor{Report: func(table.Blocker) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}

func TestSnapshotStandsBetweenTheChangesBeforeAndAfterIt(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, insert(first))
	position := func() (lsn int64) {
		var text string
		require.NoError(t, d.conn.QueryRow(t.Context(), "SELECT (pg_current_wal_insert_lsn() - '0/0')::text").Scan(&text))
		lsn, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return lsn
	}
	config := d.config(t)
	config.Epoch = 3
	before := position()
	snapshot := takeSnapshot(t, open(t, config))
	after := position()
	order := snapshot.Order()
	require.GreaterOrEqual(t, order.LSN, before-1) // other databases write to the same log
	require.Less(t, order.LSN, after)
	require.EqualValues(t, 7, order.LSN%8) // records start at multiples of 8: the next one is later, and none is in between
	require.Equal(t, int64(3)<<56|order.LSN, order.Version)
	for _, c := range readAll(t, snapshot) {
		require.Equal(t, change.Change{Key: first, Order: order, Op: change.Upsert, Document: c.Document, CommittedAt: c.CommittedAt, Read: true}, c)
		require.WithinDuration(t, time.Now(), c.CommittedAt, time.Minute)
	}
}

func TestConcurrentReadsSeeOneSnapshot(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, insert(first), insert(second))
	config := d.config(t)
	config.MaxConns = 3
	snapshot := takeSnapshot(t, open(t, config))
	d.exec(t, insert(third))
	d.exec(t, "DELETE FROM events WHERE id = $1", first)
	d.exec(t, "UPDATE events SET title = 'changed' WHERE id = $1", second)
	want := readAll(t, snapshot)
	require.Len(t, want, 2)
	require.Contains(t, string(want[second].Document), `"title":"T"`)

	var readers errgroup.Group
	for range 8 {
		readers.Go(func() error {
			seen := 0
			err := snapshot.Read(testenv.Context(t, time.Minute), table.Range{}, func(c change.Change) error {
				seen++
				if string(want[c.Key].Document) != string(c.Document) {
					return fmt.Errorf("another row %s", c.Document)
				}
				return nil
			})
			if err == nil && seen != len(want) {
				err = fmt.Errorf("%d rows", seen)
			}
			return err
		})
	}
	require.NoError(t, readers.Wait())
	now := readAll(t, takeSnapshot(t, open(t, config)))
	require.Contains(t, now, third)
	require.NotContains(t, now, first)
}

func TestReadEndsWithYield(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.fill(t, 1000)
	config := d.config(t)
	config.MaxConns = 1
	snapshot := takeSnapshot(t, open(t, config))
	enough := errors.New("enough")
	err := snapshot.Read(testenv.Context(t, time.Minute), table.Range{}, func(change.Change) error { return enough })
	require.ErrorIs(t, err, enough)
	require.Len(t, readAll(t, snapshot), 1000) // on the only connection
}

func TestClosedSnapshotIsGone(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	snapshot := takeSnapshot(t, open(t, d.config(t)))
	require.NoError(t, snapshot.Close(t.Context()))
	err := snapshot.Read(t.Context(), table.Range{}, func(change.Change) error { return nil })
	require.ErrorContains(t, err, "the snapshot is gone")
}

// A table that is rewritten looks empty to older snapshots.
func TestSnapshotKeepsTheTablesDefinition(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, insert(first))
	rows := open(t, d.config(t))
	d.exec(t, "ALTER TABLE events ADD COLUMN later text DEFAULT 'x'")
	snapshot := takeSnapshot(t, rows)
	impatient := d.connect(t)
	_, err := impatient.Exec(t.Context(), "SET lock_timeout = 100")
	require.NoError(t, err)
	_, err = impatient.Exec(t.Context(), "ALTER TABLE events ADD COLUMN never text")
	require.ErrorContains(t, err, "lock timeout")

	require.Contains(t, string(readAll(t, snapshot)[first].Document), `"later":"x"`) // added after Open
	require.NoError(t, snapshot.Close(t.Context()))
	_, err = impatient.Exec(t.Context(), "ALTER TABLE events DROP COLUMN later")
	require.NoError(t, err)
}

// The role's own limits would end the idle session that holds the snapshot, or a long read, and its settings change how
// values are written.
func TestTheRolesSettingsDoNotMatter(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, `ALTER TABLE events ADD i interval DEFAULT '1 day 02:00', ADD b bytea DEFAULT '\x00ff', ADD f float8 DEFAULT 0.1,
		ADD dr daterange DEFAULT '[2026-02-03,2026-02-04)', ADD tr tstzrange DEFAULT '[2026-02-03 00:00Z,)', ADD ts timestamptz DEFAULT '2026-02-03 00:00Z'`)
	d.fill(t, 10_000) // more than fits between server and client
	want := readAll(t, takeSnapshot(t, open(t, d.config(t))))
	for _, setting := range []string{
		"idle_in_transaction_session_timeout = 100", "statement_timeout = 100", "transaction_timeout = 100", "DateStyle = German", "IntervalStyle = iso_8601",
		`TimeZone = "Asia/Kolkata"`, "bytea_output = escape", "extra_float_digits = -15", "default_transaction_isolation = serializable", "client_encoding = LATIN1",
	} {
		d.exec(t, "DO $$ BEGIN EXECUTE format('ALTER ROLE indexer IN DATABASE %I SET "+setting+"', current_database()); END $$")
	}
	snapshot := takeSnapshot(t, open(t, d.config(t)))
	d.exec(t, "SELECT pg_sleep(0.3)")
	got := 0
	err := snapshot.Read(testenv.Context(t, time.Minute), table.Range{}, func(c change.Change) error {
		if got++; got == 1 {
			d.exec(t, "SELECT pg_sleep(0.3)")
		}
		if string(want[c.Key].Document) != string(c.Document) {
			return fmt.Errorf("%s instead of %s", c.Document, want[c.Key].Document)
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, want, got)
}
