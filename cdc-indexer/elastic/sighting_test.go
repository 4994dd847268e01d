package elastic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

func (x *index) reader() *elastic.Reader { return elastic.NewReader(x.client, x.names) }

// What is stored is seen at once, and what searches find after a refresh; searches do not find tombstones.
func TestSightings(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	reader := x.reader()
	const key = `a/b "c" ü`
	stored, err := reader.Stored(x.ctx(), key)
	require.NoError(t, err)
	require.Nil(t, stored)
	found, err := reader.Found(x.ctx(), key)
	require.NoError(t, err)
	require.Nil(t, found)

	x.apply(upsert(key, 200, 104, "t"))
	stored, err = reader.Stored(x.ctx(), key)
	require.NoError(t, err)
	require.Equal(t, change.Order{Version: 200, LSN: 104}, stored.Order)
	require.Equal(t, x.names.First(), stored.Index)
	require.False(t, stored.Deleted)
	require.WithinDuration(t, time.Now(), stored.IndexedAt, time.Minute)
	require.NoError(t, reader.Refresh(x.ctx()))
	found, err = reader.Found(x.ctx(), key)
	require.NoError(t, err)
	require.Equal(t, stored, found)

	x.apply(remove(key, 300, 304))
	stored, err = reader.Stored(x.ctx(), key)
	require.NoError(t, err)
	require.True(t, stored.Deleted)
	require.NoError(t, reader.Refresh(x.ctx()))
	found, err = reader.Found(x.ctx(), key)
	require.NoError(t, err)
	require.Nil(t, found)

	none := newIndex(t).reader()
	_, err = none.Stored(x.ctx(), key)
	require.ErrorContains(t, err, "no such index")
	_, err = none.Found(x.ctx(), key)
	require.ErrorContains(t, err, "index_not_found_exception")
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	reader := x.reader()
	arrivals, err := reader.Arrivals(x.ctx(), 10)
	require.NoError(t, err)
	require.Empty(t, arrivals)
	committed := time.Now().UTC().Truncate(time.Second).Add(time.Hour)
	at := func(c change.Change, seconds int) change.Change {
		c.CommittedAt = committed.Add(time.Duration(seconds) * time.Second)
		return c
	}
	x.apply(at(upsert("a", 200, 104, "a"), 1), at(upsert("b", 208, 208, "b"), 3), at(remove("c", 304, 304), 2), at(upsert("copied", 207, 207, "x"), 0), at(upsert("brought over", 96, 96, "x"), -7200))
	require.NoError(t, reader.Refresh(x.ctx()))
	arrivals, err = reader.Arrivals(x.ctx(), 10)
	require.NoError(t, err)
	require.Len(t, arrivals, 3, "all but the row that a snapshot has read, and the change before the index")
	for n, seconds := range []int{3, 2, 1} {
		require.Equal(t, committed.Add(time.Duration(seconds)*time.Second), arrivals[n].CommittedAt)
		require.WithinDuration(t, time.Now(), arrivals[n].IndexedAt, time.Minute)
	}
	arrivals, err = reader.Arrivals(x.ctx(), 1)
	require.NoError(t, err)
	require.Len(t, arrivals, 1)
}
