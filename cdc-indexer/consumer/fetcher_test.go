package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/stretchr/testify/require"
)

// messageAtATime answers like a broker whose partitions all hold the same messages, and gives one in a fetch.
type messageAtATime struct {
	end     atomic.Int64
	fetches atomic.Int64 // those that brought a message
	refuses atomic.Bool
}

func (l *messageAtATime) RoundTrip(ctx context.Context, _ net.Addr, request kafka.Request) (kafka.Response, error) {
	switch asked := request.(type) {
	case *listoffsets.Request:
		topic := asked.Topics[0]
		number := topic.Partitions[0].Partition
		return &listoffsets.Response{Topics: []listoffsets.ResponseTopic{{Topic: topic.Topic, Partitions: []listoffsets.ResponsePartition{
			{Partition: number, Timestamp: kafka.FirstOffset, Offset: 0}, {Partition: number, Timestamp: kafka.LastOffset, Offset: l.end.Load()},
		}}}}, nil
	case *fetch.Request:
		if l.refuses.Load() {
			return nil, errors.New("refused")
		}
		topic := asked.Topics[0]
		return &fetch.Response{Topics: []fetch.ResponseTopic{{Topic: topic.Topic, Partitions: []fetch.ResponsePartition{{
			Partition: topic.Partitions[0].Partition, HighWatermark: l.end.Load(),
			RecordSet: protocol.RecordSet{Records: l.at(ctx, topic.Partitions[0].FetchOffset)},
		}}}}}, nil
	default:
		return nil, fmt.Errorf("%T is not expected", request)
	}
}

func (l *messageAtATime) at(ctx context.Context, offset int64) kafka.RecordReader {
	if offset >= l.end.Load() {
		sleep(ctx, maxWait)
		return kafka.NewRecordReader()
	}
	l.fetches.Add(1)
	return kafka.NewRecordReader(kafka.Record{Offset: offset, Value: kafka.NewBytes([]byte("k"))})
}

// lanes starts one lane for each of so many partitions, with two messages in each.
func lanes(t *testing.T, c *Consumer, log *messageAtATime, number int) {
	t.Helper()
	log.end.Store(2)
	c.client = &kafka.Client{Addr: kafka.TCP("localhost:1"), Transport: log}
	for n := range number {
		l := &lane{
			consumer: c,
			commit:   func(map[string]map[int]int64) error { return nil },
			source: &fetcher{
				partition: c.partition("t", n), consumer: c, offset: 0,
				behind: &behind{lag: c.metrics.lag.WithLabelValues("t", fmt.Sprint(n))},
			},
		}
		go l.run(t.Context())
	}
	synctest.Wait()
}

// What waits in Kafka stays there until it can be applied: memory does not grow with the number of partitions.
func TestABacklogIsFetchedInItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		applier := heldUp{given: make(chan string, 64), letGo: make(chan struct{})}
		log := &messageAtATime{}
		const concurrency, partitions = 2, 6
		lanes(t, unconnected(concurrency, applier, applier), log, partitions)
		require.Len(t, applier.given, concurrency)
		require.EqualValues(t, concurrency, log.fetches.Load(), "nothing is fetched beyond what is being applied")

		close(applier.letGo)
		synctest.Wait()
		require.Len(t, applier.given, partitions*int(log.end.Load()), "all have had their turns")
	})
}

// A broker that refuses must not keep the turns that other partitions need.
func TestAFetchThatFailsGivesItsTurnBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := unconnected(1, everythingApplied{}, everythingApplied{})
		log := &messageAtATime{}
		log.refuses.Store(true)
		lanes(t, c, log, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of the bubble's time
		defer cancel()
		release, err := c.takeTurn(ctx, false)
		require.NoError(t, err)
		release()

		log.refuses.Store(false)
		time.Sleep(time.Minute)
		require.Equal(t, log.end.Load(), log.fetches.Load())
	})
}

// While nothing gets on, what is written meanwhile must show in the lag of every partition, not only of those being applied.
func TestTheLagGrowsWhileLanesWaitForTheirTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		applier := heldUp{given: make(chan string, 64), letGo: make(chan struct{})}
		c, log := unconnected(1, applier, applier), &messageAtATime{}
		const partitions = 3
		lanes(t, c, log, partitions)
		log.end.Store(50)
		time.Sleep(lookEvery)
		synctest.Wait()
		for n := range partitions {
			require.InDelta(t, 50, testutil.ToFloat64(c.metrics.lag.WithLabelValues("t", fmt.Sprint(n))), 0)
		}
		close(applier.letGo)
	})
}
