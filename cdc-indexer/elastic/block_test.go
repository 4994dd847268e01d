package elastic_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// Whoever asks for a block may die before it is up. Given back then, it must not come back by itself.
//
// Like the next test it keeps the server busy, so it does not run beside others.
func TestUnblockWhileABlockIsPutUp(t *testing.T) {
	w := newWorkshop(t)
	defer w.hammer()()
	live := w.names.First()
	for range 5 {
		dying, die := context.WithCancel(w.ctx())
		var asking sync.WaitGroup
		asking.Go(func() { _ = w.Block(dying, live) }) // it dies
		testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
			if _, settings := w.request(ctx, http.MethodGet, "/"+live+"/_settings/index.blocks.write", ""); len(settings) == 0 {
				return errors.New("no block yet")
			}
			return nil
		})
		die()
		asking.Wait()
		require.NoError(t, w.Unblock(w.ctx(), live))
		status, answer := w.request(w.ctx(), http.MethodPut, "/"+live+"/_doc/probe", `{}`)
		require.Less(t, status, http.StatusMultipleChoices, "%v", answer)
	}
	require.NoError(t, w.Block(w.ctx(), live))
	require.NoError(t, w.Unblock(w.ctx(), live))
}

// A block whose setting is gone is seen all the same.
func TestInspectSeesABlockWithoutASetting(t *testing.T) {
	w := newWorkshop(t)
	defer w.hammer()()
	live := w.names.First()
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		dying, die := context.WithCancel(ctx)
		var asking sync.WaitGroup
		asking.Go(func() { _ = w.Block(dying, live) })
		defer asking.Wait()
		defer die()
		for set := false; !set; {
			_, settings := w.request(ctx, http.MethodGet, "/"+live+"/_settings/index.blocks.write", "")
			set = len(settings) > 0
		}
		die()
		w.must(http.MethodPut, "/"+live+"/_settings", `{"index.blocks.write":null}`)
		if state := w.inspect().Indices[0]; len(state.Blocks) == 0 {
			return errors.New("the block was taken back in time")
		}
		return nil
	})
	require.Equal(t, []string{"index.blocks.write"}, w.inspect().Indices[0].Blocks)
	require.NoError(t, w.Unblock(w.ctx(), live))
	require.Empty(t, w.inspect().Indices[0].Blocks)
}

// hammer writes large batches, so that a block has to wait for some, until it is told to stop.
func (w *workshop) hammer() (stop func()) {
	var stopped atomic.Bool
	var writing sync.WaitGroup
	const batch, writers = 1000, 2
	body := strings.Repeat(`{"index":{}}`+"\n"+`{"title":"`+strings.Repeat("some words ", 20)+`"}`+"\n", batch)
	ctx := testenv.Context(w.t, 5*time.Minute) // the test's own patience ends first
	for range writers {
		writing.Go(func() {
			for !stopped.Load() {
				w.request(ctx, http.MethodPost, "/"+w.names.First()+"/_bulk", body)
			}
		})
	}
	return func() {
		stopped.Store(true)
		writing.Wait()
	}
}
