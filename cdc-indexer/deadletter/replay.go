package deadletter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ticketing/cdc-indexer/change"
)

// Outcome is what became of a letter that was replayed.
type Outcome string

// A letter with one of the first four is done, with one of the others it stays open.
const (
	Applied     Outcome = "applied"     // written to the index
	Stale       Outcome = "stale"       // the index has something as new or newer
	Nothing     Outcome = "nothing"     // the message carries no change of a row
	Dropped     Outcome = "dropped"     // somebody said that it is not wanted
	Rejected    Outcome = "rejected"    // the index cannot hold this document
	Undecodable Outcome = "undecodable" // it gives no change
	Outdated    Outcome = "outdated"    // it is older than the index, which has nothing to compare it with
)

// Done says whether a letter with this outcome is done.
func (o Outcome) Done() bool { return slices.Contains([]Outcome{Applied, Stale, Nothing, Dropped}, o) }

// known returns the constant equal to text, so that many resolutions share it.
func known(text string) Outcome {
	for _, o := range []Outcome{Applied, Stale, Nothing, Dropped} {
		if text == string(o) {
			return o
		}
	}
	return Outcome(text)
}

// Index is where changes go; see elastic.Writer. Its order rule is what keeps an old letter from overwriting a newer
// state.
type Index interface {
	Apply(ctx context.Context, changes []change.Change) ([]change.Result, error)
	// Orders returns the order of what the index holds for each key that it has something for, tombstones too.
	Orders(ctx context.Context, keys []string) (map[string]change.Order, error)
}

// Rows reads rows from the table itself: for every key (a document's _id) an Upsert with the row as it is now, or a
// Delete when there is none, ordered by the moment at which they were read.
type Rows interface {
	Fetch(ctx context.Context, keys []string) ([]change.Change, error)
}

// Replay says how letters are brought into the index.
type Replay struct {
	// Decode is the pipeline's decoder, in the epoch that the letter was written in. It returns change.ErrNoChange and
	// *change.Rejection.
	Decode func(epoch uint8, key, value []byte) (change.Change, error)
	// DocumentID makes a document's _id of a message's key.
	DocumentID func(key []byte) (string, error)
	Index      Index
	// FromTable says for which letters the table's row is taken instead of what is in the letter.
	FromTable func(Entry) bool
	Rows      Rows // may be nil when there are none
	// Epoch is the pipeline's, and IndexBuilt is when the index was created. A letter from before either is not
	// applied: the index may have been built from a snapshot, whose rows count as older than any change, and need not
	// have the tombstone of a row that was deleted since. It is stale if the index has something newer, or Outdated.
	Epoch      uint8
	IndexBuilt time.Time
	// DryRun says what would happen and writes nothing. It cannot tell that a document would be rejected.
	DryRun bool
	// Timeout bounds each call of the Index, which otherwise waits for ever. Nothing of its batch is marked then.
	Timeout time.Duration
	// Report is told what became of each letter, when it is marked.
	Report func(Result)
}

// Result is what became of one letter.
type Result struct {
	Entry   Entry // without its value
	Outcome Outcome
	// Rejection says why the letter stays open.
	Rejection *change.Rejection
	// FromTable says that the row was taken from the table.
	FromTable bool
}

// How many letters, and bytes of their values, are in memory and in one request. A single larger letter still
// comes through.
const (
	batchLetters = 500
	batchBytes   = 8 << 20
	// A row in the table may be much larger than its letter.
	tableLetters = 50
)

// Replay brings the open letters that are meant into the index, in batches, and marks those as done that are in it
// or that it has something newer than. It marks only after the index has acknowledged: a crash in between means that
// the letter comes again, and is stale.
func (r *Reader) Replay(ctx context.Context, selection Selection, replay Replay) (Counts, error) {
	selection.Values, selection.Done = true, false
	var batch []Entry
	size := 0
	counts, err := r.Each(ctx, selection, func(e Entry) error {
		batch = append(batch, e)
		size += e.Size
		if len(batch) < batchLetters && size < batchBytes {
			return nil
		}
		full := batch
		batch, size = nil, 0
		return r.replayBatch(ctx, full, replay)
	})
	if err == nil {
		err = r.replayBatch(ctx, batch, replay)
	}
	return counts, err
}

