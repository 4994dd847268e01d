package buildinfo_test

import (
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ticketing/internal/buildinfo"
)

func TestBuildIsInTheLabels(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(buildinfo.NewCollector("some_program"))
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "some_program_build_info", families[0].GetName())
	metric := families[0].GetMetric()[0]
	require.InDelta(t, 1, metric.GetGauge().GetValue(), 0)
	labels := map[string]string{}
	for _, label := range metric.GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	require.Equal(t, runtime.Version(), labels["goversion"])
	require.Contains(t, labels, "version")
	require.Contains(t, labels, "revision")
	require.Equal(t, runtime.Version(), buildinfo.Read().Go)
}
