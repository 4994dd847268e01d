package reindex

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// build is one attempt at one build.
type build struct {
	*Reindexer
	state   *State
	options Options
	writer  *elastic.Writer
	began   time.Time

	changes, tombstones atomic.Int64
	rejections          rejections
}

func (b *build) run(ctx context.Context) (Result, error) {
	if !b.state.Copied {
		if err := b.copy(ctx); err != nil {
			return Result{}, fmt.Errorf("copy the rows: %w", err)
		}
	}
	if err := b.index("finish the index", ctx, func() error {
		return b.Index.Finish(ctx, b.state.build.Index, b.options.Definition)
	}); err != nil {
		return Result{}, err
	}
	return b.swapIn(ctx)
}

// copy writes all rows of a snapshot into the new index, with the snapshot's order: a change that comes later has a
// higher one and wins, whichever is written first.
func (b *build) copy(ctx context.Context) error {
	b.progress(PhaseSnapshot, 0)
	snapshot, err := b.Table.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snapshot.Close(context.WithoutCancel(ctx)) }() // all has been read, or the error is known
	parts, err := snapshot.Parts(ctx, b.options.PartRows)
	if err != nil {
		return err
	}
	var done atomic.Int64
	limit := throttle(b.options)
	workers, working := errgroup.WithContext(ctx)
	workers.SetLimit(max(b.options.Workers, 1))
	for _, part := range parts {
		workers.Go(func() error { return b.copyPart(working, part, limit, &done) })
	}
	if err := workers.Wait(); err != nil {
		return err //nolint:wrapcheck // run says what was being done
	}
	if err := b.rejections.refuse(b.options.AcceptRejected); err != nil {
		return err
	}
	if err := b.countCopied(ctx, done.Load()); err != nil {
		return err
	}
	return b.index("note that all rows are copied", ctx, func() error {
		return b.change(ctx, b.state, func(s *State) {
			s.Copied, s.Rows, s.Position = true, done.Load(), snapshot.Order().LSN
		})
	})
}

// countCopied makes sure that every row has become a document of its own. What a former attempt has copied may be there
// besides.
func (b *build) countCopied(ctx context.Context, rows int64) error {
	b.progress(PhaseCount, 0)
	var documents int64
	if err := b.index("count the copied documents", ctx, func() (err error) {
		documents, err = b.Index.CountLive(ctx, b.state.build.Index)
		return err
	}); err != nil {
		return err
	}
	if documents += b.rejections.number(); documents < rows {
		return &refusal{fmt.Sprintf("%d rows were copied and index %s holds %d documents: does `key` in the pipeline file name the primary key?", rows, b.state.build.Index, documents)}
	}
	return nil
}

func throttle(options Options) *rate.Limiter {
	if options.Throttle <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(options.Throttle), max(options.BatchRows, 1))
}

func (b *build) copyPart(ctx context.Context, part Part, limit *rate.Limiter, done *atomic.Int64) error {
	var batch []change.Change
	bytes := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if limit != nil {
			if err := limit.WaitN(ctx, len(batch)); err != nil {
				return fmt.Errorf("wait for --throttle: %w", err)
			}
		}
		if err := b.apply(ctx, batch); err != nil {
			return err
		}
		b.progress(PhaseCopy, done.Add(int64(len(batch))))
		batch, bytes = batch[:0], 0
		return nil
	}
	err := part(ctx, func(row change.Change) error {
		batch = append(batch, row)
		bytes += len(row.Document)
		if len(batch) < max(b.options.BatchRows, 1) && bytes < max(b.options.BatchBytes, 1) {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// apply writes changes into the new index and remembers what it cannot hold.
func (b *build) apply(ctx context.Context, changes []change.Change) error {
	results, err := b.writer.Apply(ctx, changes)
	if err != nil {
		return err
	}
	for n, result := range results {
		if result.Outcome == change.Rejected {
			b.rejections.add(changes[n].Key, result.Rejection)
		}
	}
	return nil
}

// read brings the changes between two positions into the new index.
func (b *build) read(ctx context.Context, phase Phase, from, to Offsets) error {
	return b.Log.Read(ctx, from, to, func(ctx context.Context, changes []change.Change) error {
		if err := b.apply(ctx, changes); err != nil {
			return err
		}
		b.progress(phase, b.changes.Add(int64(len(changes))))
		return nil
	})
}

// bury brings the deletes that the old index remembers, and this one has not seen, into the new index. Without them
// an old change that comes again would bring a deleted row back.
func (b *build) bury(ctx context.Context, phase Phase, above int64) error {
	return b.index("copy the tombstones", ctx, func() error {
		return b.Index.Tombstones(ctx, b.state.Live, above, func(ctx context.Context, deletes []change.Change) error {
			if err := b.apply(ctx, deletes); err != nil {
				return err
			}
			b.progress(phase, b.tombstones.Add(int64(len(deletes))))
			return nil
		})
	})
}

// tries bounds how often a request to Elasticsearch is made that fails for reasons which may pass: about a minute.
const tries = 10

// index makes a request that may be made again. What Elasticsearch refuses is not tried again.
func (b *build) index(what string, ctx context.Context, request func() error) error { //nolint:revive // the context belongs to request
	pause := backoff.NewExponentialBackOff()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := request()
		if permanent(err) {
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(tries), backoff.WithMaxElapsedTime(0))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func permanent(err error) bool {
	var answer *elastic.ServerError
	return err != nil && (errors.Is(err, context.Canceled) || errors.Is(err, elastic.ErrSwapUnknown) || errors.As(err, &answer) && answer.Status < 500 && answer.Status != 429)
}

// rejections are documents that the new index cannot hold.
type rejections struct {
	mu    sync.Mutex
	count int64
	first string
}

func (r *rejections) add(key string, why *change.Rejection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == 0 {
		r.first = fmt.Sprintf("%s: %s", key, why.Detail)
	}
	r.count++
}

func (r *rejections) number() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// refuse returns an error when there are any, unless they are accepted.
func (r *rejections) refuse(accepted bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == 0 || accepted {
		return nil
	}
	return &refusal{fmt.Sprintf("the new index cannot hold %d of the documents, the first of them %s; "+
		"mend the mapping and begin anew (--abort), or go on without them (--resume --accept-rejected)", r.count, r.first)}
}
