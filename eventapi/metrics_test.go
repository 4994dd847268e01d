package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/eventapi/httpapi"
	"ticketing/eventapi/postgres"
	"ticketing/internal/metricsdoc"
	"ticketing/internal/testenv"
)

func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	config, err := configure(t, "--database-url", fmt.Sprintf("postgres://eventapi:secret@127.0.0.1:%d/x", testenv.FreePort(t)))
	require.NoError(t, err)
	store, err := postgres.Open(t.Context(), config.store())
	require.NoError(t, err)
	defer store.Close()
	registry := newRegistry(store)
	api, err := httpapi.New(config.api(), store, slog.New(slog.DiscardHandler), registry)
	require.NoError(t, err)
	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody)) // metrics of requests show up with the first

	metricsdoc.RequireDocumented(t, "eventapi", registry)
}
