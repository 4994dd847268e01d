package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/elastic"
)

// purging removes needless tombstones from time to time. Several indexers may do so at the same time: each delete is
// conditional.
type purging struct {
	purger *elastic.Purger
	log    *consumer.Log
	every  time.Duration
	margin time.Duration
	logger *slog.Logger
}

// run purges until ctx ends.
func (p *purging) run(ctx context.Context) {
	for {
		pause := p.every/2 + rand.N(p.every) //nolint:gosec // so that several indexers do not do it in step
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		purged, err := p.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			p.logger.WarnContext(ctx, "tombstones could not be purged, trying again later", "error", err)
		case purged > 0:
			p.logger.InfoContext(ctx, "tombstones purged", "tombstones", purged)
		}
	}
}

// once removes the tombstones that no message left in the topics can need. In empty topics everything is needless that
// was written before they were looked at.
func (p *purging) once(ctx context.Context) (int, error) {
	oldest := time.Now()
	left, found, err := p.log.Oldest(ctx)
	if err != nil {
		return 0, err
	}
	if found && left.Before(oldest) {
		oldest = left
	}
	return p.purger.Purge(ctx, oldest.Add(-p.margin))
}
