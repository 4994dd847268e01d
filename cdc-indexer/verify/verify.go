// Package verify says whether an index holds exactly what its table holds, while both are being written, and mends it
// where it does not.
//
// The table is read as it is at one position of the write-ahead log. A document with a newer order is left alone: it has
// moved on. Any other must be what the row was at that position, once everything up to there has come through the
// pipeline. Range by range, both sides are reduced to a checksum for each key; only keys whose checksums differ are looked
// at again, one by one, and only if there are any does it matter how far the pipeline has come.
//
// Documents are read once. One whose stored checksum was found to be its own, and that was not written since, is known by
// that checksum the next time: Elasticsearch adds those of a range up, and a range whose sum is that of its rows is equal.
package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// Range is a half-open range of keys: see elastic.KeyRange.
type Range struct{ From, To []string }

// Snapshot is the table as it was at the position of its order.
type Snapshot interface {
	Order() change.Order
	// Ranges splits the keys into ranges of about that many rows. Together they cover every key there could be.
	Ranges(ctx context.Context, rows int) ([]Range, error)
	// Read hands over the rows of a range as upserts. Their documents are only lent.
	Read(ctx context.Context, r Range, each func(change.Change) error) error
	// Fetch returns for each key the upsert of its row, or a delete where there is no such row, of the snapshot's order.
	Fetch(ctx context.Context, keys []string) ([]change.Change, error)
	// Now returns the order of a change made at this moment.
	Now(ctx context.Context) (change.Order, error)
	Close(ctx context.Context) error
}

