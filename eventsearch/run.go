package main

import (
	"context"
	"fmt"
	"log/slog"

	"ticketing/eventsearch/elastic"
	"ticketing/eventsearch/httpapi"
	"ticketing/eventsearch/pipeline"
	"ticketing/eventsearch/web"
	"ticketing/internal/buildinfo"
	"ticketing/internal/esclient"
	"ticketing/internal/otlp"
)

// run serves until the context ends, then lets running requests finish within the configured time. Elasticsearch may
// be away at any time, and the index not there yet: /readyz and the answers say so.
func run(ctx context.Context, config Config, log *slog.Logger) error {
	traces, err := otlp.Start(ctx, "eventsearch", log)
	if err != nil {
		return err
	}
	defer traces.Stop(ctx)
	client, err := esclient.New(config.client())
	if err != nil {
		return err
	}
	defer client.Close()

	registry := buildinfo.NewRegistry("eventsearch")
	names := config.index()
	names.Traces = traces.Tracers()
	index := elastic.NewIndex(client, names, elastic.NewMetrics(registry))
	limits := config.api()
	limits.Traces = traces.Tracers()
	api, err := httpapi.New(limits, index, log, registry)
	if err != nil {
		return fmt.Errorf("set up the API: %w", err)
	}
	pages, err := web.New()
	if err != nil {
		return err
	}
	pages.Mount(api.Router())
	if config.Pipeline {
		proxy, err := pipeline.New(config.pipeline(), log)
		if err != nil {
			return err
		}
		defer proxy.Close()
		proxy.Mount(api.Router())
		pages.MountPipeline(api.Router())
	}
	// Requests outlive ctx: they end when the server has been drained.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	return api.Serve(ctx, work, config.serve())
}
