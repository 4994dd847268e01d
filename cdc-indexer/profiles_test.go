package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, time.Minute)
	p, err := listenProfiles(ctx, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = listenProfiles(ctx, p.listener.Addr().String(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "--pprof")

	serving, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.serve(serving)
	}()
	for path, want := range map[string]int{"/debug/pprof/heap": http.StatusOK, "/debug/pprof/profile?seconds=1": http.StatusOK, "/metrics": http.StatusNotFound} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.listener.Addr().String()+path, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want, response.StatusCode, path)
	}
	stop()
	<-ended
}
