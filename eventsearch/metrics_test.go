package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/eventsearch/elastic"
	"ticketing/eventsearch/httpapi"
	"ticketing/internal/buildinfo"
	"ticketing/internal/esclient"
	"ticketing/internal/metricsdoc"
	"ticketing/internal/testenv"
)

func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	config, err := configure(t, "--elasticsearch-url", fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t)))
	require.NoError(t, err)
	client, err := esclient.New(config.client())
	require.NoError(t, err)
	defer client.Close()
	registry := buildinfo.NewRegistry("eventsearch")
	index := elastic.NewIndex(client, config.index(), elastic.NewMetrics(metricsdoc.Filled(registry)))
	api, err := httpapi.New(config.api(), index, slog.New(slog.DiscardHandler), registry)
	require.NoError(t, err)
	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody)) // metrics of requests show up with the first

	metricsdoc.RequireDocumented(t, "eventsearch", registry)
}
