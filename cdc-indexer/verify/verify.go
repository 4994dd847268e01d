// Package verify says whether an index holds exactly what its table holds, while both are being written, and mends it
// where it does not.
//
// The table is read as it is at one position of the write-ahead log. A document with a newer order is left alone: it has
// moved on. Any other must be what the row was at that position, once everything up to there has come through the
// pipeline. Range by range, both sides are reduced to a checksum for each key; only keys whose checksums differ are looked
// at again, one by one, and only if there are any does it matter how far the pipeline has come.
package verify

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
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
	Documents(ctx context.Context, keys elastic.KeyRange, each func([]elastic.Document) error) error
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
	// Samples is how many differences of each kind the report tells in full.
	Samples int
}

// Run compares, and repairs if there is a Repairer.
func (v *Verifier) Run(ctx context.Context, options Options) (Report, error) {
	began := time.Now()
	snapshot, err := v.Table.Snapshot(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("take a snapshot of the table: %w", err)
	}
	defer func() { _ = snapshot.Close(context.WithoutCancel(ctx)) }() // all has been read, or the error is known
	if err := v.Index.Refresh(ctx); err != nil {
		return Report{}, err
	}
	ranges, err := v.ranges(ctx, snapshot, options)
	if err != nil {
		return Report{}, err
	}
	r := &run{Verifier: v, options: options, snapshot: snapshot, seed: maphash.MakeSeed()}
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
	r.report.Duration = time.Since(began)
	return r.report, err
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
	if options.Share <= 0 || options.Share >= 1 {
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
	seed     maphash.Seed

	awaiting sync.Once
	mu       sync.Mutex
	report   Report
}

// compare compares the checksums of a range and looks at the keys again whose checksums differ.
func (r *run) compare(ctx context.Context, keys Range) error {
	rows := map[string]uint64{}
	err := r.snapshot.Read(ctx, keys, func(row change.Change) error {
		rows[row.Key] = maphash.Bytes(r.seed, row.Document)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the rows of %s: %w", keys, err)
	}
	read := int64(len(rows))
	var documents int64
	err = r.Index.Documents(ctx, elastic.KeyRange{Columns: r.Keys, From: keys.From, To: keys.To}, func(page []elastic.Document) error {
		documents += int64(len(page))
		return r.strike(ctx, rows, page)
	})
	if err != nil {
		return fmt.Errorf("read the documents of %s: %w", keys, err)
	}
	left := make([]string, 0, len(rows))
	for key := range rows {
		left = append(left, key)
	}
	if err := r.confirm(ctx, left, false); err != nil {
		return err
	}
	r.count(read, documents)
	return nil
}

// strike takes the rows off the list that a page of documents is equal to, and looks at the other documents.
func (r *run) strike(ctx context.Context, rows map[string]uint64, page []elastic.Document) error {
	var suspects, strangers []string
	for _, document := range page {
		sum, known := rows[document.ID]
		delete(rows, document.ID)
		switch {
		case !known:
			strangers = append(strangers, document.ID)
		case sum != maphash.Bytes(r.seed, document.Row()):
			suspects = append(suspects, document.ID)
		}
	}
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
