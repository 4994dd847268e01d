package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/operations"
	"ticketing/cdc-indexer/pipeline"
)

type dlqShowCommand struct {
	dlqFlags
	Elasticsearch elasticsearchFlags `embed:"" prefix:"elasticsearch-"`
	ID            deadletter.ID      `arg:"" help:"The letter's id, as list prints it: partition:offset."`
	Raw           bool               `help:"Print the value's bytes and nothing else."`
}

// Validate is called by kong; its error names the flag.
func (c *dlqShowCommand) Validate() error {
	if err := mustBe(!c.Raw || !c.JSON, "raw", "without --json"); err != nil {
		return err
	}
	if err := c.validate(); err != nil {
		return err
	}
	return c.Elasticsearch.validate()
}

// Run prints the letter.
func (c *dlqShowCommand) Run(ctx context.Context, _ *slog.Logger) error {
	p, decoder, reader, err := c.open()
	if err != nil {
		return err
	}
	defer reader.Close()
	bar := showReading(reader)
	defer bar.clear()
	entry, err := reader.One(ctx, c.ID)
	if err != nil {
		return err
	}
	bar.clear()
	if c.Raw {
		_, err := os.Stdout.Write(entry.Message.Value)
		return err //nolint:wrapcheck // names the file
	}
	client, err := c.Elasticsearch.client()
	if err != nil {
		return err
	}
	defer client.Close()
	letter := describe(ctx, entry, decoder, newWriter(client, p))
	if c.JSON {
		text, err := json.Marshal(letter)
		if err != nil {
			return fmt.Errorf("encode the letter: %w", err)
		}
		_, err = fmt.Printf("%s\n", text)
		return err //nolint:wrapcheck // names the file
	}
	_, err = os.Stdout.WriteString(letterText(letter, entry))
	return err //nolint:wrapcheck // names the file
}

// newWriter is for a command that runs once: nobody asks for its metrics.
func newWriter(client *elastic.Client, p pipeline.Pipeline) *elastic.Writer {
	return elastic.NewWriter(client, p.Index.WriteAlias, elastic.NewMetrics(prometheus.NewRegistry()))
}

// describe tells everything about a letter.
func describe(ctx context.Context, entry deadletter.Entry, decoder *debezium.Decoder, writer *elastic.Writer) operations.LetterDetails {
	d := operations.LetterDetails{Letter: letterOf(entry, decoder), Headers: map[string]string{}}
	for _, header := range entry.Message.Headers {
		d.Headers[header.Key] = string(header.Value)
	}
	if json.Valid(entry.Message.Value) {
		d.Value = entry.Message.Value
	} else {
		d.Base64 = entry.Message.Value
	}
	if decoded, err := decoder.Decode(entry.Message.Key, entry.Message.Value); err == nil {
		d.Order = (*operations.Order)(&decoded.Order)
	}
	d.Index = lookUp(ctx, entry, decoder, writer)
	return d
}

// lookUp asks the index. That it cannot be asked is said with the rest: the letter is worth seeing all the same.
func lookUp(ctx context.Context, entry deadletter.Entry, decoder *debezium.Decoder, writer *elastic.Writer) operations.Indexed {
	id, err := decoder.DocumentID(entry.Message.Key)
	if err != nil {
		return operations.Indexed{State: "unknown", Error: err.Error()}
	}
	document, err := writer.Document(ctx, id)
	switch {
	case err != nil:
		return operations.Indexed{State: "unknown", Error: err.Error()}
	case document == nil:
		return operations.Indexed{State: "nothing"}
	case document.Deleted:
		return operations.Indexed{State: "deleted", Order: (*operations.Order)(&document.Order), Document: document.Source}
	default:
		return operations.Indexed{State: "document", Order: (*operations.Order)(&document.Order), Document: document.Source}
	}
}

// letterText is a letter for people.
func letterText(d operations.LetterDetails, entry deadletter.Entry) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(&b, "%-10s %s\n", name, plain(fmt.Sprintf(format, args...)))
	}
	state := d.State
	if d.ResolvedAt != nil {
		state = fmt.Sprintf("done: %s at %s", d.Outcome, d.ResolvedAt.Format(time.RFC3339))
	}
	line("letter", "%s", d.ID)
	line("state", "%s", state)
	line("reason", "%s", d.Reason)
	line("detail", "%s", d.Detail)
	line("message", "%s/%d:%d, written at %s", d.Topic, d.Partition, d.Offset, d.Time.Format(time.RFC3339Nano))
	line("failed at", "%s", d.FailedAt.Format(time.RFC3339Nano))
	for name, value := range d.Headers {
		line("header", "%s: %s", name, value)
	}
	line("key", "%s", d.Key)
	if d.Order != nil {
		line("order", "%s", change.Order(*d.Order))
	}
	_, _ = fmt.Fprintf(&b, "\nvalue (%d bytes):\n%s\n", d.Bytes, pretty(entry.Message.Value))
	_, _ = fmt.Fprintf(&b, "\nindex: %s\n", plain(indexedText(d.Index, d.Order)))
	if d.Index.Document != nil {
		_, _ = fmt.Fprintf(&b, "%s\n", pretty(d.Index.Document))
	}
	return b.String()
}

func indexedText(i operations.Indexed, letter *operations.Order) string {
	if i.Order == nil {
		return map[string]string{"nothing": "nothing is there for this key", "unknown": "not known: " + i.Error}[i.State]
	}
	text := map[string]string{"document": "a document", "deleted": "the row is deleted"}[i.State] + ", order " + change.Order(*i.Order).String()
	if letter == nil {
		return text
	}
	if change.Order(*letter).NewerThan(change.Order(*i.Order)) {
		return text + ", older than the letter"
	}
	return text + ", as new as the letter or newer: replaying it changes nothing"
}

// pretty writes JSON for people, every digit as it is; text as text, and the rest as bytes.
func pretty(value []byte) string {
	var indented bytes.Buffer
	switch {
	case len(value) > 0 && json.Indent(&indented, value, "", "  ") == nil:
		return indented.String()
	case utf8.Valid(value) && plain(string(value)) == string(value):
		return string(value)
	default:
		return hex.Dump(value)
	}
}
