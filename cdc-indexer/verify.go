package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/table"
	"ticketing/cdc-indexer/verify"
)

type verifyCommand struct {
	pipelineFlags
	kafkaFlags
	databaseFlags
	snapshotFlags
	Elasticsearch elasticsearchFlags `embed:"" prefix:"elasticsearch-"`
	Repair        bool               `help:"Mend what differs. Only that is written, and whatever is newer stays."`
	Workers       int                `help:"Ranges compared at the same time, each with a database connection." default:"2"`
	RangeRows     int                `help:"Rows in a range, about: memory grows with it." default:"20000"`
	Sample        float64            `help:"Compare this share of the ranges, drawn at random." default:"1"`
	From          string             `help:"Compare the keys from this one on."`
	To            string             `help:"Compare the keys below this one."`
	Full          bool               `help:"Read every document, also those whose checksums an earlier comparison has proven."`
	Samples       int                `help:"Differences of each kind to tell in full." default:"10"`
	WaitPipeline  time.Duration      `help:"When something differs: how long to wait until the pipeline has brought every change up to the table's snapshot. 0: do not wait." default:"1m"`
	Interval      time.Duration      `help:"Compare again and again with this pause, and serve the results as metrics, until stopped." placeholder:"DURATION"`
	Listen        string             `help:"Address of /healthz and /metrics with --interval." default:":8084" env:"CDC_INDEXER_VERIFY_LISTEN"`
	JSON          bool               `name:"json" help:"Print the report as JSON."`
}

// Validate is called by kong; its error names the flag.
func (c *verifyCommand) Validate() error {
	return errors.Join(
		c.validate(), c.Elasticsearch.validate(),
		mustBe(c.Workers >= 1 && c.Workers <= 32, "workers", "1 to 32"),
		mustBe(c.RangeRows >= 100 && c.RangeRows <= 1_000_000, "range-rows", "100 to 1000000"),
		mustBe(c.Sample > 0 && c.Sample <= 1, "sample", "above 0 and not above 1"),
		mustBe(c.Samples >= 0 && c.Samples <= 10_000, "samples", "0 to 10000"),
		mustBe(c.WaitPipeline >= 0, "wait-pipeline", "0 or above"),
		mustBe(c.WaitTransactions > 0, "wait-transactions", "above 0"),
		mustBe(c.Interval >= 0, "interval", "above 0"),
	)
}

// Run compares once, or again and again.
func (c *verifyCommand) Run(ctx context.Context, logger *slog.Logger) error {
	i, err := c.open(ctx, logger)
	if err != nil {
		return err
	}
	defer i.close()
	if c.Interval > 0 {
		return i.keepVerifying(ctx)
	}
	report, err := i.verify(ctx)
	if err != nil {
		return err
	}
	if err := printReport(os.Stdout, c.JSON, i.pipeline, report); err != nil {
		return err
	}
	if report.Differences() > report.Repaired {
		return errNo
	}
	return nil
}

// inspection is all that a comparison works with.
type inspection struct {
	*verifyCommand
	pipeline pipeline.Pipeline
	table    *table.Table
	builder  *elastic.Builder
	verifier *verify.Verifier
	logger   *slog.Logger
	close    func()
}

func (c *verifyCommand) open(ctx context.Context, logger *slog.Logger) (*inspection, error) {
	p, _, err := c.load()
	if err != nil {
		return nil, err
	}
	client, err := c.Elasticsearch.client()
	if err != nil {
		return nil, err
	}
	rows, err := c.databaseFlags.open(ctx, p, c.Workers+1)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("table %s: %w", p.Table, err)
	}
	log := consumer.NewLog(consumer.LogConfig{Brokers: c.KafkaBrokers, Topics: p.Topics}, newDecoder(p).DecodeIn)
	metrics := elastic.NewMetrics(prometheus.NewRegistry())
	i := &inspection{
		verifyCommand: c, pipeline: p, table: rows, logger: logger, builder: elastic.NewBuilder(client, indexNames(p), metrics),
		verifier: &verify.Verifier{
			Table: compared{snapshots{rows, c.WaitTransactions, logger}}, Index: elastic.NewReader(client, indexNames(p)), Keys: p.Key, Same: rows.Same,
		},
		close: func() {
			log.Close()
			rows.Close()
			client.Close()
		},
	}
	if c.Repair {
		i.verifier.Repairer = elastic.NewRepairer(client, p.Index.WriteAlias, metrics)
	}
	if c.WaitPipeline > 0 {
		wait := &pipelineWait{table: rows, slot: p.Source.Slot, topics: topics{log, p.ConsumerGroup, logger}, limit: c.WaitPipeline, index: i.verifier.Index}
		i.verifier.Await = wait.until
	}
	return i, nil
}

// verify compares once and keeps the outcome in the index, for status.
func (i *inspection) verify(ctx context.Context) (verify.Report, error) {
	last, err := readLastVerify(ctx, i.builder)
	if err != nil {
		return verify.Report{}, err
	}
	options := verify.Options{RangeRows: i.RangeRows, Workers: i.Workers, Share: i.Sample, Samples: i.Samples, Only: i.only()}
	if !i.Full {
		options.Proven = last.Proven
	}
	report, err := i.verifier.Run(ctx, options)
	if err != nil {
		return report, err
	}
	if err := i.remember(ctx, report, last); err != nil {
		i.logger.WarnContext(ctx, "the outcome could not be kept for `cdc-indexer status`", "error", err)
	}
	return report, nil
}

