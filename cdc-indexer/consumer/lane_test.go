package consumer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/arena"
	"ticketing/cdc-indexer/change"
)

type everythingApplied struct{}

func (everythingApplied) Apply(_ context.Context, changes []change.Change) ([]change.Result, error) {
	results := make([]change.Result, len(changes))
	for n := range results {
		results[n].Outcome = change.Applied
	}
	return results, nil
}

func (everythingApplied) Request(func())      {}
func (everythingApplied) RequestLater(func()) {}

func (everythingApplied) Put(context.Context, []Letter) error { return nil }

// unconnected returns a consumer that meets no server. A message's value is its change's key; an empty one has no change.
func unconnected(concurrency int, applier Applier, refresher Refresher) *Consumer {
	decode := func(_ *arena.Arena, _, value []byte) (change.Change, error) {
		if len(value) == 0 {
			return change.Change{}, change.ErrNoChange
		}
		return change.Change{Key: string(value)}, nil
	}
	return New(Config{Brokers: []string{"localhost:1"}, Concurrency: concurrency}, decode, applier, refresher, everythingApplied{},
		NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
}

// one is the memory of a chunk of one message.
func one(value string) *memory { return &memory{messages: []kafka.Message{{Value: []byte(value)}}} }

// oneMessage gives the same message for ever.
type oneMessage struct{}

func (oneMessage) next(ctx context.Context) (chunk, bool) {
	return chunk{topic: "t", memory: one("k"), next: 1, behind: &behind{}}, ctx.Err() == nil
}

func (oneMessage) look(ctx context.Context) { <-ctx.Done() }

// A lane that cannot commit must end although its context goes on: the library ends the generation, and begins
// another at what was committed, only when one of its functions returns.
func TestALaneThatCannotCommitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := unconnected(1, everythingApplied{}, everythingApplied{})
		refused := errors.New("refused")
		l := &lane{
			consumer: c,
			commit:   func(map[string]map[int]int64) error { return refused },
			source:   oneMessage{},
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.run(t.Context())
		}()
		select {
		case <-ended:
		case <-time.After(time.Minute): // of the bubble's time: at once when everything is blocked
			t.Fatal("the lane hangs")
		}
		require.ErrorIs(t, c.Status().Trouble, refused)
	})
}

// refreshes notes which were asked for.
type refreshes struct{ asked []string }

func (r *refreshes) Request(func())      { r.asked = append(r.asked, "soon") }
func (r *refreshes) RequestLater(func()) { r.asked = append(r.asked, "later") }

// What is at the end of its log is new. In a backlog, refreshes only cost.
func TestRefreshesInABacklogDoNotHurry(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fetched chunk
		asked   []string
	}{
		"at the end":            {chunk{memory: one("k"), next: 5, end: 5}, []string{"soon"}},
		"more is waiting":       {chunk{memory: one("k"), next: 5, end: 6}, []string{"later"}},
		"at a backlog's end":    {chunk{memory: one("k"), next: 5, end: 5, release: func() {}}, []string{"later"}},
		"nothing for the index": {chunk{memory: one(""), next: 5, end: 5}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refresher refreshes
			c := unconnected(1, everythingApplied{}, &refresher)
			require.NoError(t, c.process(t.Context(), test.fetched))
			require.Equal(t, test.asked, refresher.asked)
		})
	}
}

// heldUp applies nothing before it is let go, but says what it has been given.
type heldUp struct {
	everythingApplied
	given chan string
	letGo chan struct{}
}

func (h heldUp) Apply(ctx context.Context, changes []change.Change) ([]change.Result, error) {
	h.given <- changes[0].Key
	<-h.letGo
	return h.everythingApplied.Apply(ctx, changes)
}

// New changes have a turn of their own, which a backlog cannot take: they are not held up by it.
func TestWhatIsFreshDoesNotQueueBehindABacklog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		applier := heldUp{given: make(chan string, 8), letGo: make(chan struct{})}
		c := unconnected(2, applier, applier)
		var processing sync.WaitGroup
		process := func(key string, end int64) {
			processing.Go(func() {
				assert.NoError(t, c.process(t.Context(), chunk{topic: "t", memory: one(key), next: 1, end: end}))
			})
			synctest.Wait()
		}
		process("backlog 1", 100)
		process("backlog 2", 100)
		process("backlog 3", 100)
		process("fresh 1", 1)
		process("fresh 2", 1)
		process("fresh 3", 1) // there is a bound to these, too
		require.Len(t, applier.given, 4)
		for _, key := range []string{"backlog 1", "backlog 2", "fresh 1", "fresh 2"} {
			require.Equal(t, key, <-applier.given)
		}
		close(applier.letGo)
		processing.Wait()
		require.Len(t, applier.given, 2)
	})
}

// letterbox keeps letters, and lets something happen before it does.
type letterbox struct {
	everythingApplied
	before  func()
	letters []Letter
}

func (l *letterbox) Put(_ context.Context, letters []Letter) error {
	l.before()
	l.letters = append(l.letters, letters...)
	return nil
}

// When letters are put away, which may take long, the chunk's turn is over and its memory is that of another chunk.
func TestALetterOutlivesTheMemoryOfItsChunk(t *testing.T) {
	t.Parallel()
	rejecting := func(*arena.Arena, []byte, []byte) (change.Change, error) {
		return change.Change{}, &change.Rejection{Reason: "malformed"}
	}
	c := unconnected(1, everythingApplied{}, everythingApplied{})
	c.decode = rejecting
	fill := func(m *memory, content string) {
		value := append(m.arena.Bytes(len(content)), content...)
		m.messages = append(m.messages, kafka.Message{Key: value[:3], Value: value})
	}
	c.giveBack(one("")) // as after a first chunk
	first := c.takeMemory()
	fill(first, "the first")
	first.reset() // now there is a block
	fill(first, "the first")
	box := &letterbox{before: func() {
		second := c.takeMemory()
		require.Same(t, first, second)
		fill(second, "another")
	}}
	c.deadLetters = box
	require.NoError(t, c.process(t.Context(), chunk{topic: "t", memory: first, next: 1, end: 1, release: func() { c.giveBack(first) }}))
	require.Len(t, box.letters, 1)
	require.Equal(t, "the first", string(box.letters[0].Message.Value))
	require.Equal(t, "the", string(box.letters[0].Message.Key))
}

// However many chunks are done at the same time, not more memory is kept than turns can use.
func TestAsMuchMemoryIsKeptAsThereAreTurns(t *testing.T) {
	t.Parallel()
	c := unconnected(2, everythingApplied{}, everythingApplied{})
	memories := []*memory{one("a"), one("b"), one("c")}
	for _, m := range memories {
		c.giveBack(m)
	}
	require.Same(t, memories[0], c.takeMemory())
	require.Same(t, memories[1], c.takeMemory())
	require.Empty(t, c.spare)
	require.Empty(t, memories[0].messages)
	require.Zero(t, memories[0].messages[:1][0], "nothing of the last chunk is held on to")
}
