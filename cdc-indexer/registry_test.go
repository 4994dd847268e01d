package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/operations"
	"ticketing/internal/metricsdoc"
	"ticketing/internal/testenv"
)

func TestMetricsOfRunAreDocumented(t *testing.T) {
	t.Parallel()
	client, err := elastic.NewClient(elastic.Config{URL: fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))})
	require.NoError(t, err)
	defer client.Close()
	registry := newRegistry()
	metrics := newRunMetrics(metricsdoc.Filled(registry))
	newAdmin(t.Context(), "", registry, readiness{
		consumer: func() consumer.Status { return consumer.Status{} },
		writer:   elastic.NewWriter(client, "x", metrics.elastic),
		watched:  func() []health.Finding { return nil },
	}, slog.New(slog.DiscardHandler))
	jobs := operations.NewJobs(metricsdoc.Filled(registry), slog.New(slog.DiscardHandler))
	api, err := operations.New(&operator{}, jobs, "", slog.New(slog.DiscardHandler), registry)
	require.NoError(t, err)
	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/docs", http.NoBody)) // metrics of requests show up with the first
	metricsdoc.RequireDocumented(t, "cdc-indexer run", registry)
}

func TestMetricsOfVerifyAreDocumented(t *testing.T) {
	t.Parallel()
	registry := newRegistry()
	newVerifyMetrics(metricsdoc.Filled(registry))
	metricsdoc.RequireDocumented(t, "cdc-indexer verify --interval", registry)
}