func (i *inspection) only() verify.Range {
	var only verify.Range
	if i.From != "" {
		only.From = strings.Split(i.From, ",")
	}
	if i.To != "" {
		only.To = strings.Split(i.To, ",")
	}
	return only
}

// noteVerify names what is kept of the last comparison in the index.
const noteVerify = "verify"

// lastVerify is what is kept of a comparison.
type lastVerify struct {
	At          time.Time `json:"at"`
	Rows        int64     `json:"rows"`
	Differences int64     `json:"differences"`
	Repaired    int64     `json:"repaired"`
	// Proven is up to where every document was seen to carry its own checksum.
	Proven elastic.Watermark `json:"proven,omitzero"`
}

// readLastVerify returns what is kept of the last comparison in the live index, nothing if there was none.
func readLastVerify(ctx context.Context, builder *elastic.Builder) (last lastVerify, err error) {
	live, err := builder.Live(ctx)
	if err == nil {
		_, err = builder.Note(ctx, live, noteVerify, &last)
	}
	return last, err
}

// remember keeps the outcome in the live index, unless one is being built beside it: a build writes notes there, too, and
// one of the two might get lost. The new index has not been compared anyway.
func (i *inspection) remember(ctx context.Context, r verify.Report, last lastVerify) error {
	if _, err := i.builder.Find(ctx); !errors.Is(err, elastic.ErrNoBuild) {
		return err
	}
	live, err := i.builder.Live(ctx)
	if err != nil {
		return err
	}
	now := lastVerify{At: r.At, Rows: r.Rows, Differences: r.Differences(), Repaired: r.Repaired, Proven: r.Proven}
	if !r.Complete && r.Unproven == 0 {
		now.Proven = last.Proven // a part of the index says nothing of the rest
	}
	return i.builder.SetNote(ctx, live, noteVerify, now)
}

func printReport(out io.Writer, asJSON bool, p pipeline.Pipeline, r verify.Report) error {
	var text strings.Builder
	fmt.Fprintf(&text, "Table %s as of position %d: %s rows; alias %s: %s documents; compared in %s.\n",
		p.Table, r.Position, thousands(r.Rows), p.Index.WriteAlias, thousands(r.Documents), r.Duration.Round(time.Millisecond))
	fmt.Fprintf(&text, "Read %s documents; %s were known by their checksums.\n", thousands(r.Documents-r.Summed), thousands(r.Summed))
	if r.Unproven > 0 {
		fmt.Fprintf(&text, "%s documents carry no checksum of their own, so the next comparison reads all documents again; --repair mends those that differ, and `reindex` gives all of them one.\n", thousands(r.Unproven))
	}
	for _, s := range r.Samples {
		fmt.Fprintf(&text, "  %-9s %s", s.Kind, s.Key)
		if s.Field != "" {
			fmt.Fprintf(&text, "  %s is %s in the table and %s in the index", s.Field, orNothing(s.Table), orNothing(s.Index))
		}
		text.WriteString("\n")
	}
	if r.Behind != "" {
		fmt.Fprintf(&text, "Some of the differences may be changes under way: %s.\n", r.Behind)
	}
	if r.Ahead > 0 {
		fmt.Fprintf(&text, "%s documents are newer than the database itself, which was restored or failed over: raise `epoch` in the pipeline file, restart the indexers, and run `reindex`.\n", thousands(r.Ahead))
	}
	for _, reason := range r.Reasons {
		fmt.Fprintf(&text, "  not mended: %s\n", reason)
	}
	if r.Differences() == 0 {
		text.WriteString("EQUAL\n")
	} else {
		fmt.Fprintf(&text, "DIFFERENT: %d missing, %d stale, %d differing, %d orphaned, %d ahead.\n", r.Missing, r.Stale, r.Differing, r.Orphaned, r.Ahead)
	}
	if r.Repaired > 0 {
		fmt.Fprintf(&text, "REPAIRED: %d of %d.\n", r.Repaired, r.Differences())
	}
	return printResult(out, asJSON, r, text.String())
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

// pipelineWait waits until every change up to a position has come through.
type pipelineWait struct {
	table  *table.Table
	slot   string
	topics topics
	limit  time.Duration
	index  verify.Index
}

// until returns when the connector has confirmed the position and the indexers have done what was in the topics then.
func (w *pipelineWait) until(ctx context.Context, order change.Order) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.limit, fmt.Errorf("not within %s", w.limit))
	defer cancel()
	if w.slot == "" {
		return errors.New("the pipeline file does not name the slot (source.slot), so nobody can tell how far the connector is")
	}
	if err := w.poll(ctx, "the connector", func() (bool, error) {
		confirmed, err := w.table.Confirmed(ctx, w.slot)
		return confirmed >= order.LSN, err
	}); err != nil {
		return err
	}
	ends, err := w.topics.Ends(ctx)
	if err != nil {
		return err
	}
	if err := w.poll(ctx, "the indexers", func() (bool, error) {
		committed, err := w.topics.Committed(ctx)
		return committed.Reached(ends), err
	}); err != nil {
		return err
	}
	return w.index.Refresh(ctx)
}

// poll asks until the answer is yes.
func (w *pipelineWait) poll(ctx context.Context, who string, ask func() (bool, error)) error {
	const every = 200 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		done, err := ask()
		switch {
		case done && err == nil:
			return nil
		case errors.Is(err, table.ErrNoSlot): // nothing comes through it, however long one waits
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not come to the snapshot's position: %w", who, errors.Join(context.Cause(ctx), err))
		case <-tick.C:
		}
	}
}
