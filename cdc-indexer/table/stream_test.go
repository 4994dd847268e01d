package table_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

func TestConfirmed(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rows := open(t, d.config(t))
	slot := testenv.Name(t)
	_, err := rows.Confirmed(t.Context(), slot)
	require.ErrorIs(t, err, table.ErrNoSlot)
	require.ErrorContains(t, err, slot)

	d.exec(t, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", slot)
	t.Cleanup(func() {
		_, err := d.conn.Exec(context.Background(), "SELECT pg_drop_replication_slot($1)", slot)
		require.NoError(t, err)
	})
	before, err := rows.Confirmed(t.Context(), slot)
	require.NoError(t, err)
	require.Positive(t, before)
	d.exec(t, "INSERT INTO events (title, category, organizer, starts_at, ends_at) VALUES ('t', 'c', 'o', now(), now() + interval '1 hour')")
	d.exec(t, "SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())", slot)
	after, err := rows.Confirmed(t.Context(), slot)
	require.NoError(t, err)
	require.Greater(t, after, before)
}

// What is written after a snapshot lies between its order and this moment's.
func TestNow(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	config := d.config(t)
	config.Epoch = 3
	snapshot := takeSnapshot(t, open(t, config))
	d.exec(t, "INSERT INTO events (title, category, organizer, starts_at, ends_at) VALUES ('t', 'c', 'o', now(), now() + interval '1 hour')")
	now, err := snapshot.Now(testenv.Context(t, time.Minute))
	require.NoError(t, err)
	require.True(t, now.NewerThan(snapshot.Order()), "%s, %s", now, snapshot.Order())
	require.Equal(t, int64(3), now.Version>>56)
}
