package main

import (
	"context"
	"fmt"
	"time"
)

// scaling measures several indexers that share the work, and what it costs the others when one joins.
func (s *system) scaling(ctx context.Context, documents int) error {
	var all []contestant
	for replicas := 1; replicas <= 3; replicas++ {
		all = append(all, contestant{
			name: "cdc-indexer", which: fmt.Sprintf("%d together", replicas),
			measure: func(ctx context.Context) (values, error) { return s.replicas(ctx, documents, replicas, 0) },
		})
	}
	all = append(all, contestant{
		name: "cdc-indexer", which: "1, joined by another at a third",
		measure: func(ctx context.Context) (values, error) { return s.replicas(ctx, documents, 1, documents/3) },
	})
	return s.rounds(ctx, scaling, all...)
}

// replicas starts so many indexers of one group at the same time, and one more when joinAt documents are done; 0: none.
func (s *system) replicas(ctx context.Context, documents, count, joinAt int) (values, error) {
	i, err := s.newIndexer(ctx)
	if err != nil {
		return nil, err
	}
	var members []running
	defer func() {
		for _, r := range members {
			r.kill()
		}
	}()
	join := func() error {
		r, err := s.startIndexer(ctx, i)
		if err == nil {
			members = append(members, r)
		}
		return err
	}
	for range count {
		if err := join(); err != nil {
			return nil, err
		}
	}
	if joinAt > 0 {
		if _, err := s.es.awaitIndexed(ctx, i.writeAlias(), joinAt, members[0].alive); err != nil {
			return nil, err
		}
		if err := join(); err != nil {
			return nil, err
		}
	}
	done, pause, err := s.watchProgress(ctx, i.writeAlias(), documents)
	if err != nil {
		return nil, err
	}
	measured := values{rate: float64(documents) / done.Sub(members[0].started).Seconds(), "longest standstill, s": pause.Seconds()}
	if err := s.es.check(ctx, i.readAlias(), documents); err != nil {
		return nil, err
	}
	for _, r := range members {
		used, err := r.stop()
		if err != nil {
			return nil, err
		}
		measured[cpu] += used.CPU * 100_000 / float64(documents)
	}
	return measured, s.es.remove(ctx, i.name)
}

// watchProgress waits for the documents, and returns the longest time in which none came, from the first on.
func (s *system) watchProgress(ctx context.Context, index string, documents int) (done time.Time, pause time.Duration, _ error) {
	const limit = 15 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	var before int64
	var since time.Time
	for {
		got, now := s.es.indexed(ctx, index), time.Now()
		if got > before {
			if before > 0 {
				pause = max(pause, now.Sub(since))
			}
			before, since = got, now
		}
		if got >= int64(documents) {
			return now, pause, nil
		}
		select {
		case <-ctx.Done():
			return now, pause, fmt.Errorf("%d of %d documents are in %s: %w", got, documents, index, ctx.Err())
		case <-look.C:
		}
	}
}
