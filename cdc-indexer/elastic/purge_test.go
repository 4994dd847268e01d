package elastic_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
)

func TestPurgeTakesOldTombstonesOnly(t *testing.T) {
	t.Parallel()
	fake := elasticfake.New()
	client, err := elastic.NewClient(elastic.Config{URL: "http://fake", Transport: fake})
	require.NoError(t, err)
	names := elastic.Names{Prefix: "x", ReadAlias: "x", WriteAlias: "x-write"}
	definition, err := elastic.ParseDefinition([]byte("mappings: {dynamic: false, properties: {a: {type: keyword}}}"))
	require.NoError(t, err)
	_, err = elastic.Ensure(t.Context(), client, names, definition)
	require.NoError(t, err)
	metrics := elastic.NewMetrics(prometheus.NewRegistry())
	writer := elastic.NewWriter(client, names.WriteAlias, metrics)
	write := func(key string, op change.Op, version int64) {
		_, err := writer.Apply(t.Context(), []change.Change{{Key: key, Op: op, Order: change.Order{Version: version}, Document: []byte(`{"a":"x"}`)}})
		require.NoError(t, err)
	}
	write("old", change.Delete, 1)
	write("row", change.Upsert, 1)
	between := time.Now()
	write("new", change.Delete, 1)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://fake/x-write/_refresh", http.NoBody)
	require.NoError(t, err)
	response, err := fake.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	purged, err := elastic.NewPurger(client, names, metrics).Purge(t.Context(), between)
	require.NoError(t, err)
	require.Equal(t, 1, purged)
	documents, err := elastic.NewReader(client, names).Get(t.Context(), []string{"old", "row", "new"})
	require.NoError(t, err)
	require.Equal(t, "gone, there, tombstone", fmt.Sprintf("%s, %s, %s", what(documents[0]), what(documents[1]), what(documents[2])))
}

func what(d *elastic.Document) string {
	switch {
	case d == nil:
		return "gone"
	case d.Deleted:
		return "tombstone"
	default:
		return "there"
	}
}
