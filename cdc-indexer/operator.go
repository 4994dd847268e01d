package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/operations"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/trace"
	"ticketing/internal/kafkaconnect"
)

// operator is what operations works with: the commands, with the addresses that run has, and with their defaults for
// all that run has no flag for.
type operator struct {
	run      *runCommand
	pipeline pipeline.Pipeline
	client   *elastic.Client
	index    *elastic.Reader
	decoder  *debezium.Decoder
	letters  *deadletter.Reader
	tracing  *tracing
	status   *statusCommand
	sources  health.Sources
	connect  *kafkaconnect.Client // nil without an address
	logger   *slog.Logger
	closers  []func()
}

// newOperator returns an operator. self says how this process is.
func (c *runCommand) newOperator(p pipeline.Pipeline, client *elastic.Client, self func(context.Context) readyAnswer, logger *slog.Logger) (_ *operator, err error) {
	o := &operator{
		run: c, pipeline: p, client: client, index: elastic.NewReader(client, indexNames(p)), decoder: newDecoder(p),
		letters: deadletter.NewReader(c.KafkaBrokers, p.DeadLetterTopic, p.Name), logger: logger,
	}
	o.closers = append(o.closers, o.letters.Close)
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	o.tracing = newTracing(p, c.KafkaBrokers, o.index)
	o.closers = append(o.closers, o.tracing.close)
	o.status = &statusCommand{pipelineFlags: c.pipelineFlags, kafkaFlags: c.kafkaFlags, limitFlags: c.Watch.limitFlags, Elasticsearch: c.Elasticsearch}
	if err := withDefaults(o.status); err != nil {
		return nil, err
	}
	sources, closeSources, err := newSources(p, addresses{
		database: c.Watch.DatabaseURL, connect: c.Watch.ConnectURL, brokers: c.KafkaBrokers, index: client,
	}, true)
	if err != nil {
		return nil, err
	}
	o.closers = append(o.closers, closeSources)
	o.sources = sources
	o.sources.Indexer = func(ctx context.Context) (health.Indexer, error) { return self(ctx).indexer(), nil }
	if c.Watch.ConnectURL != "" {
		if o.connect, err = kafkaconnect.New(c.Watch.ConnectURL); err != nil {
			return nil, fmt.Errorf("--connect-url: %w", err)
		}
		o.closers = append(o.closers, o.connect.Close)
	}
	return o, nil
}

// close gives the connections back.
func (o *operator) close() {
	for _, undo := range slices.Backward(o.closers) {
		undo()
	}
}

// withDefaults gives a command's flags that have no value yet the one that they have when the command is called without
// them: that of the environment, or the default.
func withDefaults(command any) error {
	if err := kong.ApplyDefaults(command); err != nil {
		return fmt.Errorf("defaults of a command: %w", err)
	}
	return nil
}

// Status is what the command status finds.
func (o *operator) Status(ctx context.Context) (health.Report, error) {
	return o.status.ask(ctx, o.pipeline, o.sources)
}

// Freshness reads when the newest changes came.
func (o *operator) Freshness(ctx context.Context, last int) (operations.Freshness, error) {
	arrivals, err := o.index.Arrivals(ctx, last)
	if err != nil || len(arrivals) == 0 {
		return operations.Freshness{}, err
	}
	took := make([]time.Duration, len(arrivals))
	oldest, newest := arrivals[0].IndexedAt, arrivals[0].IndexedAt
	for n, a := range arrivals {
		took[n] = a.IndexedAt.Sub(a.CommittedAt)
		if a.IndexedAt.Before(oldest) {
			oldest = a.IndexedAt
		}
		if a.IndexedAt.After(newest) {
			newest = a.IndexedAt
		}
	}
	slices.Sort(took)
	share := func(percent int) float64 { return took[(len(took)*percent+99)/100-1].Seconds() } // the smallest that so many do not exceed
	return operations.Freshness{
		Samples: len(took), P50: share(50), P95: share(95), P99: share(99), Max: share(100), OldestAt: &oldest, NewestAt: &newest,
	}, nil
}

