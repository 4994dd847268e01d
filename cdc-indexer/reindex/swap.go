package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/cdc-indexer/elastic"
)

const (
	// nearlyThere is how long the last round of catching up may have taken before writes are held back: about as
	// much is left to do then.
	nearlyThere = 500 * time.Millisecond
	// steady is how many rounds may pass without getting nearer before a round of a quarter of what writes may be held back
	// for is near enough: on a busy machine no round may ever be as short as nearlyThere.
	steady = 3
	// hopeless is how many rounds may pass without getting nearer.
	hopeless = 20
	// cutTries is how often a swap is tried that fails for reasons which may pass.
	cutTries = 5
	// deleteDelay is how long the old index stays when it is to be deleted: an indexer that has just compared a
	// document there may still write to it by name, which must be refused and must not create it again.
	deleteDelay = time.Minute
)

// swapIn catches up with the changes and takes the live index's place.
func (b *build) swapIn(ctx context.Context) (Result, error) {
	b.progress(PhaseTombstones, 0)
	position, mark, err := b.follow(ctx, b.state.From, -1)
	if err != nil {
		return Result{}, err
	}
	for try := 1; ; try++ {
		// Once more, so that little of what came meanwhile is left for the time without writes.
		if position, mark, err = b.follow(ctx, position, mark); err != nil {
			return Result{}, err
		}
		if err := b.rejections.refuse(b.options.AcceptRejected); err != nil {
			return Result{}, err
		}
		result, err := b.cut(ctx, position, mark)
		if err == nil {
			return result, nil
		}
		if try == cutTries || ctx.Err() != nil || final(err) {
			return Result{}, fmt.Errorf("swap: %w", err)
		}
	}
}

// follow copies the deletes above a mark, and then reads the changes behind a position, those that came while deletes were
// copied among them: the counts are compared next. It returns up to where the two are done.
func (b *build) follow(ctx context.Context, position Offsets, mark int64) (Offsets, int64, error) {
	mark, err := b.copyTombstones(ctx, mark)
	if err != nil {
		return nil, 0, err
	}
	if position, err = b.catchUp(ctx, position); err != nil {
		return nil, 0, fmt.Errorf("catch up with the changes: %w", err)
	}
	return position, mark, nil
}

// copyTombstones copies the deletes above a mark while writes go on, and returns the mark above which the next ones are.
func (b *build) copyTombstones(ctx context.Context, above int64) (mark int64, err error) {
	if err := b.index("look at the old index", ctx, func() (err error) {
		mark, err = b.Index.Written(ctx, b.state.Live)
		return err
	}); err != nil {
		return 0, err
	}
	return mark, b.bury(ctx, PhaseTombstones, above)
}

// refusal is a reason against the swap that trying again does not mend.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

func final(err error) bool {
	var no *refusal
	return errors.As(err, &no) || errors.Is(err, errUnhealed)
}

// catchUp reads the topics in rounds, each up to where they end when it begins, until a round is short.
func (b *build) catchUp(ctx context.Context, position Offsets) (Offsets, error) {
	best, worse := time.Duration(0), 0
	for {
		began := time.Now()
		var err error
		if position, err = b.round(ctx, position); err != nil {
			return nil, err
		}
		took := time.Since(began)
		if took <= nearlyThere || worse >= steady && took <= b.options.CutTimeout/4 {
			return position, nil
		}
		if best == 0 || took < best {
			best, worse = took, 0
		} else if worse++; worse == hopeless {
			return nil, fmt.Errorf("changes come faster than they can be indexed: the last %d rounds took no less than %s", hopeless, best.Round(time.Millisecond))
		}
	}
}

// round reads the topics up to where they end now.
func (b *build) round(ctx context.Context, position Offsets) (Offsets, error) {
	ends, err := b.Log.Ends(ctx)
	if err != nil {
		return nil, err
	}
	return ends, b.read(ctx, PhaseCatchUp, position, ends)
}

