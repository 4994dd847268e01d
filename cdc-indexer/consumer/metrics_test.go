package consumer

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// An alert sees a counter rise only when it has seen it before.
func TestCountersOfTopicsAreThereBeforeTheFirstMessage(t *testing.T) {
	t.Parallel()
	metrics := NewMetrics(prometheus.NewRegistry())
	New(Config{Brokers: []string{"localhost:1"}, Topics: []string{"a", "b"}}, nil, nil, nil, nil, metrics, slog.New(slog.DiscardHandler))
	require.Equal(t, 2, testutil.CollectAndCount(metrics.skipped))
	require.Equal(t, 2, testutil.CollectAndCount(metrics.consumed))
}
