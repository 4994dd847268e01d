package elastic_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
)

func TestOrders(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	x.apply(upsert("held", 200, 104, "held"), remove("gone", 300, 304))
	orders, err := x.writer.Orders(x.ctx(), []string{"held", "absent", "gone"})
	require.NoError(t, err)
	require.Equal(t, map[string]change.Order{"held": {Version: 200, LSN: 104}, "gone": {Version: 300, LSN: 304}}, orders)
	none, err := x.writer.Orders(x.ctx(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = newIndex(t).writer.Orders(x.ctx(), []string{"a"})
	require.ErrorContains(t, err, "index_not_found_exception")
}

func TestDocument(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	c := upsert("a", 200, 104, "a")
	c.Document = []byte(`{"n":123456789012345678901234567890}`)
	x.apply(c, remove("gone", 300, 300))

	document, err := x.writer.Document(x.ctx(), "a")
	require.NoError(t, err)
	require.Equal(t, change.Order{Version: 200, LSN: 104}, document.Order)
	require.False(t, document.Deleted)
	var fields struct{ N json.RawMessage }
	require.NoError(t, json.Unmarshal(document.Source, &fields))
	require.Equal(t, "123456789012345678901234567890", string(fields.N))

	document, err = x.writer.Document(x.ctx(), "gone")
	require.NoError(t, err)
	require.True(t, document.Deleted)

	document, err = x.writer.Document(x.ctx(), "absent")
	require.NoError(t, err)
	require.Nil(t, document)

	_, err = newIndex(t).writer.Document(x.ctx(), "a")
	require.ErrorContains(t, err, "index_not_found_exception")
}

func TestIndexCreated(t *testing.T) {
	t.Parallel()
	x := newIndex(t)
	_, err := x.writer.IndexCreated(x.ctx())
	require.ErrorContains(t, err, "index_not_found_exception")
	before := time.Now().Truncate(time.Millisecond)
	x.create()
	created, err := x.writer.IndexCreated(x.ctx())
	require.NoError(t, err)
	require.WithinRange(t, created, before, time.Now())
}
