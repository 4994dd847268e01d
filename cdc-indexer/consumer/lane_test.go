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

func (everythingApplied) Request(func()) {}

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
