package main

import (
	"context"
	"errors"
	"time"
)

// The names of what is measured, as the report shows them.
const (
	rate       = "docs/s"
	cpu        = "CPU s per 100,000"
	serverCPU  = "Elasticsearch CPU s per 100,000"
	memory     = "MiB at most"
	seconds    = "s"
	batchWidth = "documents in a request"
	// startSeconds is from a program's start until the first documents are in the index.
	startSeconds = "s until the first"
)

// work is how a number of documents got into the index.
func work(documents int, took time.Duration, used usage, server float64) values {
	per := 100_000 / float64(documents)
	return values{
		rate: float64(documents) / took.Seconds(), cpu: used.CPU * per, serverCPU: server * per, memory: used.RSS,
	}
}

// catchUp measures `cdc-indexer run` in its default configuration, from its start until all the events of the topic are
// in a new index. It is a new group, and begins at the offsets, or at the topic's start for none.
func (s *system) catchUp(ctx context.Context, documents int, offsets []int64) (values, error) {
	i, measured, err := s.caughtUp(ctx, documents, offsets)
	if err != nil {
		return nil, err
	}
	return measured, s.es.remove(ctx, i.name)
}

// caughtUp is catchUp, and leaves the index there.
func (s *system) caughtUp(ctx context.Context, documents int, offsets []int64) (indexer, values, error) {
	i, err := s.newIndexer(ctx)
	if err != nil {
		return i, nil, err
	}
	if offsets != nil {
		if err := s.backlog.startAt(ctx, i.name, createdTopic, offsets); err != nil {
			return i, nil, err
		}
	}
	before, err := s.es.cpu(ctx)
	if err != nil {
		return i, nil, err
	}
	r, err := s.startIndexer(ctx, i)
	if err != nil {
		return i, nil, err
	}
	defer r.kill()
	first, err := s.es.awaitIndexed(ctx, i.writeAlias(), 1, r.alive)
	if err != nil {
		return i, nil, err
	}
	done, err := s.es.awaitIndexed(ctx, i.writeAlias(), documents, r.alive)
	if err != nil {
		return i, nil, err
	}
	after, failed := s.es.cpu(ctx)
	metrics, err := readMetrics(ctx, r.url)
	if err = errors.Join(failed, err); err != nil {
		return i, nil, err
	}
	used, err := r.stop()
	if err != nil {
		return i, nil, err
	}
	measured := work(documents, done.Sub(r.started), used, after-before)
	measured[startSeconds] = first.Sub(r.started).Seconds()
	measured[batchWidth] = metrics["cdc_indexer_bulk_documents_sum"] / metrics["cdc_indexer_bulk_documents_count"]
	return i, measured, s.es.check(ctx, i.readAlias(), documents)
}
