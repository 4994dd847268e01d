package table

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ticketing/cdc-indexer/change"
)

// Snapshot is the table at one moment. Until it is closed a session of its own holds it, with the weakest lock on the
// table: writers do not notice, but ALTER TABLE and TRUNCATE wait, and what comes after them waits for those. They must:
// a table that is rewritten looks empty to older snapshots, and a repair would believe that. Vacuum cannot remove rows
// that the snapshot sees.
type Snapshot struct {
	table   *Table
	layout  *layout
	conn    *pgx.Conn // holds the snapshot
	id      string    // as exported
	order   change.Order
	takenAt time.Time
}

// Snapshot takes a snapshot, when every transaction is over that may have written to the table before the position
// that becomes its order. Its error is a *HeldUpError when that takes too long.
func (t *Table) Snapshot(ctx context.Context, wait WaitFor) (*Snapshot, error) {
	conn, err := pgx.ConnectConfig(ctx, t.pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres for a snapshot: %w", err)
	}
	s := &Snapshot{table: t, conn: conn}
	if err := s.take(ctx, wait); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

// take follows docs/adr/0006-reading-the-table.md, which tells why each step is needed.
func (s *Snapshot) take(ctx context.Context, wait WaitFor) error {
	if err := prepareSession(ctx, s.conn); err != nil {
		return err
	}
	position, err := s.position(ctx)
	if err != nil {
		return err
	}
	if s.order, err = change.NewOrder(s.table.config.Epoch, position, position); err != nil {
		return fmt.Errorf("the snapshot's order: %w", err)
	}
	deadline := time.Now().Add(wait.timeout())
	if err := waitForTransactions(ctx, s.conn, wait); err != nil {
		return err
	}
	if _, err := s.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return fmt.Errorf("begin the snapshot's transaction: %w", err)
	}
	if err := s.lock(ctx, max(time.Until(deadline), time.Second)); err != nil {
		return err
	}
	if err := s.conn.QueryRow(ctx, "SELECT pg_export_snapshot(), clock_timestamp()").Scan(&s.id, &s.takenAt); err != nil {
		return fmt.Errorf("export the snapshot: %w", err)
	}
	// The columns may have changed since the table was opened. From here on the lock keeps them.
	s.layout, err = describe(ctx, s.conn, s.table.config)
	return err
}

// position returns the last position in the log that was taken. The function says where the next record will start,
// and a transaction that is under way may still put its change right there.
func (s *Snapshot) position(ctx context.Context) (uint64, error) {
	var text string
	err := s.conn.QueryRow(ctx, "SELECT (pg_current_wal_insert_lsn() - '0/0')::text").Scan(&text)
	if err != nil {
		return 0, fmt.Errorf("ask for the position in the log: %w", err)
	}
	next, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the position in the log: %w", err)
	}
	return next - 1, nil
}

// lock comes before the first query of the transaction, whose snapshot that query takes.
func (s *Snapshot) lock(ctx context.Context, limit time.Duration) error {
	if _, err := s.conn.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", limit.Milliseconds())); err != nil {
		return fmt.Errorf("limit the wait for the lock: %w", err)
	}
	if _, err := s.conn.Exec(ctx, "LOCK TABLE "+s.table.layout.from+" IN ACCESS SHARE MODE"); err != nil {
		var failed *pgconn.PgError
		if errors.As(err, &failed) && failed.Code == lockNotAvailable {
			return fmt.Errorf("another session has locked the table (an ALTER TABLE?) for more than %s: %w", limit.Round(time.Second), err)
		}
		return fmt.Errorf("lock the table against changes of its definition: %w", err)
	}
	return nil
}

// Codes of errors.
const (
	lockNotAvailable      = "55P03"
	invalidParameterValue = "22023"
	undefinedObject       = "42704"
)

// Order returns where the snapshot stands among changes: it is newer than those up to there.
func (s *Snapshot) Order() change.Order { return s.order }

// Close lets the snapshot go. Reads that are under way go on.
func (s *Snapshot) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	// So that it is over when Close returns. Where this fails, the end of the connection does it.
	_, _ = s.conn.Exec(ctx, "ROLLBACK")
	if err := s.conn.Close(ctx); err != nil {
		return fmt.Errorf("close the snapshot's session: %w", err)
	}
	return nil
}

// inside runs work on a connection of its own that sees the snapshot.
func (s *Snapshot) inside(ctx context.Context, work func(ctx context.Context, conn *pgconn.PgConn) error) error {
	pooled, err := s.table.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer pooled.Release() // ends the transaction, or the connection when there still is one
	conn := pooled.Conn().PgConn()
	begin := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '" + s.id + "'"
	if _, err := conn.Exec(ctx, begin).ReadAll(); err != nil {
		var failed *pgconn.PgError
		if errors.As(err, &failed) && (failed.Code == invalidParameterValue || failed.Code == undefinedObject) {
			return fmt.Errorf("the snapshot is gone, its session has ended: take another one: %w", err)
		}
		return fmt.Errorf("enter the snapshot: %w", err)
	}
	if err := work(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "COMMIT").ReadAll(); err != nil {
		return fmt.Errorf("leave the snapshot: %w", err)
	}
	return nil
}
