package verify

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/internal/exactjson"
)

// together is how many keys are looked at again in one request, and how many are repaired in one.
const together = 200

// confirm looks at keys by themselves, row and document, and reports and repairs what really differs. The pipeline is
// given time first: a change may have been on its way.
//
// Strangers are documents that the range has no row for. Should there be a row all the same, then the document says that
// its key is another one, and the range of the row looks at it, too.
func (r *run) confirm(ctx context.Context, keys []string, strangers bool) error {
	if len(keys) == 0 {
		return nil
	}
	r.awaiting.Do(func() { r.await(ctx) })
	for chunk := range slices.Chunk(keys, together) {
		if err := r.confirmChunk(ctx, chunk, strangers); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) await(ctx context.Context) {
	if r.Await == nil {
		return
	}
	if err := r.Await(ctx, r.snapshot.Order()); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.Behind = err.Error()
	}
}

func (r *run) confirmChunk(ctx context.Context, keys []string, strangers bool) error {
	rows, err := r.snapshot.Fetch(ctx, keys)
	if err != nil {
		return fmt.Errorf("read %d rows again: %w", len(keys), err)
	}
	documents, err := r.Index.Get(ctx, keys)
	if err != nil {
		return fmt.Errorf("read %d documents again: %w", len(keys), err)
	}
	now, err := r.snapshot.Now(ctx)
	if err != nil {
		return fmt.Errorf("read the position of the write-ahead log: %w", err)
	}
	var wrong []change.Change
	for n, row := range rows {
		if strangers && row.Op == change.Upsert {
			continue
		}
		kind := r.judge(row, documents[n], now)
		r.note(kind, row, documents[n])
		if kind.repairable() {
			wrong = append(wrong, row)
		}
	}
	return r.repair(ctx, wrong)
}

// judge says what is wrong with a document, given the row as it was at the snapshot's order.
func (r *run) judge(row change.Change, document *elastic.Document, now change.Order) Kind {
	exists, shown := row.Op == change.Upsert, document != nil && !document.Deleted
	switch {
	case document != nil && document.Order.NewerThan(now):
		return Ahead
	case document != nil && document.Order.NewerThan(row.Order):
		return Newer
	case exists && !shown:
		return Missing
	case !exists && shown:
		return Orphaned
	case !exists || r.equal(row.Document, document.Row()):
		return Equal
	case document.Touched:
		return Differing
	default:
		return Stale
	}
}

// equal compares by value: a field that is null and one that is not there are the same to Elasticsearch.
func (r *run) equal(row, document []byte) bool {
	return bytes.Equal(row, document) || firstDifference(row, document) == nil || r.Same != nil && r.Same(row, document)
}

// fieldDifference is a field with another value on either side.
type fieldDifference struct {
	name         string
	table, index gjson.Result
}

func firstDifference(row, document []byte) *fieldDifference {
	inTable, inIndex := exactjson.Members(gjson.ParseBytes(row)), exactjson.Members(gjson.ParseBytes(document))
	names := make([]string, 0, len(inTable))
	for name := range inTable {
		names = append(names, name)
	}
	for name := range inIndex {
		if _, known := inTable[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		a, b := inTable[name], inIndex[name]
		if !exactjson.Equal(a, b) { // null and not there at all are the same
			return &fieldDifference{name, a, b}
		}
	}
	return nil
}

// repair writes the rows, or tombstones for those that are not there, at the snapshot's order: whatever is newer stays.
func (r *run) repair(ctx context.Context, wrong []change.Change) error {
	if r.Repairer == nil || len(wrong) == 0 {
		return nil
	}
	results, err := r.Repairer.Apply(ctx, wrong)
	if err != nil {
		return fmt.Errorf("repair %d documents: %w", len(wrong), err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, result := range results {
		if result.Outcome != change.Rejected {
			r.report.Repaired++ // by us, or it has become newer meanwhile
			continue
		}
		r.report.Unrepaired++
		if len(r.report.Reasons) < r.options.Samples {
			r.report.Reasons = append(r.report.Reasons, wrong[n].Key+": "+result.Rejection.Detail)
		}
	}
	return nil
}
