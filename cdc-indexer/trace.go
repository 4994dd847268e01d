package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/operations"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/trace"
)

// tracing is all that traces work with.
type tracing struct {
	tracer *trace.Tracer
	close  func()
}

func newTracing(p pipeline.Pipeline, brokers []string, index *elastic.Reader) *tracing {
	const fetchBytes = 64 << 10 // of each partition, as Kafka keeps them: compressed
	decoder := newDecoder(p)
	log := consumer.NewLog(consumer.LogConfig{Brokers: brokers, Topics: p.Topics, FetchBytes: fetchBytes}, decoder.DecodeIn)
	return &tracing{tracer: &trace.Tracer{Log: followed{log, decoder}, Index: index}, close: log.Close}
}

// followed is the log as trace wants it.
type followed struct {
	log     *consumer.Log
	decoder *debezium.Decoder
}

// Follow reads the partitions that a key's messages are in.
func (f followed) Follow(ctx context.Context, key string, since time.Time, each func(trace.Change) error, reached func()) error {
	from, err := f.log.Since(ctx, since)
	if err != nil {
		return err
	}
	keys := f.decoder.MessageKeys(key)
	return f.log.Follow(ctx, consumer.Following{
		From: from,
		Chosen: func(partition, partitions int) bool {
			return len(keys) == 0 || slices.ContainsFunc(keys, func(key []byte) bool { return consumer.PartitionOf(key, partitions) == partition })
		},
		Each: func(m kafka.Message) error {
			if id, err := f.decoder.DocumentID(m.Key); err != nil || id != key {
				return nil //nolint:nilerr // a message of another row
			}
			found := trace.Change{Kind: debezium.Kind(m.Value), Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, WrittenAt: m.Time}
			if found.Change, err = f.decoder.Decode(m.Key, m.Value); errors.Is(err, change.ErrNoChange) {
				return nil
			} else if err != nil {
				found.Unusable = err.Error()
			}
			found.Document = nil // it may be large, and the trace keeps the change
			return each(found)
		},
		Reached: reached,
	})
}

type traceCommand struct {
	pipelineFlags
	kafkaFlags
	Elasticsearch elasticsearchFlags `embed:"" prefix:"elasticsearch-"`
	Key           string             `arg:"" help:"The row's primary key: the _id of its document."`
	Since         moment             `help:"From when on to read messages: a duration such as 5m, or a time such as 2030-01-31T12:00:00Z." default:"1m"`
	Timeout       time.Duration      `help:"How long to follow the row." default:"30s"`
	JSON          bool               `name:"json" help:"Print JSON."`
}

// Validate is called by kong; its error names the flag.
func (c *traceCommand) Validate() error {
	return errors.Join(c.validate(), c.Elasticsearch.validate(), mustBe(c.Timeout > 0, "timeout", "above 0"))
}

// Run prints the steps as they happen. It returns errNo unless the row's changes become searchable.
func (c *traceCommand) Run(ctx context.Context, _ *slog.Logger) error {
	p, err := pipeline.Load(c.Pipeline)
	if err != nil {
		return err
	}
	client, err := c.Elasticsearch.client()
	if err != nil {
		return err
	}
	defer client.Close()
	tracing := newTracing(p, c.KafkaBrokers, elastic.NewReader(client, indexNames(p)))
	defer tracing.close()
	steps := newStepList(os.Stdout, c.JSON)
	end, err := tracing.tracer.Follow(ctx, trace.Request{Key: c.Key, Since: c.Since.Time, UntilSearchable: true, Limit: c.Timeout}, steps.add)
	if err != nil {
		return err
	}
	if err := steps.end(end); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if end.Reason != trace.EndSearchable {
		return errNo
	}
	return nil
}

// stepList prints steps while they happen.
type stepList struct {
	w     io.Writer
	json  *jsonList // nil for people
	begun bool
}

func newStepList(w io.Writer, asJSON bool) *stepList {
	l := &stepList{w: w}
	if asJSON {
		l.json = &jsonList{w: w, name: "steps"}
	}
	return l
}

func (l *stepList) add(s trace.Step) error {
	if l.json != nil {
		return l.json.add(s)
	}
	const line = "%-10s  %-2s  %-12s  %12s  %s\n"
	if !l.begun {
		l.begun = true
		_, _ = fmt.Fprintf(l.w, line, "STAGE", "OP", "AT (UTC)", "SINCE COMMIT", "WHERE") // the next line fails, too
	}
	_, err := fmt.Fprintf(l.w, line, s.Stage, printable(s.Op), s.At.Format("15:04:05.000"), sinceCommit(s), where(s))
	return err //nolint:wrapcheck // names the file
}

func sinceCommit(s trace.Step) string {
	if s.SinceCommit == nil {
		return "-"
	}
	return fmt.Sprintf("%+.3f s", *s.SinceCommit)
}

func where(s trace.Step) string {
	text := ""
	switch s.Stage {
	case trace.Postgres:
		text = fmt.Sprintf("lsn %s, version %s", s.LSN, s.Version)
	case trace.Kafka:
		text = fmt.Sprintf("%s/%d:%d", s.Topic, s.Partition, s.Offset)
	case trace.Indexer, trace.Searchable:
		text = s.Index
	}
	if s.Detail != "" {
		text += "  " + plain(s.Detail)
	}
	return text
}

func (l *stepList) end(end trace.End) error {
	if l.json != nil {
		return l.json.end(end)
	}
	text := map[trace.Reason]string{trace.EndSearchable: "All changes are searchable.", trace.EndTimeout: "The time is over"}[end.Reason]
	if end.Detail != "" {
		text += ": " + end.Detail + "."
	}
	_, err := fmt.Fprintf(l.w, "\n%s\n", text)
	return err //nolint:wrapcheck // names the file
}

var _ operations.Pipeline = (*operator)(nil)
