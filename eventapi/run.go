package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"ticketing/eventapi/httpapi"
	"ticketing/eventapi/postgres"
	"ticketing/internal/buildinfo"
)

// maxHeaderBytes bounds a request's header.
const maxHeaderBytes = 64 << 10

// run serves until the context ends, then lets running requests finish within the configured time. The database
// may be away at any time: /readyz and the answers say so.
func run(ctx context.Context, config Config, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listen on --listen %s: %w", config.Listen, err)
	}
	defer func() { _ = listener.Close() }() // the server has closed it already, but for an error below

	// Requests and the pool outlive ctx: they end when the server has been drained.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	store, err := postgres.Open(work, config.store())
	if err != nil {
		return err
	}
	defer store.Close()

	registry := newRegistry(store)
	api, err := httpapi.New(config.api(), store, log, registry)
	if err != nil {
		return fmt.Errorf("set up the API: %w", err)
	}
	server := &http.Server{
		Handler:           api,
		ReadHeaderTimeout: config.ReadHeaderTimeout,
		ReadTimeout:       config.ReadTimeout,
		WriteTimeout:      config.WriteTimeout,
		IdleTimeout:       config.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return work },
	}

	log.InfoContext(ctx, "eventapi serves", slog.String("address", listener.Addr().String()))
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-groupCtx.Done()
		return shutDown(work, config, server, api, log)
	})
	group.Go(func() error {
		purge(groupCtx, config, store, log)
		return nil
	})
	return group.Wait() //nolint:wrapcheck // the goroutines above have said what they were doing
}

// newRegistry holds the metrics of everything but the API.
func newRegistry(store *postgres.Store) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildinfo.NewCollector("eventapi"), postgres.NewCollector(store))
	return registry
}

// shutDown says on /readyz that the program goes away, stops listening, and waits for running requests. Those that
// take longer than allowed are cut off.
func shutDown(ctx context.Context, config Config, server *http.Server, api *httpapi.API, log *slog.Logger) error {
	log.InfoContext(ctx, "eventapi shuts down", slog.Duration("within", config.ShutdownDelay+config.ShutdownTimeout))
	api.Drain()
	<-time.After(config.ShutdownDelay)
	ctx, cancel := context.WithTimeout(ctx, config.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // says no more than Shutdown did
		return fmt.Errorf("some requests did not end within --shutdown-timeout %s: %w", config.ShutdownTimeout, err)
	}
	return nil
}

// A purge deletes at most purgeRounds times purgeLimit answers.
const (
	purgeLimit  = 1000
	purgeRounds = 100
)

// purge deletes old answers of idempotent requests from time to time, until the context ends.
func purge(ctx context.Context, config Config, store *postgres.Store, log *slog.Logger) {
	tick := time.NewTicker(config.PurgeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		deleted, err := purgeOnce(ctx, config.IdempotencyTTL, store)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.WarnContext(ctx, "purge of idempotency keys failed; the next one is due", slog.Duration("in", config.PurgeInterval), slog.Any("error", err))
		case deleted > 0:
			log.InfoContext(ctx, "purged idempotency keys", slog.Int64("deleted", deleted))
		}
	}
}

// purgeOnce deletes in small transactions, so that no request waits long for one.
func purgeOnce(ctx context.Context, age time.Duration, store *postgres.Store) (int64, error) {
	var total int64
	for range purgeRounds {
		deleted, err := store.PurgeIdempotencyKeys(ctx, age, purgeLimit)
		total += deleted
		if err != nil || deleted < purgeLimit {
			return total, err
		}
	}
	return total, nil
}
