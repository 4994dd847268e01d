package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/operations"
	"ticketing/cdc-indexer/pipeline"
)

type dlqReplayCommand struct {
	dlqFlags
	letterFlags
	Elasticsearch elasticsearchFlags `embed:"" prefix:"elasticsearch-"`
	ID            *deadletter.ID     `name:"id" help:"Only this letter, as list prints it: partition:offset."`
	Edit          string             `help:"With --id: index what is in this file (- for standard input) instead of the letter's value: a whole envelope, or the row as in its \"after\". It counts as old as the letter: anything newer wins, and the row's next change overwrites it." type:"existingfile" placeholder:"FILE"`
	FromTable     bool               `help:"Index the rows as they are in the table now instead of what the letters say. A row that is gone becomes a deletion."`
	// It has no default as for other commands: rows of a database that happens to be there must not get into the index.
	DatabaseURL string        `help:"URL of the database that holds the table. When it is given, letters whose reason is unavailable-value are indexed from the table, too." env:"CDC_INDEXER_DATABASE_URL" placeholder:"URL"`
	DryRun      bool          `help:"Say what would happen, and write nothing."`
	Timeout     time.Duration `help:"How long to wait while Elasticsearch takes no writes." default:"60s"`
}

// Validate is called by kong; its error names the flag.
func (c *dlqReplayCommand) Validate() error {
	return errors.Join(
		c.validate(),
		c.Elasticsearch.validate(),
		oneOrSome(c.ID, c.letterFlags),
		mustBe(c.Edit == "" || c.ID != nil, "edit", "used with --id: it corrects one letter"),
		mustBe(c.Edit == "" || !c.FromTable, "edit", "used without --from-table"),
		mustBe(!c.FromTable || c.DatabaseURL != "", "from-table", "used with --database-url"),
		mustBe(c.Timeout > 0, "timeout", "above 0"),
	)
}

// Run replays the letters and prints what became of each.
func (c *dlqReplayCommand) Run(ctx context.Context, logger *slog.Logger) error {
	p, decoder, reader, err := c.open()
	if err != nil {
		return err
	}
	defer reader.Close()
	client, err := c.Elasticsearch.client()
	if err != nil {
		return err
	}
	defer client.Close()
	bar := showReading(reader)
	defer bar.clear()
	report := newResultList(os.Stdout, c.JSON, decoder, bar)
	selection := c.selection(decoder)
	selection.ID = c.ID
	counts, err := c.replay(ctx, p, decoder, reader, client, []deadletter.Selection{selection}, report.add, logger)
	if err != nil {
		return err
	}
	bar.clear()
	return report.end(counts, c.DryRun)
}

// replay replays the letters of the selections, one selection after the other.
func (c *dlqReplayCommand) replay(
	ctx context.Context, p pipeline.Pipeline, decoder *debezium.Decoder, reader *deadletter.Reader, client *elastic.Client,
	selections []deadletter.Selection, report func(deadletter.Result), logger *slog.Logger,
) (total deadletter.Counts, err error) {
	writer := newWriter(client, p)
	if err := writer.CheckWriteAlias(ctx); err != nil {
		return total, err
	}
	built, err := writer.IndexCreated(ctx)
	if err != nil {
		return total, err
	}
	decode, err := c.decode(p)
	if err != nil {
		return total, err
	}
	rows := &tableRows{open: func(ctx context.Context) (deadletter.Rows, func(), error) {
		return openRows(ctx, c.DatabaseURL, p, logger)
	}}
	defer rows.Close()
	for _, selection := range selections {
		counts, err := reader.Replay(ctx, selection, deadletter.Replay{
			Decode: decode, DocumentID: decoder.DocumentID, Index: writer,
			FromTable: c.fromTable, Rows: rows, Epoch: p.Epoch, IndexBuilt: built,
			DryRun: c.DryRun, Timeout: c.Timeout, Report: report,
		})
		if err != nil {
			return total, err
		}
		total.Open, total.Done, total.Foreign = total.Open+counts.Open, total.Done+counts.Done, total.Foreign+counts.Foreign
	}
	return total, nil
}

// decode returns the pipeline's decoder, or one that puts the edited value in the place of the letter's.
func (c *dlqReplayCommand) decode(p pipeline.Pipeline) (func(epoch uint8, key, value []byte) (change.Change, error), error) {
	inEpoch := func(epoch uint8) *debezium.Decoder {
		p.Epoch = epoch
		return newDecoder(p)
	}
	if c.Edit == "" {
		return func(epoch uint8, key, value []byte) (change.Change, error) { return inEpoch(epoch).Decode(key, value) }, nil
	}
	edited, err := readEdited(c.Edit)
	if err != nil {
		return nil, fmt.Errorf("--edit: %w", err)
	}
	return func(epoch uint8, key, value []byte) (change.Change, error) {
		return inEpoch(epoch).DecodeEdited(key, value, edited)
	}, nil
}

func readEdited(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(os.Stdin) //nolint:wrapcheck // the caller names the flag
	}
	return os.ReadFile(path) //nolint:wrapcheck,gosec // the user says which file, and the error names it
}

func (c *dlqReplayCommand) fromTable(e deadletter.Entry) bool {
	return c.FromTable || c.DatabaseURL != "" && c.Edit == "" && e.Rejection.Reason == debezium.ReasonUnavailable
}

// tableRows connects to the table when the first row is asked for: most replays need none.
type tableRows struct {
	open  func(ctx context.Context) (deadletter.Rows, func(), error)
	rows  deadletter.Rows
	close func()
}

