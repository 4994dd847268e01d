package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/reindex"
	"ticketing/cdc-indexer/table"
	"ticketing/internal/goruntime"
)

type reindexCommand struct {
	Build    reindexBuildCommand    `cmd:"" default:"withargs" help:"Build a new index from the table and swap it in (the default)."`
	Rollback reindexRollbackCommand `cmd:"" help:"Bring the index that was swapped out up to date and make it the live one again."`
}

// buildFlags are those of everything that builds an index.
type buildFlags struct {
	pipelineFlags
	kafkaFlags
	databaseFlags
	snapshotFlags
	Elasticsearch  elasticsearchFlags `embed:"" prefix:"elasticsearch-"`
	Definition     string             `help:"File with settings and mappings, instead of the pipeline file's." type:"existingfile"`
	Workers        int                `help:"Parts of the table copied at the same time, each with a database connection." default:"2"`
	BatchRows      int                `help:"Rows in one bulk request." default:"2000"`
	BatchBytes     int                `help:"Bytes of documents in one bulk request, unless a single one is larger." default:"4194304"`
	FetchBytes     int                `help:"How much to ask Kafka for in one fetch of one partition." default:"1048576"`
	Throttle       float64            `help:"Rows copied in a second at the most; 0 is as fast as it goes." default:"0"`
	MaxShrink      float64            `help:"Refuse the swap when the new index has fewer documents by more than this share; 1 accepts anything." default:"0.1"`
	AcceptRejected bool               `help:"Swap although the new index cannot hold some of the documents."`
	MaxWritePause  time.Duration      `help:"How long the running indexers may be held back at the swap; then they go on and the swap is tried again." default:"10s"`
	KeepOld        bool               `help:"Keep the old index, for a rollback (the default)." xor:"old"`
	DeleteOld      bool               `help:"Delete the old index a minute after the swap." xor:"old"`
	JSON           bool               `name:"json" help:"Print the result as JSON."`
}

// validate returns errors that name the flag.
func (f *buildFlags) validate() error {
	return errors.Join(
		f.kafkaFlags.validate(), f.Elasticsearch.validate(),
		mustBe(f.Workers >= 1 && f.Workers <= 32, "workers", "1 to 32"),
		mustBe(f.BatchRows >= 1 && f.BatchRows <= 50_000, "batch-rows", "1 to 50000"),
		mustBe(f.BatchBytes >= 1<<10 && f.BatchBytes <= 64<<20, "batch-bytes", "1 KiB to 64 MiB"),
		mustBe(f.FetchBytes >= 1<<10 && f.FetchBytes <= 64<<20, "fetch-bytes", "1 KiB to 64 MiB"),
		mustBe(f.Throttle >= 0, "throttle", "0 or above"),
		mustBe(f.MaxShrink >= 0 && f.MaxShrink <= 1, "max-shrink", "0 to 1"),
		mustBe(f.MaxWritePause >= time.Second && f.MaxWritePause <= time.Minute, "max-write-pause", "1s to 1m"),
		mustBe(f.WaitTransactions > 0, "wait-transactions", "above 0"),
	)
}

// workshop is all that a build works with.
type workshop struct {
	pipeline   pipeline.Pipeline
	definition elastic.Definition
	client     *elastic.Client
	builder    *elastic.Builder
	table      *table.Table
	reindexer  *reindex.Reindexer
	rows       int64 // of the table, about
	close      func()
}

func (f *buildFlags) open(ctx context.Context, logger *slog.Logger) (*workshop, error) {
	p, definition, err := f.load()
	if err != nil {
		return nil, err
	}
	if f.Definition != "" {
		if definition, err = loadDefinition(f.Definition); err != nil {
			return nil, err
		}
	}
	client, err := f.Elasticsearch.client()
	if err != nil {
		return nil, err
	}
	rows, err := f.databaseFlags.open(ctx, p, f.Workers)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("table %s: %w", p.Table, err)
	}
	log := consumer.NewLog(consumer.LogConfig{
		Brokers: f.KafkaBrokers, Topics: p.Topics, FetchBytes: f.FetchBytes, Concurrency: max(f.Workers, 6),
	}, newDecoder(p).DecodeIn)
	builder := elastic.NewBuilder(client, indexNames(p), elastic.NewMetrics(prometheus.NewRegistry()))
	w := &workshop{
		pipeline: p, definition: definition, client: client, builder: builder, table: rows,
		reindexer: &reindex.Reindexer{
			Table: copied{snapshots{rows, f.WaitTransactions, logger}},
			Log:   topics{log, p.ConsumerGroup, logger},
			Index: builder,
		},
		close: func() {
			log.Close()
			rows.Close()
			client.Close()
		},
	}
	if w.rows, err = rows.EstimateRows(ctx); err != nil {
		w.close()
		return nil, fmt.Errorf("table %s: %w", p.Table, err)
	}
	return w, nil
}

