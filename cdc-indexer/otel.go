package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/spans"
	"ticketing/internal/otlp"
)

// traces makes spans of what the consumer has handled. They are a help for people: whatever goes wrong with them is
// logged, and nothing waits for it.
type traces struct {
	provider *otlp.Provider
	joiner   *spans.Joiner
	brokers  []string
	topic    string // of the messages that carry the traces
	logger   *slog.Logger
}

const (
	// traceBack is how old a trace may be when the indexer starts: the changes that it begins with may have waited.
	traceBack = 10 * time.Minute
	// traceRetry is the pause before the topic is looked for again.
	traceRetry = 5 * time.Second
	// traceFetchBytes is asked for in one fetch: a message is of about 700 bytes.
	traceFetchBytes = 64 << 10
)

// newTraces returns nil when there is no collector to send traces to, or nowhere to read them from.
func newTraces(ctx context.Context, p pipeline.Pipeline, brokers []string, logger *slog.Logger) (*traces, error) {
	provider, err := otlp.Start(ctx, "cdc-indexer", logger)
	if err != nil || provider.Tracers() == nil {
		return nil, err
	}
	if p.Source.Messages == "" {
		provider.Stop(ctx)
		logger.WarnContext(ctx, "no traces: the pipeline file does not name the topic that they come in (source.messages)")
		return nil, nil
	}
	return &traces{
		provider: provider, joiner: spans.NewJoiner(provider.Tracers(), p.Index.WriteAlias),
		brokers: brokers, topic: p.Source.Messages, logger: logger,
	}, nil
}

// join has the consumer tell of what it handles, and returns what is to run beside it. Without traces it does nothing.
func (t *traces) join(config *consumer.Config) []func(context.Context) {
	if t == nil {
		return nil
	}
	config.Handled = t.handled
	return []func(context.Context){t.run}
}

// handled hands changes to the joiner.
func (t *traces) handled(ctx context.Context, changes []consumer.Handled) {
	converted := make([]spans.Change, len(changes))
	for n, c := range changes {
		converted[n] = spans.Change(c)
	}
	t.joiner.Done(ctx, converted)
}

// run reads the traces until ctx ends, and sends the last spans then.
func (t *traces) run(ctx context.Context) {
	defer t.provider.Stop(ctx)
	log := consumer.NewLog(consumer.LogConfig{Brokers: t.brokers, Topics: []string{t.topic}, FetchBytes: traceFetchBytes}, nil)
	defer log.Close()
	retry := time.NewTicker(traceRetry)
	defer retry.Stop()
	since, said := time.Now().Add(-traceBack), ""
	for {
		err := t.follow(ctx, log, since)
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			t.logger.WarnContext(ctx, "traces cannot be read; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
	}
}

func (t *traces) follow(ctx context.Context, log *consumer.Log, since time.Time) error {
	from, err := log.Since(ctx, since)
	if err != nil {
		return err
	}
	return log.Follow(ctx, consumer.Following{
		From: from, Reached: func() {},
		Each: func(m kafka.Message) error {
			if transaction, parent, ok := spans.Decode(ctx, m.Value); ok {
				t.joiner.Trace(ctx, transaction, parent)
			}
			return nil
		},
	})
}
