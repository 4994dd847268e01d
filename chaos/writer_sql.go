package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// applicationName is how the sessions of writers are known to Postgres.
const applicationName = "chaos"

// sql writes straight into the table, in ways that no REST request does.
type sql struct {
	*writer
	pool    *pgxpool.Pool
	copying *sync.RWMutex
}

// openDatabase makes a pool of sessions that never wait for long.
func (s *system) openDatabase(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.at.Postgres)
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err)
	}
	config.MaxConns = 2 * sqlWriters
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	for setting, value := range map[string]string{
		"application_name": applicationName, "lock_timeout": "5s", "statement_timeout": "15s", "idle_in_transaction_session_timeout": "15s",
	} {
		config.ConnConfig.RuntimeParams[setting] = value
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return pool, nil
}

func (q *sql) writes() []write {
	return []write{
		{name: "SQL insert of several rows", weight: 60, do: q.inTransaction(q.insert)},
		{name: "SQL upsert", weight: 120, do: q.inTransaction(q.upsert)},
		{name: "SQL update of several rows", weight: 120, do: q.inTransaction(q.update)},
		{name: "SQL delete of several rows", weight: 60, do: q.inTransaction(q.remove)},
		{name: "SQL delete of a part of the table", weight: 12, do: q.inTransaction(q.thin)},
		{name: "SQL delete and insert in one transaction", weight: 80, do: q.inTransaction(q.recreate)},
		{name: "SQL many changes of a row in one transaction", weight: 40, do: q.inTransaction(q.hammer)},
		{name: "SQL change of the primary key", weight: 60, do: q.inTransaction(q.move)},
		{name: "SQL exchange of two primary keys", weight: 30, do: q.inTransaction(q.swap)},
		{name: "SQL savepoints", weight: 60, do: q.inTransaction(q.savepoints)},
		{name: "SQL rollback", weight: 60, do: q.rollback},
		{name: "SQL long transaction", weight: 30, do: q.inTransaction(q.long)},
		{name: "SQL COPY", weight: 40, do: q.inTransaction(q.copyFresh)},
		{name: "SQL COPY with primary keys", weight: 1, limit: time.Minute, do: q.copyWithIDs},
		{name: "SQL TRUNCATE", weight: 1, do: q.inTransaction(q.truncate)},
	}
}

// change is what is done in a transaction; it returns how many rows it has written.
type change func(ctx context.Context, tx pgx.Tx) (int64, error)

// inTransaction commits what a change does, or nothing of it.
func (q *sql) inTransaction(do change) func(context.Context) (int64, error) {
	return func(ctx context.Context) (rows int64, err error) {
		err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) (err error) {
			rows, err = do(ctx, tx)
			return err
		})
		return rows, err //nolint:wrapcheck // says what it was doing
	}
}

// errOnPurpose makes a transaction roll back.
var errOnPurpose = errors.New("rolled back on purpose")

// rollback does several things and takes all of them back.
func (q *sql) rollback(ctx context.Context) (int64, error) {
	_, err := q.inTransaction(func(ctx context.Context, tx pgx.Tx) (int64, error) {
		for _, do := range []change{q.insert, q.update, q.remove} {
			if _, err := do(ctx, tx); err != nil {
				return 0, err
			}
		}
		return 0, errOnPurpose
	})(ctx)
	if errors.Is(err, errOnPurpose) {
		return 0, nil
	}
	return 0, err
}