// Fetch returns rows of one snapshot.
func (t *tableRows) Fetch(ctx context.Context, keys []string) ([]change.Change, error) {
	if t.rows == nil {
		rows, done, err := t.open(ctx)
		if err != nil {
			return nil, err
		}
		t.rows, t.close = rows, done
	}
	return t.rows.Fetch(ctx, keys)
}

// Close gives back what was opened.
func (t *tableRows) Close() {
	if t.close != nil {
		t.close()
	}
}

// openRows connects to the table and takes a snapshot of it. The function that it returns gives both back.
func openRows(ctx context.Context, url string, p pipeline.Pipeline, logger *slog.Logger) (deadletter.Rows, func(), error) {
	const connections, patience = 1, 10 * time.Minute
	rows, err := databaseFlags{DatabaseURL: url}.open(ctx, p, connections)
	if err != nil {
		return nil, nil, fmt.Errorf("table %s: %w", p.Table, err)
	}
	snapshot, err := snapshots{rows, patience, logger}.take(ctx)
	if err != nil {
		rows.Close()
		return nil, nil, fmt.Errorf("take a snapshot of table %s: %w", p.Table, err)
	}
	return snapshot, func() {
		_ = snapshot.Close(context.WithoutCancel(ctx)) // all has been read
		rows.Close()
	}, nil
}

type dlqDropCommand struct {
	dlqFlags
	letterFlags
	ID *deadletter.ID `name:"id" help:"Only this letter, as list prints it: partition:offset."`
}

// Validate is called by kong; its error names the flag.
func (c *dlqDropCommand) Validate() error {
	return errors.Join(
		c.validate(),
		oneOrSome(c.ID, c.letterFlags),
		mustBe(c.ID != nil || c.any(), "id", "given, or one of --reason, --key, --topic and --since: not all letters are dropped at once"),
	)
}

// Run marks the letters as done.
func (c *dlqDropCommand) Run(ctx context.Context, _ *slog.Logger) error {
	_, decoder, reader, err := c.open()
	if err != nil {
		return err
	}
	defer reader.Close()
	bar := showReading(reader)
	defer bar.clear()
	report := newResultList(os.Stdout, c.JSON, decoder, bar)
	selection := c.selection(decoder)
	selection.ID = c.ID
	counts, err := reader.Drop(ctx, selection, report.add)
	if err != nil {
		return err
	}
	bar.clear()
	return report.end(counts, false)
}

// resultList prints what became of letters.
type resultList struct {
	results
	w    io.Writer
	json *jsonList // nil for people
	bar  *readingBar
}

func newResultList(w io.Writer, asJSON bool, decoder *debezium.Decoder, bar *readingBar) *resultList {
	l := &resultList{results: newResults(decoder), w: w, bar: bar}
	if asJSON {
		l.json = &jsonList{w: w, name: "letters"}
	}
	return l
}

// results counts what became of letters.
type results struct {
	decoder  *debezium.Decoder
	outcomes map[string]int
	open     int
}

func newResults(decoder *debezium.Decoder) results {
	return results{decoder: decoder, outcomes: map[string]int{}}
}

// count counts one and says how it is told.
func (r *results) count(result deadletter.Result) (operations.Letter, operations.ReplayedLetter) {
	r.outcomes[string(result.Outcome)]++
	if !result.Outcome.Done() {
		r.open++
	}
	letter := letterOf(result.Entry, r.decoder)
	told := operations.ReplayedLetter{
		ID: letter.ID, Outcome: string(result.Outcome), FromTable: result.FromTable, Key: letter.Key, Document: letter.Document,
	}
	if result.Rejection != nil {
		told.Reason, told.Detail = result.Rejection.Reason, result.Rejection.Detail
	}
	return letter, told
}

// add prints one. That it cannot be printed is no reason to stop: what was done is in the topic.
func (l *resultList) add(result deadletter.Result) {
	letter, told := l.count(result)
	if l.json != nil {
		_ = l.json.add(told)
		return
	}
	l.bar.clear()
	_, _ = fmt.Fprintf(l.w, "%-8s %-11s %s%s\n", told.ID, told.Outcome, rowName(letter), remark(told))
}

func remark(l operations.ReplayedLetter) string {
	switch {
	case l.Reason != "":
		return "  " + plain(strings.TrimPrefix(l.Reason+": ", l.Outcome+": ")+l.Detail)
	case l.FromTable:
		return "  from the table"
	case l.Outcome == string(deadletter.Stale):
		return "  the index has something as new or newer"
	default:
		return ""
	}
}

// end prints the counts. It returns errNo when letters stay open.
func (l *resultList) end(counts deadletter.Counts, dryRun bool) error {
	var err error
	if l.json != nil {
		err = l.json.end(struct {
			DryRun   bool           `json:"dry_run"`
			Outcomes map[string]int `json:"outcomes"`
			Open     int            `json:"open"`         // of those chosen, what stays so
			Already  int            `json:"done_already"` // were chosen, and done before
		}{dryRun, l.outcomes, l.open, counts.Done})
	} else {
		_, err = fmt.Fprintln(l.w, l.summary(counts, dryRun))
	}
	if err == nil && l.open > 0 {
		return errNo
	}
	return err //nolint:wrapcheck // names the file
}

func (l *resultList) summary(counts deadletter.Counts, dryRun bool) string {
	text := "no open letter"
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(l.outcomes)) {
		parts = append(parts, fmt.Sprintf("%d %s", l.outcomes[outcome], outcome))
	}
	if len(parts) > 0 {
		text = strings.Join(parts, ", ")
	}
	if l.open > 0 {
		text += fmt.Sprintf("; still open: %d", l.open)
	}
	if counts.Done > 0 {
		text += fmt.Sprintf("; done before: %d", counts.Done)
	}
	if dryRun {
		text += "; nothing was written (that a document is rejected shows only when it is)"
	}
	return text
}
