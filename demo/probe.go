package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/demo/freshness"
)

const (
	probes      = 40                     // events, each measured with again when the measurement before is done
	probeEvery  = 200 * time.Millisecond // begins a measurement, however long those before take
	restSamples = 30                     // measurements when nothing else is written
)

// probe measures freshness with events of its own. They fall into different partitions.
type probe struct {
	demo   *demo
	events []*written
	writes atomic.Int64
}

func (d *demo) newProbe(ctx context.Context) (*probe, error) {
	p := &probe{demo: d}
	for n := range probes {
		w := &written{event: d.generator.Event()}
		w.event.Title = fmt.Sprintf("Freshness probe %d", n+1)
		p.events = append(p.events, w)
	}
	if err := d.api.createBatch(ctx, "demo-"+d.runName+"-probes", p.events); err != nil {
		return nil, fmt.Errorf("create the probes: %w", err)
	}
	return p, nil
}

// measure changes an event and measures how long the change takes to become searchable.
func (p *probe) measure(ctx context.Context, w *written, into *freshness.Recorder) error {
	took, err := freshness.Measure(ctx, p.demo.config.Timeout, func(ctx context.Context) (freshness.Search, error) {
		err := p.demo.api.patch(ctx, w, map[string]any{"capacity": *w.event.Capacity + int(p.writes.Add(1))})
		return func(ctx context.Context) (bool, error) { return p.demo.search.has(ctx, w.id, w.version) }, err
	})
	if err != nil {
		return fmt.Errorf("measure freshness with event %s: %w", w.id, err)
	}
	into.Add(took)
	return nil
}

// until begins a measurement at regular times until stop is closed, and brings all to their end. Were each to wait
// for the one before, there would be the fewest of them just when they take long, and the percentiles would flatter.
func (p *probe) until(ctx context.Context, stop <-chan struct{}, into *freshness.Recorder) error {
	free := make(chan *written, len(p.events))
	for _, w := range p.events {
		free <- w
	}
	group, ctx := errgroup.WithContext(ctx)
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-ctx.Done():
			running = false
		case <-tick.C:
			p.begin(ctx, group, free, into)
		}
	}
	return group.Wait() //nolint:wrapcheck // measure has said what it was doing
}

func (p *probe) begin(ctx context.Context, group *errgroup.Group, free chan *written, into *freshness.Recorder) {
	select {
	case w := <-free:
		group.Go(func() error {
			defer func() { free <- w }()
			return p.measure(ctx, w, into)
		})
	default: // all are under way
	}
}

// times measures so many times, one after the other.
func (p *probe) times(ctx context.Context, count int, into *freshness.Recorder) error {
	for n := range count {
		if err := p.measure(ctx, p.events[n%len(p.events)], into); err != nil {
			return err
		}
	}
	return nil
}