// row is an event as a whole row.
type row struct {
	event
	Version   int       `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (q *sql) rows(ids []string) []row {
	rows := make([]row, len(ids))
	for n, id := range ids {
		now := time.Now()
		rows[n] = row{event: q.event(id), Version: 1, CreatedAt: now, UpdatedAt: now}
	}
	return rows
}

const insertRows = "INSERT INTO public.events SELECT r.* FROM jsonb_populate_recordset(NULL::public.events, $1::jsonb) r"

func (q *sql) insert(ctx context.Context, tx pgx.Tx) (int64, error) {
	ids := make([]string, 1+q.random.IntN(60))
	for n := range ids {
		ids[n] = q.freshID()
	}
	return affected(tx.Exec(ctx, insertRows, string(encode(q.rows(ids)))))
}

func (q *sql) upsert(ctx context.Context, tx pgx.Tx) (int64, error) {
	return affected(tx.Exec(ctx, insertRows+` ON CONFLICT (id) DO UPDATE SET
		title = excluded.title, description = excluded.description, tags = excluded.tags, attributes = excluded.attributes`,
		string(encode(q.rows(q.ids(5))))))
}

// update leaves the description alone, which may lie outside of the row.
func (q *sql) update(ctx context.Context, tx pgx.Tx) (int64, error) {
	return affected(tx.Exec(ctx, `UPDATE public.events SET title = $2, price_min = NULL, price_max = NULL,
		attributes = attributes || jsonb_build_object('changed', $3::bigint) WHERE id = ANY ($1)`,
		q.ids(30), q.text(1+q.random.IntN(100)), q.random.Int64()))
}

func (q *sql) remove(ctx context.Context, tx pgx.Tx) (int64, error) {
	return affected(tx.Exec(ctx, "DELETE FROM public.events WHERE id = ANY ($1)", q.ids(8)))
}

// thin keeps the table from growing for ever: a fifth of it goes.
func (q *sql) thin(ctx context.Context, tx pgx.Tx) (int64, error) {
	return affected(tx.Exec(ctx, "DELETE FROM public.events WHERE hashtext(id::text || $1) % 5 = 0", q.freshID()))
}

func (q *sql) recreate(ctx context.Context, tx pgx.Tx) (int64, error) {
	ids := q.ids(10)
	total := int64(0)
	for range 1 + q.random.IntN(3) {
		deleted, err := affected(tx.Exec(ctx, "DELETE FROM public.events WHERE id = ANY ($1)", ids))
		if err != nil {
			return total, err
		}
		// somebody else may be quicker to insert
		inserted, err := affected(tx.Exec(ctx, insertRows+" ON CONFLICT (id) DO NOTHING", string(encode(q.rows(ids)))))
		if err != nil {
			return total, err
		}
		total += deleted + inserted
	}
	return total, nil
}

// hammer changes one row so often, while others commit, that the conditional writes of the indexer pile up.
func (q *sql) hammer(ctx context.Context, tx pgx.Tx) (int64, error) {
	id := q.id()
	total := int64(0)
	for n := range 5 + q.random.IntN(60) {
		rows, err := affected(tx.Exec(ctx, "UPDATE public.events SET title = $2 WHERE id = $1", id, fmt.Sprint("change ", n)))
		if err != nil {
			return total, err
		}
		total += rows
	}
	return total, nil
}

// move gives rows another key: a fresh one, or one that is fought over.
func (q *sql) move(ctx context.Context, tx pgx.Tx) (int64, error) {
	to := q.freshID()
	if q.random.IntN(2) == 0 {
		to = q.id()
	}
	return affected(tx.Exec(ctx, "UPDATE public.events SET id = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM public.events WHERE id = $2)", q.id(), to))
}

func (q *sql) swap(ctx context.Context, tx pgx.Tx) (int64, error) {
	one, other, between := q.id(), q.id(), q.freshID()
	total := int64(0)
	for _, step := range [][2]string{{one, between}, {other, one}, {between, other}} {
		rows, err := affected(tx.Exec(ctx, "UPDATE public.events SET id = $2 WHERE id = $1", step[0], step[1]))
		if err != nil {
			return total, err
		}
		total += rows
	}
	return total, nil
}

// savepoints keeps some of what it does.
func (q *sql) savepoints(ctx context.Context, tx pgx.Tx) (int64, error) {
	total := int64(0)
	for _, do := range []change{q.upsert, q.update, q.remove, q.recreate, q.update} {
		keep := q.random.IntN(2) == 0
		err := pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
			rows, err := do(ctx, inner)
			switch {
			case err != nil:
				return err
			case !keep:
				return errOnPurpose
			}
			total += rows
			return nil
		})
		if err != nil && !errors.Is(err, errOnPurpose) {
			return total, err //nolint:wrapcheck // says what it was doing
		}
	}
	return total, nil
}

// long stays open while others commit before and after each of its changes.
func (q *sql) long(ctx context.Context, tx pgx.Tx) (int64, error) {
	total := int64(0)
	for range 3 + q.random.IntN(6) {
		for _, do := range []change{q.insert, q.upsert, q.update}[:1+q.random.IntN(3)] {
			rows, err := do(ctx, tx)
			if err != nil {
				return total, err
			}
			total += rows
		}
		if !wait(ctx, between(q.random, 0, time.Second)) {
			return total, ctx.Err() //nolint:wrapcheck // the round has ended
		}
	}
	return total, nil
}

func (q *sql) truncate(ctx context.Context, tx pgx.Tx) (int64, error) {
	return affected(tx.Exec(ctx, "TRUNCATE public.events"))
}

// affected returns how many rows a statement has written.
func affected(tag pgconn.CommandTag, err error) (int64, error) {
	return tag.RowsAffected(), err
}
