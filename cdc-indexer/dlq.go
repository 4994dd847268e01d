package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/pipeline"
)

// dlqCommand groups what can be done about messages that could not be indexed.
type dlqCommand struct {
	List   dlqListCommand   `cmd:"" help:"List the dead letters that are open."`
	Show   dlqShowCommand   `cmd:"" help:"Show all that is known of one dead letter."`
	Replay dlqReplayCommand `cmd:"" help:"Try again to index dead letters: all that are open, or those that the flags choose. An older letter never overwrites a newer state."`
	Drop   dlqDropCommand   `cmd:"" help:"Mark dead letters as done without indexing them, for messages that never were rows."`
}

// dlqFlags are those of all these commands.
type dlqFlags struct {
	pipelineFlags
	kafkaFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// open reads the pipeline file and returns what else every command needs.
func (f dlqFlags) open() (pipeline.Pipeline, *debezium.Decoder, *deadletter.Reader, error) {
	p, err := pipeline.Load(f.Pipeline)
	if err != nil {
		return pipeline.Pipeline{}, nil, nil, err
	}
	return p, newDecoder(p), deadletter.NewReader(f.KafkaBrokers, p.DeadLetterTopic, p.Name), nil
}

// letterFlags choose letters.
type letterFlags struct {
	Reason string `help:"Only those with this reason."`
	Key    string `help:"Only those of this row: the _id of its document, or the message's key as it is."`
	Topic  string `help:"Only messages of this topic."`
	Since  moment `help:"Only those since then: a duration such as 24h, or a time such as 2030-01-31T12:00:00Z."`
}

func (f letterFlags) any() bool { return f != letterFlags{} }

func (f letterFlags) selection(decoder *debezium.Decoder) deadletter.Selection {
	selection := deadletter.Selection{Reason: f.Reason, Topic: f.Topic, Since: f.Since.Time}
	if f.Key != "" {
		selection.Key = func(key []byte) bool {
			if string(key) == f.Key {
				return true
			}
			id, err := decoder.DocumentID(key)
			return err == nil && id == f.Key
		}
	}
	return selection
}

// moment is a time, or how long ago it was.
type moment struct{ time.Time }

// UnmarshalText reads either.
func (m *moment) UnmarshalText(text []byte) error {
	if ago, err := time.ParseDuration(string(text)); err == nil {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a duration such as 24h nor a time such as 2030-01-31T12:00:00Z", text)
	}
	m.Time = at
	return nil
}

// oneOrSome refuses an id together with what chooses several.
func oneOrSome(id *deadletter.ID, f letterFlags) error {
	if id != nil && f.any() {
		return errors.New("--id names one letter: leave out --reason, --key, --topic and --since")
	}
	return nil
}

type dlqListCommand struct {
	dlqFlags
	letterFlags
	All   bool `help:"Also those that are done."`
	Limit int  `help:"Print so many at most, the oldest of each partition first; 0 for all."`
}

// Validate is called by kong; its error names the flag.
func (c *dlqListCommand) Validate() error {
	return errors.Join(c.validate(), mustBe(c.Limit >= 0, "limit", "0 or above"))
}

// Run prints the letters.
func (c *dlqListCommand) Run(ctx context.Context, _ *slog.Logger) error {
	_, decoder, reader, err := c.open()
	if err != nil {
		return err
	}
	defer reader.Close()
	selection := c.selection(decoder)
	selection.Done = c.All
	bar := showReading(reader)
	defer bar.clear()
	list := newLetterList(os.Stdout, c.JSON, decoder, bar)
	counts, err := reader.Each(ctx, selection, func(e deadletter.Entry) error {
		if c.Limit > 0 && list.count == c.Limit {
			return nil
		}
		return list.add(e)
	})
	if err != nil {
		return err
	}
	bar.clear()
	return list.end(counts)
}

// readingBar shows on a terminal how much of the topic has been read.
type readingBar struct{ bar *progressbar.ProgressBar }

func showReading(reader *deadletter.Reader) *readingBar {
	b := &readingBar{}
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return b
	}
	reader.Progress = func(read, total int64) {
		if b.bar == nil {
			b.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("reading letters"),
				progressbar.OptionSetWidth(20), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
		_ = b.bar.Set64(read) // what cannot be shown is no reason to stop
	}
	return b
}

// clear makes room for a line of output.
func (b *readingBar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}