// Drop marks the open letters that are meant as done, as they are.
func (r *Reader) Drop(ctx context.Context, selection Selection, report func(Result)) (Counts, error) {
	selection.Values, selection.Done = false, false
	var batch []Result
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := r.resolve(ctx, batch); err != nil {
			return err
		}
		for _, result := range batch {
			report(result)
		}
		batch = batch[:0]
		return nil
	}
	counts, err := r.Each(ctx, selection, func(e Entry) error {
		batch = append(batch, Result{Entry: e, Outcome: Dropped})
		if len(batch) < batchLetters {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return counts, err
}

func (r *Reader) replayBatch(ctx context.Context, batch []Entry, replay Replay) error {
	if len(batch) == 0 {
		return nil
	}
	results, err := replay.run(ctx, batch)
	if err != nil {
		return err
	}
	if !replay.DryRun {
		done := slices.DeleteFunc(slices.Clone(results), func(result Result) bool { return !result.Outcome.Done() })
		if err := r.resolve(ctx, done); err != nil {
			return err
		}
	}
	for _, result := range results {
		replay.Report(result)
	}
	return nil
}

// attempt is a change on its way from a letter into the index.
type attempt struct {
	change.Change
	result *Result
}

func (p Replay) run(ctx context.Context, batch []Entry) ([]Result, error) {
	results := make([]Result, len(batch))
	var current, old []attempt
	var table []*Result
	for n, e := range batch {
		result := &results[n]
		*result = Result{Entry: e, FromTable: p.FromTable(e)}
		if result.FromTable {
			table = append(table, result)
		} else if c, ok := p.decode(result); ok && p.outdated(e) == "" {
			current = append(current, attempt{c, result})
		} else if ok {
			old = append(old, attempt{c, result})
		}
		result.Entry.Message.Value = nil
	}
	settle := p.apply
	if p.DryRun {
		settle = p.foretell
	}
	for part := range slices.Chunk(table, tableLetters) {
		rows, err := p.fetch(ctx, part)
		if err != nil {
			return nil, err
		}
		if err := settle(ctx, rows); err != nil {
			return nil, err
		}
	}
	if err := p.compare(ctx, old); err != nil {
		return nil, err
	}
	return results, settle(ctx, current)
}

// decode returns the change of a letter, or settles one that gives none.
func (p Replay) decode(result *Result) (change.Change, bool) {
	e := result.Entry
	epoch := p.Epoch
	if e.Epoch >= 0 {
		epoch = uint8(e.Epoch) //nolint:gosec // it was read as one
	}
	c, err := p.Decode(epoch, e.Message.Key, e.Message.Value)
	switch {
	case err == nil:
		return c, true
	case errors.Is(err, change.ErrNoChange):
		result.Outcome = Nothing
	default:
		result.open(Undecodable, asRejection(err))
	}
	return change.Change{}, false
}

// fetch returns the table's rows for letters, or settles those whose key is none.
func (p Replay) fetch(ctx context.Context, table []*Result) ([]attempt, error) {
	byKey := map[string][]*Result{}
	for _, result := range table {
		key, err := p.DocumentID(result.Entry.Message.Key)
		if err != nil {
			result.open(Undecodable, asRejection(err))
			continue
		}
		byKey[key] = append(byKey[key], result)
	}
	if len(byKey) == 0 {
		return nil, nil
	}
	keys := slices.Sorted(maps.Keys(byKey))
	rows, err := p.Rows.Fetch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("fetch %d rows from the table: %w", len(keys), err)
	}
	var attempts []attempt
	for _, row := range rows {
		for _, result := range byKey[row.Key] {
			attempts = append(attempts, attempt{row, result})
		}
		delete(byKey, row.Key)
	}
	if len(byKey) > 0 {
		return nil, fmt.Errorf("fetch %d rows from the table: it has not answered for %d of them", len(keys), len(byKey))
	}
	return attempts, nil
}

// compare settles letters that must not be applied.
func (p Replay) compare(ctx context.Context, old []attempt) error {
	held, err := p.held(ctx, old)
	if err != nil {
		return err
	}
	for _, a := range old {
		if a.stale(held) {
			a.result.Outcome = Stale
		} else {
			a.result.open(Outdated, &change.Rejection{Reason: string(Outdated), Detail: p.outdated(a.result.Entry)})
		}
	}
	return nil
}

// foretell settles letters by what apply would do.
func (p Replay) foretell(ctx context.Context, attempts []attempt) error {
	held, err := p.held(ctx, attempts)
	if err != nil {
		return err
	}
	newest := map[string]change.Order{}
	for _, a := range attempts {
		if a.Order.NewerThan(newest[a.Key]) {
			newest[a.Key] = a.Order
		}
	}
	for _, a := range attempts {
		a.result.Outcome = Applied
		if a.stale(held) || newest[a.Key].NewerThan(a.Order) {
			a.result.Outcome = Stale
		}
	}
	return nil
}

// apply settles letters by writing them. Of several changes of a row in one request all but the newest come back as
// stale. That is true when the newest is in the index; when it was rejected, the others have to be tried.
func (p Replay) apply(ctx context.Context, attempts []attempt) error {
	var refused []attempt
	for len(attempts) > 0 {
		outcomes, err := p.write(ctx, attempts)
		if err != nil {
			return err
		}
		rejected := map[string]int{} // key to the number of its attempt
		for n, outcome := range outcomes {
			if outcome.Outcome == change.Rejected {
				rejected[attempts[n].Key] = n
			}
		}
		var again []attempt
		for n, a := range attempts {
			at, failed := rejected[a.Key]
			switch {
			case outcomes[n].Outcome == change.Applied:
				a.result.Outcome = Applied
			case !failed:
				a.result.Outcome = Stale
			case a.Order == attempts[at].Order: // the rejected one itself, or the same change once more
				a.result.open(Rejected, outcomes[at].Rejection)
				refused = append(refused, a)
			default:
				again = append(again, a)
			}
		}
		attempts = again
	}
	return p.forgive(ctx, refused)
}

// forgive makes those stale that were rejected although the index has something newer: Elasticsearch looks at a
// document's fields before it compares versions.
func (p Replay) forgive(ctx context.Context, refused []attempt) error {
	held, err := p.held(ctx, refused)
	if err != nil {
		return err
	}
	for _, a := range refused {
		if a.stale(held) {
			a.result.Outcome, a.result.Rejection = Stale, nil
		}
	}
	return nil
}

func (a attempt) stale(held map[string]change.Order) bool {
	order, found := held[a.Key]
	return found && !a.Order.NewerThan(order)
}

func (p Replay) held(ctx context.Context, attempts []attempt) (map[string]change.Order, error) {
	if len(attempts) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	keys := map[string]bool{}
	for _, a := range attempts {
		keys[a.Key] = true
	}
	return p.Index.Orders(ctx, slices.Sorted(maps.Keys(keys)))
}

func (p Replay) write(ctx context.Context, attempts []attempt) ([]change.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	changes := make([]change.Change, len(attempts))
	for n, a := range attempts {
		changes[n] = a.Change
	}
	return p.Index.Apply(ctx, changes)
}

// outdated says why a letter must not be applied, or nothing.
func (p Replay) outdated(e Entry) string {
	switch {
	case e.Epoch >= 0 && e.Epoch != int(p.Epoch):
		return fmt.Sprintf("the letter is of epoch %d and the pipeline in epoch %d: what it says may never have been; take the row from the table", e.Epoch, p.Epoch)
	case e.FailedAt.Before(p.IndexBuilt):
		return fmt.Sprintf("the index was built after the letter, at %s, and does not tell whether the row was changed or deleted before; take the row from the table",
			p.IndexBuilt.UTC().Format(time.RFC3339))
	default:
		return ""
	}
}

func (r *Result) open(outcome Outcome, why *change.Rejection) { r.Outcome, r.Rejection = outcome, why }

func asRejection(err error) *change.Rejection {
	var rejection *change.Rejection
	if errors.As(err, &rejection) {
		return rejection
	}
	return &change.Rejection{Reason: string(Undecodable), Detail: err.Error()}
}
