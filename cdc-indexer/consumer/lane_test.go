package consumer

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

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

// A lane that cannot commit must end although its context goes on: the library ends the generation, and begins
// another at what was committed, only when one of its functions returns.
func TestALaneThatCannotCommitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		decode := func(_, value []byte) (change.Change, error) { return change.Change{Key: string(value)}, nil }
		var parts everythingApplied
		c := New(Config{Brokers: []string{"localhost:1"}, Concurrency: 1}, decode, parts, parts, parts,
			NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		refused := errors.New("refused")
		l := &lane{
			consumer: c,
			commit:   func(map[string]map[int]int64) error { return refused },
			sources: []source{func(ctx context.Context, chunks chan<- chunk) {
				chunks <- chunk{topic: "t", messages: []kafka.Message{{Value: []byte("k")}}, next: 1, behind: &behind{}}
				<-ctx.Done()
			}},
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
	decode := func(_, value []byte) (change.Change, error) {
		if len(value) == 0 {
			return change.Change{}, change.ErrNoChange
		}
		return change.Change{Key: string(value)}, nil
	}
	messages := []kafka.Message{{Value: []byte("k")}}
	for name, test := range map[string]struct {
		batch []chunk
		asked []string
	}{
		"at the end":               {[]chunk{{messages: messages, next: 5, end: 5}}, []string{"soon"}},
		"more is waiting":          {[]chunk{{messages: messages, next: 5, end: 6}}, []string{"later"}},
		"more in one of two":       {[]chunk{{messages: messages, next: 5, end: 5}, {messages: messages, next: 1, end: 9}}, []string{"soon"}},
		"nothing for the index":    {[]chunk{{messages: []kafka.Message{{}}, next: 5, end: 5}}, nil},
		"nothing that was fetched": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var parts everythingApplied
			var refresher refreshes
			c := New(Config{Brokers: []string{"localhost:1"}, Concurrency: 1}, decode, parts, &refresher, parts,
				NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
			require.NoError(t, c.process(t.Context(), test.batch))
			require.Equal(t, test.asked, refresher.asked)
		})
	}
}
