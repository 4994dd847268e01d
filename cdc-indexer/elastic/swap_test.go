package elastic_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// What was written to the new index last must be found by the first search after the swap. An index that is being built
// is not refreshed by itself, so whoever forgets it is noticed here.
func TestSwapMakesTheBuildSearchable(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	x.apply(upsert("a", 200, 200, "old"))
	builder := elastic.NewBuilder(x.client, x.names, elastic.NewMetrics(prometheus.NewRegistry()))
	definition, err := elastic.ParseDefinition([]byte(definitionText))
	require.NoError(t, err)
	next, err := builder.NextIndex(x.ctx())
	require.NoError(t, err)
	build, err := builder.Create(x.ctx(), next, definition, nil)
	require.NoError(t, err)
	t.Cleanup(func() { x.request(context.Background(), http.MethodDelete, "/"+next, "") })
	require.NoError(t, builder.Finish(x.ctx(), next, definition))
	_, err = builder.Writer(build).Apply(x.ctx(), []change.Change{upsert("a", 200, 200, "old"), upsert("b", 300, 300, "last")})
	require.NoError(t, err)

	require.NoError(t, builder.Swap(x.ctx(), x.names.First(), build))
	status, answer := x.request(x.ctx(), http.MethodGet, "/"+x.names.ReadAlias+"/_count", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, json.Number("2"), answer["count"])
}