// checkSlot makes sure that what is deleted from now on will be told: a row that is copied and deleted before there is a
// slot would stay in the new index.
func (w *workshop) checkSlot(ctx context.Context) error {
	slot := w.pipeline.Source.Slot
	if slot == "" {
		return nil
	}
	if _, err := w.table.Confirmed(ctx, slot); err != nil {
		return fmt.Errorf("%w; register the connector first, then reindex", err)
	}
	return nil
}

func (f *buildFlags) options(w *workshop) reindex.Options {
	const heartbeat = 5 * time.Second
	return reindex.Options{
		Definition: w.definition, Workers: f.Workers, BatchRows: f.BatchRows, BatchBytes: f.BatchBytes, PartRows: partRows(w.rows, f.Workers),
		Throttle: f.Throttle, MaxShrink: f.MaxShrink, AcceptRejected: f.AcceptRejected, CutTimeout: f.MaxWritePause,
		DeleteOld: f.DeleteOld, Heartbeat: heartbeat,
	}
}

// partRows makes parts small enough that all workers are busy until the end.
func partRows(rows int64, workers int) int {
	const smallest, largest = 5_000, 200_000
	return int(min(max(rows/int64(workers*4), smallest), largest))
}

type reindexBuildCommand struct {
	buildFlags
	Index  string `help:"Name of the new index, PREFIX-NUMBER. Default: the next number."`
	DryRun bool   `help:"Say what would be done and how long it may take; build nothing."`
	Resume bool   `help:"Go on with a build that was interrupted." xor:"what"`
	Abort  bool   `help:"Remove a build that was interrupted. The live index stays as it is." xor:"what"`
	Force  bool   `help:"Resume or abort although the build's process still shows signs of life."`
}

// Validate is called by kong.
func (c *reindexBuildCommand) Validate() error {
	return errors.Join(c.validate(), mustBe(!c.Force || c.Resume || c.Abort, "force", "with --resume or --abort"))
}

// Run builds, resumes or aborts.
func (c *reindexBuildCommand) Run(ctx context.Context, logger *slog.Logger) error {
	// With Go's own 100 a build of 100,000 rows took 62 to 66 MiB at most, and with 50 56, at no more processor time.
	const gcPercent = 50
	goruntime.GarbagePercent(gcPercent)
	w, err := c.open(ctx, logger)
	if err != nil {
		return err
	}
	defer w.close()
	switch {
	case c.Abort:
		removed, err := c.abort(ctx, w)
		if err != nil {
			return err
		}
		return printResult(os.Stdout, c.JSON, removed, fmt.Sprintf("The build of %s is removed.\n", removed.Index))
	case c.DryRun:
		return c.plan(ctx, w)
	}
	show := newBuildProgress(os.Stderr, w.rows, logger)
	defer show.close()
	w.reindexer.Progress = show.progress
	result, err := c.build(ctx, w)
	show.close()
	if err != nil {
		return err
	}
	return printBuild(os.Stdout, c.JSON, result)
}

// build builds the index, or goes on with a build.
func (c *reindexBuildCommand) build(ctx context.Context, w *workshop) (reindex.Result, error) {
	if err := w.checkSlot(ctx); err != nil {
		return reindex.Result{}, err
	}
	options := c.options(w)
	options.IndexName = c.Index
	var result reindex.Result
	var err error
	if c.Resume {
		result, err = w.reindexer.Resume(ctx, options, c.Force)
	} else {
		result, err = w.reindexer.Run(ctx, options)
	}
	return result, explainBuild(err)
}

// abort removes a build that was interrupted.
func (c *reindexBuildCommand) abort(ctx context.Context, w *workshop) (aborted, error) {
	index, err := w.reindexer.Abort(ctx, c.Force)
	if err != nil {
		return aborted{}, fmt.Errorf("abort the build of %s: %w", index, err)
	}
	return aborted{index}, nil
}

// aborted says which build was removed.
type aborted struct {
	Index string `json:"aborted"`
}

// explainBuild adds what to do about an interruption.
func explainBuild(err error) error {
	if errors.Is(err, context.Canceled) && !errors.Is(err, elastic.ErrLost) {
		return fmt.Errorf("interrupted: the live index is untouched; `reindex --resume` goes on and `reindex --abort` cleans up: %w", err)
	}
	return err
}

type reindexRollbackCommand struct {
	buildFlags
	Index string `arg:"" optional:"" help:"The index to go back to. Default: the one that was swapped out last."`
}

// Validate is called by kong.
func (c *reindexRollbackCommand) Validate() error { return c.validate() }

// Run goes back.
func (c *reindexRollbackCommand) Run(ctx context.Context, logger *slog.Logger) error {
	w, err := c.open(ctx, logger)
	if err != nil {
		return err
	}
	defer w.close()
	show := newBuildProgress(os.Stderr, w.rows, logger)
	defer show.close()
	w.reindexer.Progress = show.progress
	result, err := c.rollBack(ctx, w)
	show.close()
	if err != nil {
		return err
	}
	return printBuild(os.Stdout, c.JSON, result)
}

func (c *reindexRollbackCommand) rollBack(ctx context.Context, w *workshop) (reindex.Result, error) {
	result, err := w.reindexer.Rollback(ctx, c.Index, c.options(w))
	return result, explainBuild(err)
}