// Table takes snapshots.
type Table interface {
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Index is the live index: elastic.Reader.
type Index interface {
	Refresh(ctx context.Context) error
	Written(ctx context.Context) (elastic.Watermark, error)
	Sums(ctx context.Context, keys elastic.KeyRange, upTo elastic.Watermark) (sums elastic.Sums, later int64, err error)
	Documents(ctx context.Context, keys elastic.KeyRange, writes elastic.Writes, each func([]elastic.Document) error) error
	Get(ctx context.Context, ids []string) ([]*elastic.Document, error)
}

// Repairer writes changes of the snapshot's order: elastic.NewRepairer.
type Repairer interface {
	Apply(ctx context.Context, changes []change.Change) ([]change.Result, error)
}

// Verifier compares one table with one index.
type Verifier struct {
	Table Table
	Index Index
	Keys  []string // columns of the key, fields of the index
	// Same says whether two documents that are not equal byte for byte tell the same of a row; nil: they do not.
	Same func(a, b []byte) bool
	// Repairer mends what differs; nil: nothing is written.
	Repairer Repairer
	// Await returns when every change up to the order has come through the pipeline, and an error when that takes too
	// long or cannot be told.
	Await func(ctx context.Context, order change.Order) error
	// Progress is told how many rows have been compared. It may be called from several goroutines.
	Progress func(rows int64)
}

// Options of a comparison.
type Options struct {
	RangeRows int // rows in a range, about; both sides of a range are held in memory as checksums
	Workers   int // ranges compared at the same time
	// Share of the ranges to compare, drawn at random; 1 is all.
	Share float64
	Only  Range // compare only these keys; the zero Range is all
	// Proven is up to where the stored checksums are known to be their documents', from the report of a former comparison.
	// The zero value, or one of another index, has every document read.
	Proven elastic.Watermark
	// Samples is how many differences of each kind the report tells in full.
	Samples int
}

// errSwapped says that another index has become the live one.
var errSwapped = errors.New("another index was swapped in during the comparison")

// Run compares, and repairs if there is a Repairer.
func (v *Verifier) Run(ctx context.Context, options Options) (Report, error) {
	report, err := v.once(ctx, options)
	if errors.Is(err, errSwapped) { // what was proven is of the former one
		options.Proven = elastic.Watermark{}
		report, err = v.once(ctx, options)
	}
	return report, err
}

func (v *Verifier) once(ctx context.Context, options Options) (Report, error) {
	began := time.Now()
	snapshot, err := v.Table.Snapshot(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("take a snapshot of the table: %w", err)
	}
	defer func() { _ = snapshot.Close(context.WithoutCancel(ctx)) }() // all has been read, or the error is known
	written, err := v.Index.Written(ctx)                              // before the refresh: all of that can be searched then
	if err != nil {
		return Report{}, err
	}
	if !options.Proven.Of(written) {
		options.Proven = elastic.Watermark{}
	}
	if err := v.Index.Refresh(ctx); err != nil {
		return Report{}, err
	}
	ranges, err := v.ranges(ctx, snapshot, options)
	if err != nil {
		return Report{}, err
	}
	r := &run{Verifier: v, options: options, snapshot: snapshot}
	r.report.Position, r.report.At = snapshot.Order().LSN, began.UTC()
	workers, working := errgroup.WithContext(ctx)
	workers.SetLimit(max(options.Workers, 1))
	for _, keys := range ranges {
		workers.Go(func() error { return r.compare(working, keys) })
	}
	err = workers.Wait()
	if r.report.Repaired > 0 {
		err = errors.Join(err, v.Index.Refresh(ctx))
	}
	err = errors.Join(err, r.prove(ctx, written))
	r.report.Duration = time.Since(began)
	return r.report, err
}

// prove notes up to where all documents carry their own checksum, if all of them were looked at. What was written and
// read behind that is not counted on.
func (r *run) prove(ctx context.Context, written elastic.Watermark) error {
	now, err := r.Index.Written(ctx)
	switch {
	case err != nil:
		return err
	case now.Of(written):
		r.report.Complete = r.options.all()
		if r.report.Complete && r.report.Unproven == 0 {
			r.report.Proven = written
		}
	case r.options.Proven != elastic.Watermark{}:
		return errSwapped
	}
	return nil
}

// all says whether every key is compared.
func (o Options) all() bool {
	return len(o.Only.From) == 0 && len(o.Only.To) == 0 && (o.Share <= 0 || o.Share >= 1)
}

// ranges returns those that are to be compared.
func (v *Verifier) ranges(ctx context.Context, snapshot Snapshot, options Options) ([]Range, error) {
	if len(options.Only.From) > 0 || len(options.Only.To) > 0 {
		return []Range{options.Only}, nil
	}
	all, err := snapshot.Ranges(ctx, options.RangeRows)
	if err != nil {
		return nil, fmt.Errorf("split the table into ranges: %w", err)
	}
	if options.all() {
		return all, nil
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // a sample, no secret
	return all[:max(1, int(float64(len(all))*options.Share))], nil
}

// run is one comparison.
type run struct {
	*Verifier
	options  Options
	snapshot Snapshot

	awaiting sync.Once
	mu       sync.Mutex
	report   Report
}

// compare compares the checksums of a range and looks at the keys again whose checksums differ.
func (r *run) compare(ctx context.Context, keys Range) error {
	rows := map[string]uint64{}
	err := r.snapshot.Read(ctx, keys, func(row change.Change) error {
		rows[row.Key] = elastic.Checksum(row.Document)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the rows of %s: %w", keys, err)
	}
	read := int64(len(rows))
	documents, err := r.compareDocuments(ctx, keys, rows)
	if err != nil {
		return fmt.Errorf("read the documents of %s: %w", keys, err)
	}
	if err := r.confirm(ctx, slices.Collect(maps.Keys(rows)), false); err != nil {
		return err
	}
	r.count(read, documents)
	return nil
}

// compareDocuments takes the rows off the list that have a document equal to them, and returns how many documents there
// are. Those whose checksums are proven are read only if their sum is not that of the rows that are left.
func (r *run) compareDocuments(ctx context.Context, keys Range, rows map[string]uint64) (documents int64, err error) {
	within := elastic.KeyRange{Columns: r.Keys, From: keys.From, To: keys.To}
	read := func(writes elastic.Writes) error {
		return r.Index.Documents(ctx, within, writes, func(page []elastic.Document) error {
			documents += int64(len(page))
			return r.strike(ctx, rows, page)
		})
	}
	if r.options.Proven == (elastic.Watermark{}) {
		err := read(elastic.Writes{}) // which counts documents: not within the return, whose order Go leaves open
		return documents, err
	}
	proven, later, err := r.Index.Sums(ctx, within, r.options.Proven)
	if err != nil {
		return 0, err
	}
	if later > 0 {
		if err := read(elastic.Writes{After: &r.options.Proven.SeqNo}); err != nil {
			return 0, err
		}
	}
	var left elastic.Sums
	for _, checksum := range rows {
		left.Add(checksum)
	}
	if left != proven {
		err := read(elastic.Writes{UpTo: &r.options.Proven.SeqNo})
		return documents, err
	}
	clear(rows)
	r.mu.Lock()
	r.report.Summed += proven.Count
	r.mu.Unlock()
	return documents + proven.Count, nil
}

// strike takes the rows off the list that a page of documents is equal to, and looks at the other documents.
func (r *run) strike(ctx context.Context, rows map[string]uint64, page []elastic.Document) error {
	var suspects, strangers []string
	unproven := int64(0)
	for _, document := range page {
		row, known := rows[document.ID]
		delete(rows, document.ID)
		checksum, proven := document.Proven()
		if !proven {
			unproven++
		}
		switch {
		case !known:
			strangers = append(strangers, document.ID)
		case row != checksum:
			suspects = append(suspects, document.ID)
		}
	}
	r.mu.Lock()
	r.report.Unproven += unproven
	r.mu.Unlock()
	if err := r.confirm(ctx, suspects, false); err != nil {
		return err
	}
	return r.confirm(ctx, strangers, true)
}

func (r *run) count(rows, documents int64) {
	r.mu.Lock()
	r.report.Rows += rows
	r.report.Documents += documents
	done := r.report.Rows
	r.mu.Unlock()
	if r.Progress != nil {
		r.Progress(done)
	}
}

// String shows the bounds.
func (k Range) String() string {
	if len(k.From) == 0 && len(k.To) == 0 {
		return "all keys"
	}
	return fmt.Sprintf("keys %v to %v", k.From, k.To)
}
