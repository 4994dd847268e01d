package deadletter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/deadletter"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestALetterKeepsTheOriginalAndSaysWhy(t *testing.T) {
	t.Parallel()
	brokers := strings.Split(testenv.Address(t, testenv.KafkaBrokers), ",")
	topic := testenv.Name(t)
	testenv.Topics(t, 1, topic)
	queue := deadletter.NewQueue(brokers, topic, "events")
	defer func() { require.NoError(t, queue.Close()) }()
	ctx := testenv.Context(t, time.Minute)
	written := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	require.NoError(t, queue.Put(ctx, []deadletter.Letter{
		{
			Message: kafka.Message{
				Topic: "event-created", Partition: 4, Offset: 123, Time: written, Key: []byte("k"), Value: []byte("\x00no JSON"),
				Headers: []kafka.Header{{Key: "trace", Value: []byte("t")}},
			},
			Rejection: change.Rejection{Reason: "malformed-envelope", Detail: strings.Repeat("ü", 5000)},
		},
		{Message: kafka.Message{Topic: "event-deleted"}, Rejection: change.Rejection{Reason: "invalid-key"}},
	}))

	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, Topic: topic, MaxWait: 100 * time.Millisecond})
	defer func() { require.NoError(t, reader.Close()) }()
	letter, err := reader.ReadMessage(ctx)
	require.NoError(t, err)
	require.Equal(t, "k", string(letter.Key))
	require.Equal(t, "\x00no JSON", string(letter.Value))
	headers := map[string]string{}
	for _, header := range letter.Headers {
		headers[header.Key] = string(header.Value)
	}
	require.Equal(t, "t", headers["trace"])
	require.Equal(t, "malformed-envelope", headers[deadletter.HeaderReason])
	require.Equal(t, "events", headers[deadletter.HeaderPipeline])
	require.Equal(t, "event-created", headers[deadletter.HeaderTopic])
	require.Equal(t, "4", headers[deadletter.HeaderPartition])
	require.Equal(t, "123", headers[deadletter.HeaderOffset])
	require.Equal(t, "2026-01-02T03:04:05Z", headers[deadletter.HeaderTime])
	require.NotEmpty(t, headers[deadletter.HeaderFailedAt])
	require.Less(t, len(headers[deadletter.HeaderDetail]), 5000, "the detail must be clipped")

	second, err := reader.ReadMessage(ctx)
	require.NoError(t, err)
	require.Empty(t, second.Value)
}

func TestPutFailsWithoutATopic(t *testing.T) {
	t.Parallel()
	queue := deadletter.NewQueue(strings.Split(testenv.Address(t, testenv.KafkaBrokers), ","), testenv.Name(t), "events")
	defer func() { require.NoError(t, queue.Close()) }()
	err := queue.Put(testenv.Context(t, time.Minute), []deadletter.Letter{{Message: kafka.Message{Value: []byte("x")}}})
	require.ErrorIs(t, err, kafka.UnknownTopicOrPartition)
}