// cut holds writes to the old index back, does what is left, and swaps. Should anything go wrong the old index gets
// its writes back and stays live.
func (b *build) cut(ctx context.Context, position Offsets, mark int64) (result Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.options.CutTimeout, fmt.Errorf("not done within %s", b.options.CutTimeout))
	defer cancel()
	before, documents, err := b.compareCounts(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := b.keep(ctx); err != nil {
		return Result{}, err
	}
	// Looking took its time. What has come meanwhile is not read while writes are held back.
	if position, err = b.round(ctx, position); err != nil {
		return Result{}, err
	}
	b.progress(PhaseSwap, 0)
	if err := b.change(ctx, b.state, func(s *State) { s.Cutting = true }); err != nil {
		return Result{}, err
	}
	defer func() {
		switch {
		case errors.Is(err, elastic.ErrSwapUnknown): // what got through to the old index now could be lost
			err = errors.Join(because(ctx, err), errUnhealed)
		case err != nil:
			err = errors.Join(because(ctx, err), b.heal(ctx))
		}
	}()
	began := time.Now()
	if err := b.index("hold writes back", ctx, func() error { return b.Index.Block(ctx, b.state.Live) }); err != nil {
		return Result{}, err
	}
	// What the running indexers have committed by now is in the old index. What they have not, and what is still to
	// come, they will write into the new one; all before the present end of the topics goes there first.
	end, err := b.Log.Ends(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := b.read(ctx, PhaseSwap, position, end); err != nil {
		return Result{}, err
	}
	if err := b.bury(ctx, PhaseSwap, mark); err != nil {
		return Result{}, err
	}
	if err := b.rejections.refuse(b.options.AcceptRejected); err != nil {
		return Result{}, err
	}
	if err := b.index("swap", ctx, func() error { return b.Index.Swap(ctx, b.state.Live, b.state.build) }); err != nil {
		return Result{}, err
	}
	return b.result(before, documents, time.Since(began)), nil
}

// because adds to an error why the context ended that it comes from, if it did.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

// errUnhealed says that the old index may not have its writes back.
var errUnhealed = errors.New("writes may still be blocked; `reindex --abort` or `reindex --resume` lets them through")

// heal gives the old index its writes back.
func (b *build) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.options.CutTimeout)
	defer cancel()
	lost := false
	err := b.index("let writes through again", ctx, func() error {
		err := b.Index.Check(ctx, b.state.build)
		if lost = errors.Is(err, elastic.ErrLost); lost {
			return b.healLost(ctx)
		}
		if err != nil {
			return err
		}
		return b.letWrite(ctx, b.state)
	})
	if err != nil {
		return fmt.Errorf("index %s: %w: %w", b.state.Live, errUnhealed, err)
	}
	if lost {
		return nil
	}
	return b.change(ctx, b.state, func(s *State) { s.Cutting = false })
}

// healLost gives the writes back of a build that is another process's by now, or gone. If that process is about to swap
// it is up to it: what got through to the old index then would be lost.
func (b *build) healLost(ctx context.Context) error {
	_, other, err := b.Status(ctx)
	if err != nil && !errors.Is(err, elastic.ErrNoBuild) {
		return err
	}
	if err == nil && other.Cutting {
		return nil
	}
	return b.letWrite(ctx, b.state)
}

// compareCounts is a last look before the swap. The two need not be equal: writes go on, the new index knows rows whose
// changes have not come through the topics yet, and the old one may have drifted. But one that is much smaller was made
// from another table, or with another pipeline file.
func (b *build) compareCounts(ctx context.Context) (before, now int64, err error) {
	if err := b.index("count the documents", ctx, func() (err error) {
		if before, err = b.Index.CountLive(ctx, b.state.Live); err == nil {
			now, err = b.Index.CountLive(ctx, b.state.build.Index)
		}
		return err
	}); err != nil {
		return 0, 0, err
	}
	if float64(before-now) > float64(before)*b.options.MaxShrink {
		return 0, 0, &refusal{fmt.Sprintf("the new index %s holds %d documents and the old one %d: if that is right, "+
			"`reindex --resume --max-shrink 1` swaps all the same; otherwise `reindex --abort`", b.state.build.Index, now, before)}
	}
	return before, now, nil
}

// keep notes in the old index from where it would have to catch up, should it be wanted back: everything that the running
// indexers have committed is in it. They may get further before they are held back, which does no harm.
func (b *build) keep(ctx context.Context) error {
	committed, err := b.Log.Committed(ctx)
	if err != nil {
		return err
	}
	kept := Kept{At: time.Now().UTC(), By: b.state.build.Index, Offsets: committed, Position: b.state.Position}
	return b.index("note the way back", ctx, func() error { return b.Index.SetNote(ctx, b.state.Live, noteKept, kept) })
}

// Reached says whether every partition has come to where another position is.
func (o Offsets) Reached(other Offsets) bool {
	for topic, ends := range other {
		for partition, end := range ends {
			if end > 0 && (partition >= len(o[topic]) || o[topic][partition] < end) {
				return false
			}
		}
	}
	return true
}

// retire deletes the old index, if that is wanted. It is blocked and behind no alias any more.
func (b *build) retire(ctx context.Context, result Result) (Result, error) {
	if !b.options.DeleteOld {
		return result, nil
	}
	select {
	case <-ctx.Done():
		return result, fmt.Errorf("the swap is done, and index %s not deleted yet: %w", b.state.Live, ctx.Err())
	case <-time.After(deleteDelay):
	}
	if err := b.Index.Delete(ctx, b.state.Live); err != nil {
		return result, fmt.Errorf("the swap is done: %w", err)
	}
	result.OldDeleted = true
	return result, nil
}

func (b *build) result(before, documents int64, pause time.Duration) Result {
	return Result{
		Index: b.state.build.Index, Old: b.state.Live, Rows: b.state.Rows, Changes: b.changes.Load(), Tombstones: b.tombstones.Load(),
		Rejected: b.rejections.number(), Documents: documents, OldDocuments: before, Position: b.state.Position, WritePause: pause, Duration: time.Since(b.began),
	}
}
