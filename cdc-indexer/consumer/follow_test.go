package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/consumer"
	"ticketing/internal/testenv"
)

// Messages of the past come first, then reached is called, and then those that are written come as they are written.
func TestFollow(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	log := g.newLog()
	g.produce(0, 0, "too old")
	from, err := log.Ends(g.ctx())
	require.NoError(t, err)
	g.produce(0, 0, "a", "b")
	g.produce(2, 1, "c")
	g.produce(1, 2, "of a partition that is not read")

	var mu sync.Mutex
	var values []string
	reached := 0
	ctx, cancel := context.WithCancel(g.ctx())
	var following sync.WaitGroup
	following.Go(func() {
		err := log.Follow(ctx, consumer.Following{
			From:   from,
			Chosen: func(partition, partitions int) bool { return partitions == 3 && partition < 2 },
			Each: func(m kafka.Message) error {
				mu.Lock()
				defer mu.Unlock()
				values = append(values, string(m.Value))
				return nil
			},
			Reached: func() {
				mu.Lock()
				defer mu.Unlock()
				reached = len(values) + 1
			},
		})
		assert.ErrorIs(t, err, context.Canceled)
	})
	wait := func(want ...string) {
		t.Helper()
		testenv.Eventually(t, 30*time.Second, func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			if got := slices.Sorted(slices.Values(values)); !slices.Equal(got, want) {
				return fmt.Errorf("read %q, want %q", got, want)
			}
			return nil
		})
	}
	wait("a", "b", "c")
	testenv.Eventually(t, 30*time.Second, func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if reached != 4 {
			return fmt.Errorf("reached behind %d messages", reached-1)
		}
		return nil
	})
	g.produce(1, 1, "d")
	wait("a", "b", "c", "d")
	cancel()
	following.Wait()
}

func TestSince(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	log := g.newLog()
	g.produce(0, 0, "before")
	g.produceAt(time.Now().Add(time.Hour), 0, 0, "after")
	offsets, err := log.Since(g.ctx(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, g.offsets([]int64{1, 0, 0}, []int64{0, 0, 0}, []int64{0, 0, 0}), offsets)
	offsets, err = log.Since(g.ctx(), time.Now().Add(2*time.Hour))
	require.NoError(t, err)
	require.Equal(t, g.offsets([]int64{2, 0, 0}, []int64{0, 0, 0}, []int64{0, 0, 0}), offsets, "nothing is that young: the end")
	offsets, err = log.Since(g.ctx(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, g.offsets([]int64{0, 0, 0}, []int64{0, 0, 0}, []int64{0, 0, 0}), offsets)
}
