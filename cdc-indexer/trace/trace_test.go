package trace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/trace"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world holds what a trace looks at. The real topics and the real index are in the tests of package main.
type world struct {
	mu            sync.Mutex
	stored, found *elastic.Sighting
	err           error // of both

	past   []trace.Change
	coming chan trace.Change
	broken chan error
}

func newWorld(past ...trace.Change) *world {
	return &world{past: past, coming: make(chan trace.Change), broken: make(chan error)}
}

func (w *world) Follow(ctx context.Context, _ string, _ time.Time, each func(trace.Change) error, reached func()) error {
	for _, c := range w.past {
		if err := each(c); err != nil {
			return err
		}
	}
	reached()
	for {
		select {
		case c := <-w.coming:
			if err := each(c); err != nil {
				return err
			}
		case err := <-w.broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *world) Stored(context.Context, string) (*elastic.Sighting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored, w.err
}

func (w *world) Found(context.Context, string) (*elastic.Sighting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found, w.err
}

func (w *world) set(stored, found *elastic.Sighting, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored, w.found, w.err = stored, found, err
}

func at(version int64, kind string) trace.Change {
	now := time.Now()
	return trace.Change{
		Change: change.Change{Key: "k", Order: change.Order{Version: version, LSN: version}, CommittedAt: now, Read: kind == "r"},
		Kind:   kind, Topic: "t", Partition: 1, Offset: version, WrittenAt: now.Add(time.Second), // by another clock
	}
}

func seen(version int64, deleted bool) *elastic.Sighting {
	return &elastic.Sighting{Index: "i", Order: change.Order{Version: version, LSN: version}, Deleted: deleted, IndexedAt: time.Now()}
}

// told is a trace and what it has told so far.
type told struct {
	mu    sync.Mutex
	steps []string
	all   []trace.Step
	end   chan trace.End
}

func (w *world) trace(t *testing.T, limit time.Duration, untilSearchable bool) *told {
	t.Helper()
	told := &told{end: make(chan trace.End, 1)}
	tracer := &trace.Tracer{Log: w, Index: w}
	ctx := testenv.Context(t, time.Minute)
	var running sync.WaitGroup
	running.Go(func() {
		end, err := tracer.Follow(ctx, trace.Request{Key: "k", UntilSearchable: untilSearchable, Limit: limit}, func(s trace.Step) error {
			told.mu.Lock()
			defer told.mu.Unlock()
			told.steps = append(told.steps, fmt.Sprintf("%s %s %s", s.Stage, s.Op, s.Version))
			told.all = append(told.all, s)
			return nil
		})
		if err != nil {
			end = trace.End{Reason: trace.EndError, Detail: err.Error()}
		}
		told.end <- end
	})
	t.Cleanup(running.Wait)
	return told
}

func (told *told) wait(t *testing.T, want ...string) {
	t.Helper()
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		told.mu.Lock()
		defer told.mu.Unlock()
		if !slices.Equal(told.steps, want) {
			return fmt.Errorf("told %q, want %q", told.steps, want)
		}
		return nil
	})
}

const long = 30 * time.Second

func TestAChangeComesThroughTheStages(t *testing.T) {
	t.Parallel()
	w := newWorld()
	told := w.trace(t, long, true)
	w.coming <- at(8, "c")
	told.wait(t, "postgres c 8", "kafka c 8")
	w.set(seen(8, false), nil, nil)
	told.wait(t, "postgres c 8", "kafka c 8", "indexer c 8")
	w.set(seen(8, false), seen(8, false), nil)
	require.Equal(t, trace.End{Reason: trace.EndSearchable}, <-told.end)
	told.wait(t, "postgres c 8", "kafka c 8", "indexer c 8", "searchable c 8")
	for _, step := range told.all {
		require.NotNil(t, step.SinceCommit)
		require.Empty(t, step.Detail)
	}
	require.Equal(t, "i", told.all[3].Index)
	require.InDelta(t, 1, *told.all[1].SinceCommit, 0.001)
}

