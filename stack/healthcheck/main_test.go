package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	require.NoError(t, check(t.Context(), server.URL))

	status = http.StatusServiceUnavailable
	require.ErrorContains(t, check(t.Context(), server.URL), "503")

	server.Close()
	require.Error(t, check(t.Context(), server.URL))
}
