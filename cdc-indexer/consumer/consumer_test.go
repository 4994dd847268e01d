package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/consumer"
	"ticketing/internal/testenv"
)

func TestMessagesOfAllTopicsAreAppliedAndCommitted(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	c := g.start("a")
	g.produce(0, 0, "c1", "nothing", "c2")
	g.produce(1, 1, "u1")
	g.produce(2, 2, "d1", "d2")
	testenv.Eventually(t, time.Minute, g.has("c1", "c2", "u1", "d1", "d2"))
	g.waitCommitted(0, 0, 3)
	g.waitCommitted(1, 1, 1)
	g.waitCommitted(2, 2, 2)
	require.NoError(t, c.Status().Trouble)
	require.Equal(t, []int{0, 1, 2}, c.Status().Partitions)
	require.Empty(t, c.Status().Warnings)
}

func TestNothingIsCommittedBeforeItIsApplied(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	release, held := make(chan struct{}), make(chan struct{}, 100)
	g.hold = func(ctx context.Context) error {
		held <- struct{}{}
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c := g.start("a")
	g.produce(0, 0, "one", "two")
	<-held
	generation := c.Status().Generation
	// longer than the session timeout: back pressure must not cost the membership
	longer := time.NewTimer(9 * time.Second)
	defer longer.Stop()
	<-longer.C
	got, err := g.committed(testenv.Context(t, time.Minute), 0, 0)
	require.NoError(t, err)
	require.Equal(t, int64(-1), got)
	require.Equal(t, generation, c.Status().Generation)
	// The lag grows with the log, also behind what has been fetched.
	g.produce(0, 0, "three", "four", "five")
	g.waitLag(5)
	close(release)
	g.waitCommitted(0, 0, 5)
	g.waitLag(0)
	require.Equal(t, generation, c.Status().Generation)
}

// A backlog of creates must not make updates wait, although both topics have the same rows in the same partitions.
func TestTopicsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	release, held := make(chan struct{}), make(chan struct{})
	var second atomic.Bool
	g.hold = func(context.Context) error {
		if !second.Swap(true) {
			close(held)
			<-release
		}
		return nil
	}
	g.start("a")
	g.produce(0, 0, "created")
	<-held
	g.produce(1, 0, "updated")
	g.waitCommitted(1, 0, 1)
	require.Error(t, g.has("created")(t.Context()))
	close(release)
	g.waitCommitted(0, 0, 1)
}

func TestWhatWasNotCommittedComesAgain(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	stuck := make(chan struct{}, 100)
	g.hold = func(ctx context.Context) error { // as if killed in the middle
		stuck <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	first := g.start("first")
	g.produce(1, 0, "x", "y")
	<-stuck
	require.NoError(t, first.stop())
	g.mu.Lock()
	require.Empty(t, g.applied)
	g.hold = nil
	g.mu.Unlock()

	g.start("second")
	testenv.Eventually(t, time.Minute, g.has("x", "y"))
	g.waitCommitted(1, 0, 2)
}

func TestABatchUnderWayIsFinishedAtShutdown(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	begun, finish := make(chan struct{}, 100), make(chan struct{})
	g.hold = func(ctx context.Context) error {
		begun <- struct{}{}
		select {
		case <-finish:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c := g.start("a")
	g.produce(0, 0, "x")
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- c.stop() }()
	close(finish)
	require.NoError(t, <-stopped)
	got, err := g.committed(testenv.Context(t, time.Minute), 0, 0)
	require.NoError(t, err)
	require.Equal(t, int64(1), got)
}

func TestBadMessagesGoToTheDeadLettersAndOthersPass(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	g.putErr = errors.New("no broker")
	c := g.start("a")
	g.produce(0, 0, "good", "bad", "rejected", "better")
	testenv.Eventually(t, time.Minute, g.has("good", "better"))
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		if trouble := c.Status().Trouble; trouble == nil || !strings.Contains(trouble.Error(), "no broker") {
			return fmt.Errorf("trouble is %w", trouble)
		}
		return nil
	})
	got, err := g.committed(testenv.Context(t, time.Minute), 0, 0)
	require.NoError(t, err)
	require.Equal(t, int64(-1), got, "committed before the letters were safe")

	g.mu.Lock()
	g.putErr = nil
	g.mu.Unlock()
	g.waitCommitted(0, 0, 4)
	require.NoError(t, c.Status().Trouble)
	g.mu.Lock()
	defer g.mu.Unlock()
	require.Len(t, g.letters, 2)
	require.Equal(t, "malformed", g.letters[0].Rejection.Reason)
	require.Equal(t, int64(1), g.letters[0].Message.Offset)
	require.Equal(t, "bad", string(g.letters[0].Message.Value))
	require.Equal(t, "mapping", g.letters[1].Rejection.Reason)
	require.Equal(t, g.topics[0], g.letters[1].Message.Topic)
	require.Equal(t, int64(2), g.letters[1].Message.Offset)
}

