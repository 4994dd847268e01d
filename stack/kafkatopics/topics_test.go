package kafkatopics

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTopicsOfChangesHaveEqualPartitions(t *testing.T) {
	t.Parallel()
	all := All()
	require.Len(t, all, 5)
	for _, topic := range all[:3] {
		require.Equal(t, 6, topic.Partitions, topic.Name)
		require.Equal(t, (168 * time.Hour).Milliseconds(), topic.RetentionMillis, topic.Name)
	}
	require.Greater(t, all[3].MaxMessageBytes, all[0].MaxMessageBytes, "a dead letter is its message and headers")
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	broker := strings.Split(testenv.Address(t, testenv.KafkaBrokers), ",")[0]
	client := testenv.KafkaClient(t)
	ctx := testenv.Context(t, time.Minute)
	topics := []Topic{{Name: testenv.Name(t), Partitions: 2, RetentionMillis: 1000, MaxMessageBytes: 2000}}
	t.Cleanup(func() {
		_, err := client.DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: []string{topics[0].Name}})
		require.NoError(t, err)
	})

	var said strings.Builder
	require.NoError(t, Ensure(ctx, broker, topics, &said))
	require.Equal(t, "created topic "+topics[0].Name+"\n", said.String())
	require.Equal(t, map[string]string{"retention.ms": "1000", "max.message.bytes": "2000"}, settings(t, client, topics[0].Name))

	topics[0].RetentionMillis = 5000
	require.NoError(t, Ensure(ctx, broker, topics, io.Discard))
	require.Equal(t, map[string]string{"retention.ms": "5000", "max.message.bytes": "2000"}, settings(t, client, topics[0].Name))
}

func TestEnsureSaysThatNoBrokerAnswers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, Ensure(ctx, "127.0.0.1:1", All(), io.Discard), "create topics")
}

func settings(t *testing.T, client *kafka.Client, topic string) map[string]string {
	t.Helper()
	response, err := client.DescribeConfigs(testenv.Context(t, time.Minute), &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms", "max.message.bytes"},
		}},
	})
	require.NoError(t, err)
	found := map[string]string{}
	for _, entry := range response.Resources[0].ConfigEntries {
		found[entry.ConfigName] = entry.ConfigValue
	}
	return found
}
