// Package reindex builds a new index beside the live one and swaps it in, while rows are written, indexed and searched.
//
// It needs no coordination with the running indexers but the aliases. The steps, and why they are right together, are
// in docs/architecture.md; the model test removes each of them in turn and must notice.
package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// Offsets are positions in the topics: for each topic one offset a partition.
type Offsets map[string][]int64

// A Part reads one part of a snapshot's rows. The Document of a change is the reader's until each returns, and the
// writer's from then on.
type Part func(ctx context.Context, each func(change.Change) error) error

// Snapshot is the table as it was at one position of the write-ahead log. Every change of an order at or below
// Order is in it.
type Snapshot interface {
	Order() change.Order
	// Parts splits the rows into parts of about that many, which may be read at the same time.
	Parts(ctx context.Context, rows int) ([]Part, error)
	Close(ctx context.Context) error
}

// Table takes snapshots. It waits until the transactions that were running at the snapshot's position have ended.
type Table interface {
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Log is the topics with the changes.
type Log interface {
	// Starts returns the first offset of every partition that has not expired.
	Starts(ctx context.Context) (Offsets, error)
	Ends(ctx context.Context) (Offsets, error)
	// Committed returns how far the running indexers have come for sure.
	Committed(ctx context.Context) (Offsets, error)
	// Read hands over the changes between two positions in batches, several at the same time.
	Read(ctx context.Context, from, to Offsets, each func(context.Context, []change.Change) error) error
}

// Index is the indices and their aliases: elastic.Builder.
type Index interface {
	Live(ctx context.Context) (string, error)
	Indices(ctx context.Context) ([]string, error)
	NextIndex(ctx context.Context) (string, error)
	Find(ctx context.Context) (elastic.Build, error)
	Check(ctx context.Context, build elastic.Build) error
	Create(ctx context.Context, index string, definition elastic.Definition, notes map[string]any) (elastic.Build, error)
	TakeOver(ctx context.Context, former elastic.Build) (elastic.Build, error)
	Adopt(ctx context.Context, index string) (elastic.Build, error)
	Release(ctx context.Context, build elastic.Build) error
	Writer(build elastic.Build) *elastic.Writer
	Finish(ctx context.Context, index string, definition elastic.Definition) error
	Written(ctx context.Context, index string) (int64, error)
	Tombstones(ctx context.Context, index string, above int64, each func(context.Context, []change.Change) error) error
	CountLive(ctx context.Context, index string) (int64, error)
	Block(ctx context.Context, index string) error
	Unblock(ctx context.Context, index string) error
	Swap(ctx context.Context, live string, build elastic.Build) error
	Delete(ctx context.Context, index string) error
	Note(ctx context.Context, index, name string, into any) (bool, error)
	SetNote(ctx context.Context, index, name string, value any) error
}

// Options of a build.
type Options struct {
	Definition elastic.Definition
	IndexName  string // of the new index; empty: the next number
	Workers    int    // parts copied at the same time
	BatchRows  int    // rows in one bulk request
	BatchBytes int    // bytes of documents in one bulk request, unless a single one is larger
	PartRows   int    // rows in one part of the table, about
	// Throttle bounds the rows copied in a second; 0: as fast as it goes.
	Throttle float64
	// AcceptRejected swaps although the new index cannot hold some of the documents.
	AcceptRejected bool
	// MaxShrink is the share of the documents by which the new index may be smaller than the old one: 0.1 is a tenth.
	MaxShrink float64
	// DeleteOld deletes the old index after the swap; otherwise it is kept, blocked, for a rollback.
	DeleteOld bool
	// CutTimeout bounds how long writes are held back, and then how long it may take to give them back.
	CutTimeout time.Duration
	// Heartbeat is how often the build shows a sign of life and looks whether it is still its own. 0: never.
	Heartbeat time.Duration
}

// Phase is a step that takes time.
type Phase string

// The phases, in their order.
const (
	PhaseSnapshot   Phase = "snapshot"   // waiting for transactions that are still running
	PhaseCopy       Phase = "copy"       // rows of the snapshot into the new index
	PhaseCount      Phase = "count"      // what was copied is made searchable, all at once, and counted
	PhaseTombstones Phase = "tombstones" // deletes that the old index remembers
	PhaseCatchUp    Phase = "catch-up"   // changes since the build began
	PhaseSwap       Phase = "swap"       // writes are held back
)

// Reindexer builds indices.
type Reindexer struct {
	Table Table
	Log   Log
	Index Index
	// Progress is told of every phase and of the rows, changes or deletes done in it so far. It may be called from
	// several goroutines.
	Progress func(phase Phase, done int64)
}

// Result is what a build came to.
type Result struct {
	Index      string `json:"index"`
	Old        string `json:"old_index"`
	OldDeleted bool   `json:"old_index_deleted"`
	Rows       int64  `json:"rows_copied"`
	Changes    int64  `json:"changes_caught_up"`
	Tombstones int64  `json:"tombstones_copied"`
	Rejected   int64  `json:"rejected"`
	Documents  int64  `json:"documents"`
	// OldDocuments is how many the old index showed at the swap. It may lack what the running indexers had not done yet.
	OldDocuments int64         `json:"old_documents"`
	Position     int64         `json:"position"` // in the write-ahead log, of the snapshot
	WritePause   time.Duration `json:"write_pause_ns"`
	Duration     time.Duration `json:"duration_ns"`
}

// Run builds a new index and swaps it in.
func (r *Reindexer) Run(ctx context.Context, options Options) (Result, error) {
	state, err := r.begin(ctx, options)
	if err != nil {
		return Result{}, err
	}
	return r.work(ctx, state, options)
}

// Resume goes on with a build that was interrupted. force takes it from a process that still shows signs of life.
func (r *Reindexer) Resume(ctx context.Context, options Options, force bool) (Result, error) {
	state, err := r.takeOver(ctx, force)
	if err != nil {
		return Result{}, err
	}
	if state.Cutting { // it was interrupted while writes were held back
		if err := r.letWrite(ctx, state); err != nil {
			return Result{}, err
		}
		if err := r.change(ctx, state, func(s *State) { s.Cutting = false }); err != nil {
			return Result{}, err
		}
	}
	if state.Kind == kindRollback { // or it was interrupted before it could write to its own index
		if err := r.Index.Unblock(ctx, state.build.Index); err != nil {
			return Result{}, err
		}
	}
	return r.work(ctx, state, options)
}

// begin creates the new index. The position in the topics is taken before that of the snapshot: a change that is
// neither in the snapshot nor behind that position would be lost.
func (r *Reindexer) begin(ctx context.Context, options Options) (*State, error) {
	live, err := r.Index.Live(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.nobodyElse(ctx); err != nil {
		return nil, err
	}
	index := options.IndexName
	if index == "" {
		if index, err = r.Index.NextIndex(ctx); err != nil {
			return nil, err
		}
	}
	state := newState(kindReindex, live)
	if state.From, err = r.Log.Ends(ctx); err != nil {
		return nil, err
	}
	state.build, err = r.Index.Create(ctx, index, options.Definition, map[string]any{noteBuild: state})
	if err != nil {
		// Of two that begin at the same time one gets here.
		return nil, errors.Join(err, r.nobodyElse(ctx))
	}
	return state, nil
}

// work takes a build from wherever it is to the swap.
func (r *Reindexer) work(ctx context.Context, state *State, options Options) (Result, error) {
	watched, stop := r.watch(ctx, state, options.Heartbeat)
	defer stop()
	b := &build{Reindexer: r, state: state, options: options, writer: r.Index.Writer(state.build), began: time.Now()}
	result, err := b.run(watched)
	if err != nil {
		return result, fmt.Errorf("build index %s: %w", state.build.Index, because(watched, err))
	}
	stop() // the build is over, and its alias gone
	return b.retire(ctx, result)
}

func (r *Reindexer) progress(phase Phase, done int64) {
	if r.Progress != nil {
		r.Progress(phase, done)
	}
}