// Who wants to know is told of each change, with what became of it, where it came from, and when it got how far.
func TestHandledChangesAreTold(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	begun := time.Now()
	g.produce(1, 2, "nothing", "good", "bad", "rejected")
	g.start("a")
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.handled) != 2 {
			return fmt.Errorf("%d changes", len(g.handled))
		}
		return nil
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, want := range []struct {
		key     string
		offset  int64
		outcome change.Outcome
	}{{"good", 1, change.Applied}, {"rejected", 3, change.Rejected}} {
		got := g.handled[n]
		require.Equal(t, want.key, got.Change.Key)
		require.Equal(t, want.outcome, got.Result.Outcome)
		require.Equal(t, g.topics[1], got.Topic)
		require.Equal(t, 2, got.Partition)
		require.Equal(t, want.offset, got.Offset)
		require.Nil(t, got.Change.Document)
		for _, times := range [][2]time.Time{
			{begun.Add(-time.Second), got.Written}, {got.Written.Add(-time.Second), got.Taken}, // two clocks, and one of milliseconds
			{got.Taken, got.Answered}, {got.Answered, got.Searchable},
		} {
			require.False(t, times[1].Before(times[0]), "%+v", got)
		}
	}
}

func TestMessagesLargerThanAFetch(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	g.start("a")
	g.produce(0, 1, "small", "large"+strings.Repeat(" ", 800<<10), "last")
	testenv.Eventually(t, time.Minute, g.has("small", "large", "last"))
	g.waitCommitted(0, 1, 3)
}

func TestARowsChangesMeetInOneMember(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	a, b := g.start("a"), g.start("b")
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		both := append(append([]int{}, a.Status().Partitions...), b.Status().Partitions...)
		slices.Sort(both)
		if !slices.Equal(both, []int{0, 1, 2}) || len(a.Status().Partitions) == 0 || len(b.Status().Partitions) == 0 {
			return fmt.Errorf("a has %v, b has %v", a.Status().Partitions, b.Status().Partitions)
		}
		return nil
	})
	var keys []string
	for topic := range g.topics {
		for partition := range partitions {
			key := fmt.Sprintf("t%d-p%d", topic, partition)
			keys = append(keys, key)
			g.produce(topic, partition, key)
		}
	}
	testenv.Eventually(t, time.Minute, g.has(keys...))
	g.mu.Lock()
	for partition := range partitions {
		for topic := range g.topics {
			require.Equal(t, g.byWhom[fmt.Sprintf("t0-p%d", partition)], g.byWhom[fmt.Sprintf("t%d-p%d", topic, partition)])
		}
	}
	g.mu.Unlock()

	// one leaves, the other takes over
	require.NoError(t, a.stop())
	for partition := range partitions {
		g.produce(0, partition, fmt.Sprint("later", partition))
	}
	testenv.Eventually(t, time.Minute, g.has("later0", "later1", "later2"))
}

func TestMissingTopicsAreWaitedFor(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	c := g.start("a")
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		if trouble := c.Status().Trouble; trouble == nil || !strings.Contains(trouble.Error(), "does not exist yet") {
			return fmt.Errorf("trouble is %w", trouble)
		}
		return nil
	})
	g.createTopics()
	g.produce(0, 0, "x")
	testenv.Eventually(t, time.Minute, g.has("x"))
}

func TestUnequalPartitionCountsAreRefused(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	testenv.Topics(t, 3, g.topics[0], g.topics[1])
	testenv.Topics(t, 2, g.topics[2])
	m := member{group: g}
	c := consumer.New(consumer.Config{Brokers: g.brokers(), Group: g.name, Topics: g.topics, Concurrency: 1, SessionTimeout: 6 * time.Second},
		decode, m, m, m, consumer.NewMetrics(g.registry), slog.New(slog.DiscardHandler))
	err := c.Run(testenv.Context(t, time.Minute))
	require.ErrorContains(t, err, "equal numbers of partitions")
	require.ErrorContains(t, err, g.topics[2]+" has 2")
}

func TestSkippedOffsetsAreNoticed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		committed int64
		deleted   int64 // the log's first messages that are gone
		want      string
	}{
		"expired before they were consumed": {committed: 2, deleted: 5, want: "offsets 2 to 5"},
		"a new group on an old topic":       {committed: -1, deleted: 5, want: "offsets 0 to 5"},
		"topic made anew":                   {committed: 1000, deleted: 0, want: "offsets 1000 to 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t).createTopics()
			values := make([]string, 8)
			for n := range values {
				values[n] = fmt.Sprint("v", n)
			}
			g.produce(0, 0, values...)
			if test.committed >= 0 {
				g.commit(0, 0, test.committed)
			}
			if test.deleted > 0 {
				testenv.DeleteRecords(t, g.topics[0], 0, test.deleted)
			}
			c := g.start("a")
			testenv.Eventually(t, time.Minute, g.has(values[test.deleted:]...))
			warnings := strings.Join(c.Status().Warnings, "\n")
			require.Contains(t, warnings, test.want)
			require.Contains(t, warnings, "repair")
			g.waitCommitted(0, 0, 8)
		})
	}
}
