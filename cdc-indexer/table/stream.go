package table

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"ticketing/cdc-indexer/change"
)

// ErrNoSlot says that a replication slot is not there, or of no use any more.
var ErrNoSlot = errors.New("the replication slot is missing or lost: deletes from now on reach nobody")

// Confirmed returns the position in the log up to which the reader of a replication slot has everything. It returns
// ErrNoSlot when the slot cannot be read from.
func (t *Table) Confirmed(ctx context.Context, slot string) (int64, error) {
	var text string
	const query = `SELECT coalesce((confirmed_flush_lsn - '0/0')::text, '') FROM pg_replication_slots WHERE slot_name = $1 AND wal_status IS DISTINCT FROM 'lost'`
	err := t.pool.QueryRow(ctx, query, slot).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && text == "" {
		return 0, fmt.Errorf("slot %s: %w", slot, ErrNoSlot)
	}
	if err != nil {
		return 0, fmt.Errorf("look at slot %s: %w", slot, err)
	}
	position, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the position of slot %s: %w", slot, err)
	}
	return position, nil
}

// Now returns an order that no change has reached yet: what is above it comes from another history of the database.
func (s *Snapshot) Now(ctx context.Context) (change.Order, error) {
	var text string
	if err := s.table.pool.QueryRow(ctx, "SELECT (pg_current_wal_insert_lsn() - '0/0')::text").Scan(&text); err != nil {
		return change.Order{}, fmt.Errorf("ask for the position in the log: %w", err)
	}
	position, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return change.Order{}, fmt.Errorf("read the position in the log: %w", err)
	}
	order, err := change.NewOrder(s.table.config.Epoch, position, position)
	if err != nil {
		return change.Order{}, fmt.Errorf("the order of this moment: %w", err)
	}
	return order, nil
}
