package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/eventapi/event"
)

// table inserts what it is given, as Postgres would: all rows, or none and an error. It waits for a token before each time.
type table struct {
	begun  atomic.Int32 // how often it was asked
	tokens chan struct{}

	mu     sync.Mutex
	groups [][]string // titles
}

func (tb *table) insert(_ context.Context, all rows) ([]event.Event, event.Position, error) {
	tb.begun.Add(1)
	<-tb.tokens
	tb.mu.Lock()
	defer tb.mu.Unlock()
	var inserted []event.Event
	var titles []string
	for _, row := range slices.Backward(all) { // RETURNING promises no order
		var e event.Event
		if err := json.Unmarshal(row, &e); err != nil {
			return nil, 0, err
		}
		if strings.HasPrefix(e.Title, "refused") {
			return nil, 0, &event.ItemError{Err: &event.InvalidError{Fields: []event.FieldError{{Field: "title", Message: e.Title}}}}
		}
		inserted, titles = append(inserted, e), append(titles, e.Title)
	}
	slices.Sort(titles)
	tb.groups = append(tb.groups, titles)
	return inserted, event.Position(len(tb.groups)), nil
}

// gathering is a gatherer over a table, with a first event under way and the given ones waiting.
type gathering struct {
	*gatherer

	table    *table
	outcomes map[string]chan outcome
}

func startGathering(t *testing.T, ctx context.Context, titles ...string) *gathering { //nolint:revive // t first, as everywhere in tests
	t.Helper()
	tb := &table{tokens: make(chan struct{})}
	g := &gathering{gatherer: newGatherer(t.Context(), tb.insert), table: tb, outcomes: map[string]chan outcome{}}
	t.Cleanup(g.close)
	g.begin(t.Context(), "first")
	g.underWay(t, 1)
	for n, title := range titles {
		g.begin(ctx, title)
		g.wait(t, n+1)
	}
	return g
}

// underWay returns when n groups have been begun.
func (g *gathering) underWay(t *testing.T, n int32) {
	t.Helper()
	require.Eventually(t, func() bool { return g.table.begun.Load() == n }, time.Minute, time.Millisecond)
}

// wait returns when n events wait for the next group.
func (g *gathering) wait(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(g.waiting) == n }, time.Minute, time.Millisecond)
}

// begin begins to create an event.
func (g *gathering) begin(ctx context.Context, title string) {
	answer := make(chan outcome, 1)
	g.outcomes[title] = answer
	go func() {
		created, at, err := g.create(ctx, event.Fields{Title: title})
		answer <- outcome{created, at, err}
	}()
}

// release lets the table insert n times.
func (g *gathering) release(n int) {
	for range n {
		g.table.tokens <- struct{}{}
	}
}

func (g *gathering) outcome(t *testing.T, title string) outcome {
	t.Helper()
	select {
	case got := <-g.outcomes[title]:
		return got
	case <-time.After(10 * time.Second):
		require.Fail(t, "no answer for "+title)
		return outcome{}
	}
}

// What comes while a group is under way is the next group, and everybody gets their own event.
func TestCreatesThatWaitAreOneGroup(t *testing.T) {
	t.Parallel()
	g := startGathering(t, t.Context(), "a", "b", "c")
	g.release(2)
	require.EqualValues(t, 1, g.outcome(t, "first").at)
	for _, title := range []string{"a", "b", "c"} {
		got := g.outcome(t, title)
		require.NoError(t, got.err)
		require.Equal(t, title, got.event.Title)
		require.EqualValues(t, 2, got.at)
	}
	require.Equal(t, [][]string{{"first"}, {"a", "b", "c"}}, g.table.groups)
}

func TestGroupsAreBounded(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", groupBytes)
	g := startGathering(t, t.Context(), "a", large, "b")
	g.release(3)
	require.NoError(t, g.outcome(t, "b").err)
	require.Equal(t, [][]string{{"first"}, {"a", large}, {"b"}}, g.table.groups)

	var titles []string
	for n := range groupRows {
		titles = append(titles, fmt.Sprintf("%03d", n))
	}
	g = startGathering(t, t.Context(), titles...)
	g.release(1)
	g.underWay(t, 2)
	g.begin(t.Context(), "one too many")
	g.release(2)
	require.NoError(t, g.outcome(t, "one too many").err)
	require.Equal(t, [][]string{{"first"}, titles, {"one too many"}}, g.table.groups)
}

// An event that Postgres refuses takes no other with it.
func TestWhatIsRefusedIsRefusedAlone(t *testing.T) {
	t.Parallel()
	g := startGathering(t, t.Context(), "a", "refused 1", "b", "refused 2")
	g.release(2 + 4)
	for _, title := range []string{"a", "b"} {
		got := g.outcome(t, title)
		require.NoError(t, got.err)
		require.Equal(t, title, got.event.Title)
	}
	for _, title := range []string{"refused 1", "refused 2"} {
		var invalid *event.InvalidError
		require.ErrorAs(t, g.outcome(t, title).err, &invalid)
		require.Equal(t, title, invalid.Fields[0].Message)
	}
	require.Equal(t, [][]string{{"first"}, {"a"}, {"b"}}, g.table.groups)
}

// A request that has been told that it failed while it waited is not written.
func TestWhatNobodyWaitsForIsNotWritten(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	g := startGathering(t, ctx, "gone")
	g.begin(t.Context(), "a")
	g.wait(t, 2)
	cancel()
	require.ErrorIs(t, g.outcome(t, "gone").err, event.ErrUnavailable)
	g.release(2)
	require.NoError(t, g.outcome(t, "a").err)
	require.Equal(t, [][]string{{"first"}, {"a"}}, g.table.groups)
}

// Closing ends the group under way, and tells all others.
func TestCloseAnswersEverybody(t *testing.T) {
	t.Parallel()
	g := startGathering(t, t.Context(), "a")
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		g.close()
	}()
	<-g.closing
	g.release(1)
	<-closed
	require.ErrorIs(t, g.outcome(t, "a").err, event.ErrUnavailable)
	_, _, err := g.create(t.Context(), event.Fields{Title: "late"})
	require.ErrorIs(t, err, event.ErrUnavailable)
	require.Equal(t, [][]string{{"first"}}, g.table.groups)
}
