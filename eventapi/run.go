package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"ticketing/eventapi/httpapi"
	"ticketing/eventapi/postgres"
	"ticketing/internal/buildinfo"
	"ticketing/internal/goruntime"
	"ticketing/internal/otlp"
)

// gcPercent is GOGC, unless the environment has another. The heap is a few MiB, which Go would collect all the time under
// load: 10 MiB more save a seventh of eventapi's processor time.
const gcPercent = 400

// run serves until the context ends, then lets running requests finish within the configured time. The database
// may be away at any time: /readyz and the answers say so.
func run(ctx context.Context, config Config, log *slog.Logger) error {
	goruntime.GarbagePercent(gcPercent)
	// Requests and the pool outlive ctx: they end when the server has been drained.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	store, err := postgres.Open(work, config.store())
	if err != nil {
		return err
	}
	defer store.Close()
	traces, err := otlp.Start(ctx, "eventapi", log)
	if err != nil {
		return err
	}
	defer traces.Stop(work)

	registry := newRegistry(store)
	limits := config.api()
	limits.Traces = traces.Tracers()
	api, err := httpapi.New(limits, store, log, registry)
	if err != nil {
		return fmt.Errorf("set up the API: %w", err)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return api.Serve(groupCtx, work, config.serve()) })
	group.Go(func() error {
		purge(groupCtx, config, store, log)
		return nil
	})
	return group.Wait() //nolint:wrapcheck // Serve has said what it was doing
}

// newRegistry holds the metrics of everything but the API.
func newRegistry(store *postgres.Store) *prometheus.Registry {
	registry := buildinfo.NewRegistry("eventapi")
	registry.MustRegister(postgres.NewCollector(store))
	return registry
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
