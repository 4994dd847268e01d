package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/consumer"
	"ticketing/internal/testenv"
)

func (g *group) newLog() *consumer.Log {
	g.t.Helper()
	log := consumer.NewLog(consumer.LogConfig{Brokers: g.brokers(), Topics: g.topics, FetchBytes: 64 << 10, Concurrency: 2}, decode)
	g.t.Cleanup(log.Close)
	return log
}

func (g *group) ctx() context.Context { return testenv.Context(g.t, time.Minute) }

// offsets of the three topics, by the numbers of their partitions.
func (g *group) offsets(created, updated, deleted []int64) consumer.Offsets {
	return consumer.Offsets{g.topics[0]: created, g.topics[1]: updated, g.topics[2]: deleted}
}

// commit sets the group's offset in a partition.
func (g *group) commit(topic, partition int, offset int64) {
	g.t.Helper()
	// At its first group a broker has to make a topic for offsets.
	testenv.Eventually(g.t, 30*time.Second, func(ctx context.Context) error {
		response, err := g.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
			GroupID: g.name, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{g.topics[topic]: {{Partition: partition, Offset: offset}}},
		})
		if err != nil {
			return err
		}
		return response.Topics[g.topics[topic]][0].Error
	})
}

func TestPositionsInTheLog(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	log := g.newLog()
	empty := g.offsets([]int64{0, 0, 0}, []int64{0, 0, 0}, []int64{0, 0, 0})
	ends, err := log.Ends(g.ctx())
	require.NoError(t, err)
	require.Equal(t, empty, ends)

	g.produce(0, 0, "a", "b", "c")
	g.produce(1, 2, "d")
	testenv.DeleteRecords(t, g.topics[0], 0, 2)
	g.commit(1, 2, 1)
	ends, err = log.Ends(g.ctx())
	require.NoError(t, err)
	require.Equal(t, g.offsets([]int64{3, 0, 0}, []int64{0, 0, 1}, []int64{0, 0, 0}), ends)
	starts, err := log.Starts(g.ctx())
	require.NoError(t, err)
	require.Equal(t, g.offsets([]int64{2, 0, 0}, []int64{0, 0, 0}, []int64{0, 0, 0}), starts)
	committed, err := log.Committed(g.ctx(), g.name)
	require.NoError(t, err)
	require.Equal(t, g.offsets([]int64{2, 0, 0}, []int64{0, 0, 1}, []int64{0, 0, 0}), committed, "where none is committed: the start")
	committed, err = log.Committed(g.ctx(), testenv.Name(t))
	require.NoError(t, err)
	require.Equal(t, starts, committed, "nobody has consumed anything")
}

func TestPositionsInATopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	_, err := g.newLog().Ends(g.ctx())
	require.ErrorContains(t, err, "topic "+g.name)
	_, err = g.newLog().Committed(g.ctx(), g.name)
	require.ErrorContains(t, err, "topic "+g.name)
}

// reading collects what Read hands over.
type reading struct {
	mu   sync.Mutex
	keys []string
}

func (r *reading) each(_ context.Context, changes []change.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range changes {
		r.keys = append(r.keys, c.Key)
	}
	return nil
}

func TestReadBetweenTwoPositions(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	g.produce(0, 0, "a0", "a1", "a2", "a3", "a4")
	g.produce(0, 1, "b0", "b1")
	g.produce(1, 2, "c0", "bad", "nothing", "c3", "bad")
	g.produce(2, 0, "nothing")
	log := g.newLog()
	whole, err := log.Ends(g.ctx())
	require.NoError(t, err)
	none := g.offsets([]int64{0, 0, 0}, []int64{0, 0, 0}, []int64{0, 0, 0})
	tests := map[string]struct {
		from, to    consumer.Offsets
		keys        []string
		undecodable int64
	}{
		"all":                  {none, whole, []string{"a0", "a1", "a2", "a3", "a4", "b0", "b1", "c0", "c3"}, 2},
		"nothing":              {whole, whole, nil, 0},
		"some":                 {g.offsets([]int64{1, 1, 0}, []int64{0, 0, 1}, []int64{0, 0, 0}), g.offsets([]int64{4, 2, 0}, []int64{0, 0, 4}, []int64{1, 0, 0}), []string{"a1", "a2", "a3", "b1", "c3"}, 1},
		"one":                  {g.offsets([]int64{2}, nil, nil), g.offsets([]int64{3}, nil, nil), []string{"a2"}, 0},
		"a partition is new":   {consumer.Offsets{g.topics[0]: {4}}, consumer.Offsets{g.topics[0]: {5, 1}}, []string{"a4", "b0"}, 0},
		"backwards is nothing": {whole, none, nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r reading
			undecodable, err := log.Read(testenv.Context(t, time.Minute), test.from, test.to, r.each)
			require.NoError(t, err)
			slices.Sort(r.keys)
			require.Equal(t, test.keys, r.keys)
			require.Equal(t, test.undecodable, undecodable)
		})
	}
}