// Letters is what `dlq list` prints.
func (o *operator) Letters(ctx context.Context, filter operations.Filter, limit int) (operations.Letters, error) {
	letters := operations.Letters{Items: []operations.Letter{}}
	counts, err := o.letters.Each(ctx, o.selection(filter), func(e deadletter.Entry) error {
		if len(letters.Items) < limit {
			letters.Items = append(letters.Items, letterOf(e, o.decoder))
		}
		return nil
	})
	letters.Total = counts.Open
	return letters, err
}

func (o *operator) selection(filter operations.Filter) deadletter.Selection {
	return letterFlags{Reason: filter.Reason, Key: filter.Key}.selection(o.decoder)
}

// Letter is what `dlq show` prints.
func (o *operator) Letter(ctx context.Context, id string) (operations.LetterDetails, error) {
	var letter deadletter.ID
	if err := letter.UnmarshalText([]byte(id)); err != nil {
		return operations.LetterDetails{}, fmt.Errorf("%w: %w", operations.ErrNotFound, err)
	}
	entry, err := o.letters.One(ctx, letter)
	if err != nil {
		return operations.LetterDetails{}, noLetter(err)
	}
	return describe(ctx, entry, o.decoder, newWriter(o.client, o.pipeline)), nil
}

func noLetter(err error) error {
	if errors.Is(err, deadletter.ErrNoLetter) {
		return fmt.Errorf("%w: %w", operations.ErrNotFound, err)
	}
	return err
}

// Replay does what `dlq replay` does. It takes rows from the table when their letters do not have them, as the command does
// with --database-url.
func (o *operator) Replay(ctx context.Context, which operations.Selection) (operations.Replayed, error) {
	command := &dlqReplayCommand{
		dlqFlags:      dlqFlags{pipelineFlags: o.run.pipelineFlags, kafkaFlags: o.run.kafkaFlags},
		Elasticsearch: o.run.Elasticsearch, DatabaseURL: o.run.Watch.DatabaseURL,
	}
	if err := withDefaults(command); err != nil {
		return operations.Replayed{}, err
	}
	selections := []deadletter.Selection{o.selection(which.Filter)}
	if len(which.IDs) > 0 {
		selections = make([]deadletter.Selection, len(which.IDs))
	}
	for n, id := range which.IDs {
		selections[n].ID = &deadletter.ID{}
		if err := selections[n].ID.UnmarshalText([]byte(id)); err != nil {
			return operations.Replayed{}, fmt.Errorf("%w: %w", operations.ErrNotFound, err)
		}
	}
	report, letters := newResults(o.decoder), []operations.ReplayedLetter{}
	counts, err := command.replay(ctx, o.pipeline, o.decoder, o.letters, o.client, selections, func(result deadletter.Result) {
		if _, told := report.count(result); len(letters) < operations.MaxReplayed {
			letters = append(letters, told)
		}
	}, o.logger)
	return operations.Replayed{
		Letters: letters, Outcomes: report.outcomes, Open: report.open, Already: counts.Done,
	}, noLetter(err)
}

// RestartConnector asks Kafka Connect.
func (o *operator) RestartConnector(ctx context.Context, onlyFailed bool) error {
	name := o.pipeline.Source.Connector
	switch {
	case o.connect == nil:
		return &operations.SettingError{Setting: "--connect-url (CDC_INDEXER_CONNECT_URL)"}
	case name == "":
		return &operations.SettingError{Setting: "source.connector in the pipeline file"}
	}
	err := o.connect.Restart(ctx, name, onlyFailed)
	if errors.Is(err, kafkaconnect.ErrNotFound) {
		return fmt.Errorf("%w: %w", operations.ErrNotFound, err)
	}
	return err
}

// Trace follows a row.
func (o *operator) Trace(ctx context.Context, request trace.Request, each func(trace.Step) error) (trace.End, error) {
	return o.tracing.tracer.Follow(ctx, request, each)
}
