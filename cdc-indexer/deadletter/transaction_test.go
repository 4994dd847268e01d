package deadletter_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/deadletter"
	"ticketing/internal/testenv"
)

// Offsets need not be messages: a transaction's marker takes one, too, and nothing may wait for a message in its place.
func TestTransactionMarkersAreNoLetters(t *testing.T) {
	t.Parallel()
	l := newLetters(t, markedPartitions)
	client := testenv.KafkaClient(t)
	mark(t, client, l.topic)
	l.put("reason", "a")
	mark(t, client, l.topic)
	mark(t, client, l.topic)
	l.put("reason", "b")
	mark(t, client, l.topic)

	found, counts := l.find(deadletter.Selection{})
	require.Equal(t, deadletter.Counts{Open: 2}, counts)
	require.EqualValues(t, 1, found[0].ID.Offset)
	require.EqualValues(t, 4, found[1].ID.Offset)
	summary, err := l.Summary(l.ctx())
	require.NoError(t, err)
	require.Equal(t, 2, summary.Open)
	_, err = l.One(l.ctx(), deadletter.ID{Partition: found[0].ID.Partition, Offset: 2})
	require.ErrorIs(t, err, deadletter.ErrNoLetter)
}

const markedPartitions = 2

// mark has a transaction that writes nothing leave its marker in each partition.
func mark(t *testing.T, client *kafka.Client, topic string) {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	before := ends(t, client, topic)
	id := testenv.Name(t)
	producer := startTransaction(t, client, id)
	request := &kafka.AddPartitionsToTxnRequest{
		TransactionalID: id, ProducerID: producer.ProducerID, ProducerEpoch: producer.ProducerEpoch,
		Topics: map[string][]kafka.AddPartitionToTxn{},
	}
	for partition := range markedPartitions {
		request.Topics[topic] = append(request.Topics[topic], kafka.AddPartitionToTxn{Partition: partition})
	}
	added, err := client.AddPartitionsToTxn(ctx, request)
	require.NoError(t, err)
	for _, partition := range added.Topics[topic] {
		require.NoError(t, partition.Error)
	}
	ended, err := client.EndTxn(ctx, &kafka.EndTxnRequest{
		TransactionalID: id, ProducerID: producer.ProducerID, ProducerEpoch: producer.ProducerEpoch, Committed: true,
	})
	require.NoError(t, err)
	require.NoError(t, ended.Error)
	// The markers come some time after the transaction's end.
	testenv.Eventually(t, 30*time.Second, func(context.Context) error {
		for partition, end := range ends(t, client, topic) {
			if end == before[partition] {
				return fmt.Errorf("partition %d has no marker yet", partition)
			}
		}
		return nil
	})
}

func startTransaction(t *testing.T, client *kafka.Client, id string) *kafka.ProducerSession {
	t.Helper()
	var producer *kafka.ProducerSession
	// At its first transaction a broker has to make a topic for them.
	testenv.Eventually(t, 30*time.Second, func(ctx context.Context) error {
		answer, err := client.InitProducerID(ctx, &kafka.InitProducerIDRequest{TransactionalID: id, TransactionTimeoutMs: 60_000})
		if err != nil {
			return err
		}
		producer = answer.Producer
		return answer.Error
	})
	return producer
}

func ends(t *testing.T, client *kafka.Client, topic string) map[int]int64 {
	t.Helper()
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for partition := range markedPartitions {
		request.Topics[topic] = append(request.Topics[topic], kafka.LastOffsetOf(partition))
	}
	response, err := client.ListOffsets(testenv.Context(t, time.Minute), request)
	require.NoError(t, err)
	found := map[int]int64{}
	for _, offsets := range response.Topics[topic] {
		require.NoError(t, offsets.Error)
		found[offsets.Partition] = offsets.LastOffset
	}
	return found
}
