// Package postgres keeps events in Postgres.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ticketing/eventapi/event"
)

// Config says which database to use and how patiently. Every limit must be positive.
type Config struct {
	URL              string
	MaxConns         int32
	ConnectTimeout   time.Duration
	StatementTimeout time.Duration // the server ends a statement that takes longer, waiting for locks included
}

// Store reads and writes events. Its methods return the errors of package event, or another one that is a defect
// or a broken installation.
type Store struct {
	pool   *pgxpool.Pool
	gather *gatherer
}

// Open makes a store, which works until ctx ends or Close. It connects when it is first used, so a database that is away is
// no error here.
func Open(ctx context.Context, config Config) (*Store, error) {
	pool, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	pool.MaxConns = config.MaxConns
	pool.MaxConnLifetime = time.Hour
	pool.MaxConnLifetimeJitter = 10 * time.Minute
	pool.ConnConfig.ConnectTimeout = config.ConnectTimeout
	parameters := pool.ConnConfig.RuntimeParams
	if parameters["application_name"] == "" {
		parameters["application_name"] = "eventapi"
	}
	limit := fmt.Sprintf("%dms", config.StatementTimeout.Milliseconds())
	parameters["statement_timeout"] = limit
	// A process that dies inside a transaction must not keep its row locks.
	parameters["idle_in_transaction_session_timeout"] = limit
	parameters["timezone"] = "UTC"

	opened, err := pgxpool.NewWithConfig(ctx, pool)
	if err != nil {
		return nil, fmt.Errorf("make the connection pool: %w", err)
	}
	s := &Store{pool: opened}
	s.gather = newGatherer(ctx, func(ctx context.Context, all rows) ([]event.Event, event.Position, error) {
		// The server ends a statement in time; this is for a server that does not answer at all.
		ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout+config.StatementTimeout)
		defer cancel()
		return insertAll(ctx, opened, nil, []rows{all})
	})
	return s, nil
}

// CheckURL says whether Open can read the URL.
func CheckURL(url string) error {
	if _, err := pgxpool.ParseConfig(url); err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	return nil
}

// Close waits for the connections in use and closes all.
func (s *Store) Close() {
	s.gather.close()
	s.pool.Close()
}

// Get returns an event, or event.ErrNotFound.
func (s *Store) Get(ctx context.Context, id event.ID) (event.Event, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+columns+" FROM public.events WHERE id = $1", [16]byte(id))
	return one(rows, err, "get event")
}

// Update locks an event, replaces its fields by what change makes of them, and returns it as written, with the position
// of the write. It returns event.ErrNotFound, event.ErrVersionMismatch when accept refuses the stored version (nil accepts any), and
// change's own error. No other write comes between the check and the write.
func (s *Store) Update(
	ctx context.Context, id event.ID, accept func(version int64) bool, change func(event.Event) (event.Fields, error),
) (updated event.Event, at event.Position, err error) {
	err = s.withLocked(ctx, id, accept, func(tx pgx.Tx, current event.Event) error {
		fields, err := change(current)
		if err != nil {
			return err
		}
		given, err := encode(fields)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		queueTrace(ctx, batch)
		batch.Queue(position).QueryRow(scanPosition(&at))
		batch.Queue(update, given, [16]byte(id)).Query(
			func(rows pgx.Rows) (err error) {
				updated, err = one(rows, nil, "update event")
				return err
			})
		return classify(tx.SendBatch(ctx, batch).Close(), "update event")
	})
	return updated, at, err
}

// Delete locks an event, deletes it, and returns the position of the write. It returns event.ErrNotFound, or event.ErrVersionMismatch when accept
// refuses the stored version (nil accepts any).
func (s *Store) Delete(ctx context.Context, id event.ID, accept func(version int64) bool) (at event.Position, err error) {
	err = s.withLocked(ctx, id, accept, func(tx pgx.Tx, _ event.Event) error {
		batch := &pgx.Batch{}
		queueTrace(ctx, batch)
		batch.Queue(position).QueryRow(scanPosition(&at))
		batch.Queue("DELETE FROM public.events WHERE id = $1", [16]byte(id))
		return classify(tx.SendBatch(ctx, batch).Close(), "delete event")
	})
	return at, err
}

// position asks where the log ends. It is a statement of its own, sent together with the write behind it: after the
// row's lock is held, so that every earlier change of the row lies below, and before the write makes its own record. A
// column of SELECT ... FOR UPDATE would be computed before the lock is taken.
const position = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"

func scanPosition(into *event.Position) func(pgx.Row) error {
	return func(row pgx.Row) error {
		return row.Scan((*int64)(into))
	}
}

// withLocked runs write in a transaction that holds the event's row lock.
func (s *Store) withLocked(
	ctx context.Context, id event.ID, accept func(version int64) bool, write func(pgx.Tx, event.Event) error,
) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+columns+" FROM public.events WHERE id = $1 FOR UPDATE", [16]byte(id))
		current, err := one(rows, err, "lock event")
		if err != nil {
			return err
		}
		if accept != nil && !accept(current.Version) {
			return event.ErrVersionMismatch
		}
		return write(tx, current)
	})
}

// inTx runs work in a transaction, commits when it returns nil and rolls back otherwise.
func (s *Store) inTx(ctx context.Context, work func(pgx.Tx) error) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return classify(err, "begin a transaction")
	}
	if err := work(tx); err != nil {
		// A connection that cannot roll back is closed by the pool, which ends the transaction too.
		_ = tx.Rollback(ctx)
		return err
	}
	return classify(tx.Commit(ctx), "commit")
}

// one returns the only row of a query, or event.ErrNotFound.
func one(rows pgx.Rows, err error, doing string) (event.Event, error) {
	if err != nil {
		return event.Event{}, classify(err, doing)
	}
	found, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (event.Event, error) { return scan(row) })
	if errors.Is(err, pgx.ErrNoRows) {
		return event.Event{}, event.ErrNotFound
	}
	return found, classify(err, doing)
}
