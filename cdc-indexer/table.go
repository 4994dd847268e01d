package main

import (
	"context"
	"log/slog"
	"time"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/reindex"
	"ticketing/cdc-indexer/table"
	"ticketing/cdc-indexer/verify"
)

// snapshotFlags are those of the commands that read the table.
type snapshotFlags struct {
	WaitTransactions time.Duration `help:"How long to wait for transactions that were running when the table is to be read. The one that takes longest is named." default:"10m" env:"CDC_INDEXER_WAIT_TRANSACTIONS"`
}

func (f databaseFlags) open(ctx context.Context, p pipeline.Pipeline, connections int) (*table.Table, error) {
	schema, name := p.SchemaAndTable()
	points := make([]table.GeoPoint, len(p.GeoPoints))
	for n, point := range p.GeoPoints {
		points[n] = table.GeoPoint(point)
	}
	return table.Open(ctx, table.Config{
		URL: f.DatabaseURL, Schema: schema, Table: name, Key: p.Key, Epoch: p.Epoch,
		JSONColumns: p.JSONColumns, GeoPoints: points, MaxConns: connections,
	})
}

// snapshots takes snapshots of a table, and tells the log who holds them up.
type snapshots struct {
	table *table.Table
	wait  time.Duration
	log   *slog.Logger
}

func (s snapshots) take(ctx context.Context) (*table.Snapshot, error) {
	return s.table.Snapshot(ctx, table.WaitFor{Timeout: s.wait, Report: func(b table.Blocker) {
		s.log.WarnContext(ctx, "waiting for a transaction", "transaction", b.String())
	}})
}

// copied is the table as reindex wants it.
type copied struct{ snapshots }

// Snapshot takes a snapshot to copy.
func (c copied) Snapshot(ctx context.Context) (reindex.Snapshot, error) {
	snapshot, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	return copiedSnapshot{snapshot}, nil
}

type copiedSnapshot struct{ *table.Snapshot }

// Parts splits the snapshot by ranges of its key.
func (s copiedSnapshot) Parts(ctx context.Context, rows int) ([]reindex.Part, error) {
	ranges, err := s.Split(ctx, rows)
	if err != nil {
		return nil, err
	}
	parts := make([]reindex.Part, len(ranges))
	for n, keys := range ranges {
		parts[n] = func(ctx context.Context, each func(change.Change) error) error { return s.Read(ctx, keys, each) }
	}
	return parts, nil
}

// compared is the table as verify wants it.
type compared struct{ snapshots }

// Snapshot takes a snapshot to compare with.
func (c compared) Snapshot(ctx context.Context) (verify.Snapshot, error) {
	snapshot, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	return comparedSnapshot{snapshot}, nil
}

type comparedSnapshot struct{ *table.Snapshot }

// Ranges splits the snapshot by its key.
func (s comparedSnapshot) Ranges(ctx context.Context, rows int) ([]verify.Range, error) {
	split, err := s.Split(ctx, rows)
	if err != nil {
		return nil, err
	}
	ranges := make([]verify.Range, len(split))
	for n, keys := range split {
		ranges[n] = verify.Range(keys)
	}
	return ranges, nil
}

// Read reads the rows of a range.
func (s comparedSnapshot) Read(ctx context.Context, keys verify.Range, each func(change.Change) error) error {
	return s.Snapshot.Read(ctx, table.Range(keys), each)
}

// topics is the log as reindex wants it.
type topics struct {
	log    *consumer.Log
	group  string
	logger *slog.Logger
}

// Starts returns where the topics begin.
func (t topics) Starts(ctx context.Context) (reindex.Offsets, error) {
	offsets, err := t.log.Starts(ctx)
	return reindex.Offsets(offsets), err
}

// Ends returns where the topics end.
func (t topics) Ends(ctx context.Context) (reindex.Offsets, error) {
	offsets, err := t.log.Ends(ctx)
	return reindex.Offsets(offsets), err
}

// Committed returns how far the running indexers have come.
func (t topics) Committed(ctx context.Context) (reindex.Offsets, error) {
	offsets, err := t.log.Committed(ctx, t.group)
	return reindex.Offsets(offsets), err
}

// Read hands over the changes between two positions.
func (t topics) Read(ctx context.Context, from, to reindex.Offsets, each func(context.Context, []change.Change) error) error {
	undecodable, err := t.log.Read(ctx, consumer.Offsets(from), consumer.Offsets(to), each)
	if undecodable > 0 {
		t.logger.WarnContext(ctx, "messages that cannot be decoded were passed over: the running indexers make dead letters of them", "messages", undecodable)
	}
	return err
}
