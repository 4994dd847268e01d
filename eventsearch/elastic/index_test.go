package elastic_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/eventsearch/elastic"
	"ticketing/eventsearch/indextest"
	"ticketing/internal/esclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newIndex(t *testing.T, x *indextest.Index) *elastic.Index {
	t.Helper()
	return newIndexWith(t, x, esclient.Config{URL: x.URL, Timeout: 30 * time.Second}, 30*time.Second)
}

func newIndexWith(t *testing.T, x *indextest.Index, config esclient.Config, timeout time.Duration) *elastic.Index {
	t.Helper()
	client, err := esclient.New(config)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return elastic.NewIndex(client, elastic.Config{
		ReadAlias: x.ReadAlias, WriteAlias: x.WriteAlias, SearchTimeout: timeout, CursorTTL: time.Minute,
	}, elastic.NewMetrics(prometheus.NewRegistry()))
}
