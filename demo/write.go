package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"ticketing/demo/sample"
)

// How the events are created: in batches of 100 to 200, and some one by one.
const (
	smallestBatch = 100
	largestBatch  = 200
	singles       = 4 // after every batch
)

// plan holds the events that are written to again.
type plan struct {
	changed, deleted []*written
}

// keep notes the nth event when it belongs to the fifth to be changed or the tenth to be deleted. Half of those
// deleted were changed before.
func (p *plan) keep(n int, w *written) {
	if n%5 == 3 {
		p.changed = append(p.changed, w)
	}
	if n%20 == 7 || n%20 == 8 {
		p.deleted = append(p.deleted, w)
	}
}

// create creates all events.
func (d *demo) create(ctx context.Context) (*plan, error) {
	shown := d.screen.progress("creating", d.config.Events)
	plan := &plan{}
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(d.config.Concurrency)
	size, alone := smallestBatch, 0
	for n := 0; n < d.config.Events && sending.Err() == nil; {
		count := min(size, d.config.Events-n)
		if alone > 0 {
			count, alone = 1, alone-1
		} else {
			size, alone = smallestBatch+(size+37-smallestBatch)%(largestBatch-smallestBatch+1), singles
		}
		batch := make([]*written, count)
		for i := range batch {
			batch[i] = &written{event: d.generator.Event()}
			plan.keep(n+i, batch[i])
		}
		key := fmt.Sprintf("demo-%s-%d", d.runName, n)
		group.Go(func() error {
			err := d.createSome(sending, key, batch)
			if err == nil {
				shown.add(len(batch))
			}
			return err
		})
		n += count
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("create events: %w", err)
	}
	return plan, ctx.Err() //nolint:wrapcheck // the user has ended it
}

func (d *demo) createSome(ctx context.Context, key string, batch []*written) error {
	if len(batch) == 1 {
		return d.api.create(ctx, key, batch[0])
	}
	return d.api.createBatch(ctx, key, batch)
}

// change changes the events: most by PATCH, every sixth by PUT.
func (d *demo) change(ctx context.Context, events []*written) error {
	const everySixth = 6
	shown := d.screen.progress("changing", len(events))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.config.Concurrency)
	for n, w := range events {
		var change func() error
		if n%everySixth == 0 {
			revised := d.generator.Revise(w.event)
			change = func() error { return d.api.replace(ctx, w, revised) }
		} else {
			patch := d.generator.Patch(w.event)
			change = func() error { return d.api.patch(ctx, w, patch) }
		}
		group.Go(func() error {
			err := change()
			if err == nil {
				shown.add(1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("change events: %w", err)
	}
	return nil
}

func (d *demo) delete(ctx context.Context, shown *progress, ids []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.config.Concurrency)
	for _, id := range ids {
		group.Go(func() error {
			err := d.api.delete(ctx, id)
			if err == nil {
				shown.add(1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("delete events: %w", err)
	}
	return nil
}

func ids(events []*written) []string {
	found := make([]string, len(events))
	for i, w := range events {
		found[i] = w.id
	}
	return found
}

// clean deletes the events of all runs.
func (d *demo) clean(ctx context.Context) error {
	var found []string
	err := d.api.listOwn(ctx, func(ids []string) error {
		found = append(found, ids...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for the demo's events: %w", err)
	}
	if len(found) == 0 {
		d.screen.say("There are no events of the demo.")
		return nil
	}
	if err := d.delete(ctx, d.screen.progress("deleting", len(found)), found); err != nil {
		return err
	}
	d.screen.say("\n%s events of the demo (those with attributes.%s) are deleted.", thousands(len(found)), sample.RunAttribute)
	return nil
}
