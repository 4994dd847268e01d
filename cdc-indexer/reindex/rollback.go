package reindex

import (
	"context"
	"errors"
	"fmt"
)

// ErrNothingKept says that there is no index to go back to.
var ErrNothingKept = errors.New("no former index is kept")

// ErrExpired says that changes which an index would need are not in the topics any more.
var ErrExpired = errors.New("the changes since it was swapped out have expired from the topics: build a new index with `reindex`, with the former mapping if that is what is wanted back")

// Rollback brings a kept index up to date and makes it the live one again. index is its name; empty: the one that was
// swapped out last. The index that is live now is kept in its turn.
func (r *Reindexer) Rollback(ctx context.Context, index string, options Options) (Result, error) {
	if err := r.nobodyElse(ctx); err != nil {
		return Result{}, err
	}
	live, err := r.Index.Live(ctx)
	if err != nil {
		return Result{}, err
	}
	index, kept, err := r.kept(ctx, live, index)
	if err != nil {
		return Result{}, err
	}
	starts, err := r.Log.Starts(ctx)
	if err != nil {
		return Result{}, err
	}
	if !kept.Offsets.Reached(starts) {
		return Result{}, fmt.Errorf("index %s: %w", index, ErrExpired)
	}
	state := newState(kindRollback, live)
	state.From, state.Position, state.Copied = kept.Offsets, kept.Position, true
	if err := r.Index.SetNote(ctx, index, noteBuild, state); err != nil {
		return Result{}, err
	}
	if state.build, err = r.Index.Adopt(ctx, index); err != nil {
		return Result{}, err
	}
	if err := r.Index.Unblock(ctx, index); err != nil {
		return Result{}, err
	}
	return r.work(ctx, state, options)
}

// kept returns the index to go back to.
func (r *Reindexer) kept(ctx context.Context, live, wanted string) (string, Kept, error) {
	indices, err := r.Index.Indices(ctx)
	if err != nil {
		return "", Kept{}, err
	}
	found, latest := "", Kept{}
	for _, index := range indices {
		if index == live || wanted != "" && index != wanted {
			continue
		}
		var kept Kept
		ok, err := r.Index.Note(ctx, index, noteKept, &kept)
		if err != nil {
			return "", Kept{}, err
		}
		if ok && (found == "" || kept.At.After(latest.At)) {
			found, latest = index, kept
		}
	}
	switch {
	case found != "":
		return found, latest, nil
	case wanted != "":
		return "", Kept{}, fmt.Errorf("index %s: %w", wanted, ErrNothingKept)
	default:
		return "", Kept{}, ErrNothingKept
	}
}