func TestReadKeepsTheOrderOfAPartition(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	const many = 500
	want := make([]string, many)
	for n := range want {
		want[n] = fmt.Sprintf("%0500d", n) // more than a fetch takes
	}
	for part := range slices.Chunk(want, 50) {
		g.produce(0, 0, part...)
	}
	var r reading
	batches := 0
	_, err := g.newLog().Read(g.ctx(), consumer.Offsets{}, consumer.Offsets{g.topics[0]: {many - 1}}, func(ctx context.Context, changes []change.Change) error {
		batches++
		return r.each(ctx, changes)
	})
	require.NoError(t, err)
	require.Equal(t, want[:many-1], r.keys)
	require.Greater(t, batches, 1)
}

func TestReadOfMessagesThatHaveExpired(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	g.produce(1, 2, "a", "b", "c", "d")
	testenv.DeleteRecords(t, g.topics[1], 2, 3)
	_, err := g.newLog().Read(g.ctx(), g.offsets(nil, []int64{0, 0, 1}, nil), g.offsets(nil, []int64{0, 0, 4}, nil), new(reading).each)
	require.ErrorIs(t, err, kafka.OffsetOutOfRange)
	require.ErrorContains(t, err, fmt.Sprintf("messages of %s/2 from offset 1 on are not in the log any more", g.topics[1]))
}

func TestReadEndsWithAnErrorOfItsReceiver(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	g.produce(0, 0, "a")
	full := errors.New("full")
	_, err := g.newLog().Read(g.ctx(), consumer.Offsets{}, consumer.Offsets{g.topics[0]: {1}}, func(context.Context, []change.Change) error { return full })
	require.ErrorIs(t, err, full)
}

func TestReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	g.produce(0, 0, "a")
	ctx, cancel := context.WithCancel(g.ctx())
	_, err := g.newLog().Read(ctx, consumer.Offsets{}, consumer.Offsets{g.topics[0]: {2}}, func(context.Context, []change.Change) error {
		cancel() // the second message never comes
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

func TestOldest(t *testing.T) {
	t.Parallel()
	g := newGroup(t).createTopics()
	log := g.newLog()
	_, found, err := log.Oldest(g.ctx())
	require.NoError(t, err)
	require.False(t, found)

	start := time.Now().Truncate(time.Millisecond).Add(-time.Hour)
	at := func(topic, partition int, hours ...int) {
		records := make([]kafka.Record, len(hours))
		for n, h := range hours {
			records[n] = kafka.Record{Value: kafka.NewBytes([]byte("v")), Time: start.Add(-time.Duration(h) * time.Hour)}
		}
		response, err := g.client.Produce(g.ctx(), &kafka.ProduceRequest{
			Topic: g.topics[topic], Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
		})
		require.NoError(t, err)
		require.NoError(t, response.Error)
	}
	at(0, 0, 2, 1)
	at(1, 1, 5, 4)
	at(2, 2, 3)
	oldest, found, err := log.Oldest(g.ctx())
	require.NoError(t, err)
	require.True(t, found)
	require.WithinDuration(t, start.Add(-5*time.Hour), oldest, 0)

	testenv.DeleteRecords(t, g.topics[1], 1, 1)
	oldest, _, err = log.Oldest(g.ctx())
	require.NoError(t, err)
	require.WithinDuration(t, start.Add(-4*time.Hour), oldest, 0)
	testenv.DeleteRecords(t, g.topics[1], 1, 2)
	oldest, _, err = log.Oldest(g.ctx())
	require.NoError(t, err)
	require.WithinDuration(t, start.Add(-3*time.Hour), oldest, 0, "an empty partition has none")
}