// A delete is searchable when searches do not find the row any more, and a row that comes back when they find the new one.
func TestADeleteAndARowThatComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.set(seen(8, false), seen(8, false), nil)
	told := w.trace(t, long, false)
	w.coming <- at(16, "d")
	told.wait(t, "postgres d 16", "kafka d 16")
	w.set(seen(16, true), seen(8, false), nil) // not refreshed
	told.wait(t, "postgres d 16", "kafka d 16", "indexer d 16")
	w.set(seen(16, true), nil, nil)
	told.wait(t, "postgres d 16", "kafka d 16", "indexer d 16", "searchable d 16")
	w.coming <- at(24, "c")
	w.set(seen(24, false), nil, nil)
	told.wait(t, "postgres d 16", "kafka d 16", "indexer d 16", "searchable d 16", "postgres c 24", "kafka c 24", "indexer c 24")
	w.set(seen(24, false), seen(24, false), nil)
	told.wait(t, "postgres d 16", "kafka d 16", "indexer d 16", "searchable d 16", "postgres c 24", "kafka c 24", "indexer c 24", "searchable c 24")
}

// What has passed before the trace began is told as far as it is known.
func TestThePastOfARow(t *testing.T) {
	t.Parallel()
	create, update := at(8, "c"), at(16, "u")
	create.WrittenAt, update.WrittenAt = time.Now().Add(-time.Second), time.Now().Add(-time.Second)
	w := newWorld(update, create) // of two topics
	w.set(seen(16, false), seen(16, false), nil)
	told := w.trace(t, long, true)
	require.Equal(t, trace.End{Reason: trace.EndSearchable}, <-told.end)
	require.Len(t, told.all, 8)
	require.Equal(t, []string{"postgres c 8", "kafka c 8", "postgres u 16", "kafka u 16"}, told.steps[:4])
	for _, step := range told.all {
		switch {
		case step.Version == "8" && step.Index != "":
			require.Equal(t, "overwritten: the index has version 16", step.Detail)
		case step.Stage == trace.Searchable:
			require.Nil(t, step.SinceCommit)
			require.Equal(t, "was so when the trace began", step.Detail)
		default:
			require.Empty(t, step.Detail)
		}
	}
}

func TestARowReadByASnapshotHasNoCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(at(8, "r"))
	w.set(seen(8, false), seen(8, false), nil)
	told := w.trace(t, long, true)
	<-told.end
	for _, step := range told.all {
		require.Nil(t, step.SinceCommit)
	}
}

func TestATraceTakesNoLongerThanItsLimit(t *testing.T) {
	t.Parallel()
	const short = time.Second
	require.Equal(t, trace.End{Reason: trace.EndTimeout, Detail: "there was no change of this key"}, <-newWorld().trace(t, short, true).end)
	require.Equal(t, trace.End{Reason: trace.EndTimeout, Detail: "changes that are not searchable yet: 1"}, <-newWorld(at(8, "c")).trace(t, short, true).end)
	away := newWorld(at(8, "c"))
	away.set(nil, nil, errors.New("elasticsearch is away"))
	require.Equal(t, trace.End{Reason: trace.EndTimeout, Detail: "elasticsearch is away"}, <-away.trace(t, short, true).end)
}

// A message that makes no change is told, and is none that could become searchable.
func TestAMessageThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	bad := at(8, "?")
	bad.Unusable = "unsupported-operation"
	told := newWorld(bad).trace(t, time.Second, true)
	require.Equal(t, trace.End{Reason: trace.EndTimeout, Detail: "what was written of this key gives no change: see the dead letters"}, <-told.end)
	require.Len(t, told.all, 1)
	require.Equal(t, "unsupported-operation", told.all[0].Detail)
}

func TestATraceEndsWithItsLog(t *testing.T) {
	t.Parallel()
	w := newWorld()
	told := w.trace(t, long, true)
	w.broken <- errors.New("there is no such topic")
	require.Equal(t, trace.End{Reason: trace.EndError, Detail: "there is no such topic"}, <-told.end)
}
