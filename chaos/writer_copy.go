package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var copyColumns = []string{"title", "category", "organizer", "starts_at", "ends_at", "description", "tags"}

// copyFresh copies rows that get their keys from the column's default. That is a function with another result each
// time, so Postgres inserts the rows one by one, and each has a log position of its own.
func (q *sql) copyFresh(ctx context.Context, tx pgx.Tx) (int64, error) {
	return q.copy(ctx, tx, false)
}

// copyWithIDs copies rows with their keys. Postgres writes as many of them as fit a page at one log position, and
// Debezium before 3.7 loses the rest of those when it has to start again after the first of them (dbz#1554). So no
// fault that makes Debezium start again may come before it has noted a position behind the COPY. If one is under
// way, the keys are left out.
func (q *sql) copyWithIDs(ctx context.Context) (rows int64, err error) {
	if !q.copying.TryLock() {
		return q.inTransaction(q.copyFresh)(ctx)
	}
	defer q.copying.Unlock()
	rows, err = q.inTransaction(func(ctx context.Context, tx pgx.Tx) (int64, error) { return q.copy(ctx, tx, true) })(ctx)
	// Also after an error: it may have been done. When the round ends first, no fault follows before all is healed.
	var position string
	for position == "" && wait(ctx, 200*time.Millisecond) {
		_ = q.pool.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()").Scan(&position) // again when it fails
	}
	for !q.captured(ctx, position) && wait(ctx, 200*time.Millisecond) {
	}
	return rows, err
}

// captured says whether Debezium has noted that it is behind a position.
func (q *sql) captured(ctx context.Context, position string) bool {
	var behind bool
	err := q.pool.QueryRow(ctx, "SELECT confirmed_flush_lsn >= $1::pg_lsn FROM pg_replication_slots WHERE slot_name = $2", position, slot).Scan(&behind)
	return err == nil && behind
}

func (q *sql) copy(ctx context.Context, tx pgx.Tx, withIDs bool) (int64, error) {
	columns := copyColumns
	if withIDs {
		columns = append([]string{"id"}, columns...)
	}
	const most = 300
	rows := make([][]any, 1+q.random.IntN(most))
	for n := range rows {
		e := q.event("")
		rows[n] = []any{e.Title, e.Category, e.Organizer, e.StartsAt, e.EndsAt, *e.Description, e.Tags}
		if withIDs {
			rows[n] = append([]any{q.freshID()}, rows[n]...)
		}
	}
	copied, err := tx.CopyFrom(ctx, pgx.Identifier{"public", "events"}, columns, pgx.CopyFromRows(rows))
	if err != nil {
		return 0, fmt.Errorf("copy: %w", err)
	}
	return copied, nil
}
