package change_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ticketing/cdc-indexer/change"
)

func order(t *testing.T, epoch uint8, lastCommit, lsn uint64) change.Order {
	t.Helper()
	o, err := change.NewOrder(epoch, lastCommit, lsn)
	require.NoError(t, err)
	return o
}

func read(t *testing.T, lastCommit, snapshot uint64) change.Order {
	t.Helper()
	o, err := change.NewReadOrder(0, lastCommit, snapshot)
	require.NoError(t, err)
	return o
}

// The pairs were seen on Postgres 18 with Debezium: see docs/architecture.md.
func TestOrderOfObservedAnomalies(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ older, newer change.Order }{
		"an insert that waited for a concurrent delete has the lower lsn": {
			older: order(t, 0, 22834500, 22834792), newer: order(t, 0, 22834900, 22834720),
		},
		"the update of a transaction open during the snapshot has the lower lsn": {
			older: order(t, 0, 0, 0), newer: order(t, 0, 0, 26693888),
		},
		"a read of an initial snapshot that was begun again": {older: read(t, 0, 1000), newer: read(t, 0, 2000)},
		"any change after a read, however low its lsn":       {older: read(t, 0, 2000), newer: order(t, 0, 0, 8)},
		"a change after the commit that an incremental snapshot has seen": {
			older: read(t, 5000, 9000), newer: order(t, 0, 5000, 4000),
		},
		"two changes of one transaction behind a foreign commit": {
			older: order(t, 0, 5000, 1000), newer: order(t, 0, 5000, 1008),
		},
		"a lower position after a restore, with a raised epoch": {
			older: order(t, 0, 900000, 900008), newer: order(t, 1, 10, 16),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.True(t, test.newer.NewerThan(test.older))
			require.False(t, test.older.NewerThan(test.newer))
			same := test.newer
			require.False(t, same.NewerThan(test.newer))
		})
	}
}

func TestOrderIsAVersionElasticsearchAccepts(t *testing.T) {
	t.Parallel()
	highest := order(t, change.MaxEpoch, 1<<56-1, 0)
	require.Equal(t, int64(math.MaxInt64), highest.Version)

	_, err := change.NewOrder(change.MaxEpoch+1, 0, 0)
	require.ErrorContains(t, err, "epoch 128")
	_, err = change.NewOrder(0, 1<<56, 0)
	require.ErrorContains(t, err, "log position")
	_, err = change.NewOrder(0, 0, 1<<56)
	require.ErrorContains(t, err, "log position")
}

func TestOrderIsTotal(t *testing.T) {
	t.Parallel()
	any := rapid.Custom(func(t *rapid.T) change.Order {
		o, err := change.NewOrder(rapid.Uint8Max(2).Draw(t, "epoch"), rapid.Uint64Max(8).Draw(t, "S"), rapid.Uint64Max(8).Draw(t, "lsn"))
		require.NoError(t, err)
		return o
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := any.Draw(t, "a"), any.Draw(t, "b"), any.Draw(t, "c")
		require.Equal(t, -a.Compare(b), b.Compare(a))
		require.Equal(t, a == b, a.Compare(b) == 0)
		if a.NewerThan(b) && b.NewerThan(c) {
			require.True(t, a.NewerThan(c))
		}
	})
}

func TestStreamed(t *testing.T) {
	t.Parallel()
	for name, streamed := range map[string]change.Order{
		"a change":               order(t, 0, 29050800, 29050720),
		"of a later epoch":       order(t, 3, 29050800, 29050720),
		"of the first one there": order(t, 0, 0, 29050720),
	} {
		require.True(t, streamed.Streamed(), name)
	}
	for name, snapshot := range map[string]change.Order{
		"an initial snapshot":      read(t, 0, 29050720),
		"an incremental snapshot":  read(t, 29050800, 29050720),
		"a snapshot of reindex":    order(t, 0, 29050719, 29050719),
		"the same, of a new epoch": order(t, 3, 29050719, 29050719),
		"nothing":                  {},
	} {
		require.False(t, snapshot.Streamed(), name)
	}
}
