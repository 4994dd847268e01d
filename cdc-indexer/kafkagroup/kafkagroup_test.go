package kafkagroup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/kafkagroup"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// group is a consumer group with two topics of its own on the real broker.
type group struct {
	t      *testing.T
	client *kafka.Client
	config kafkagroup.Config
}

func newGroup(t *testing.T) *group {
	t.Helper()
	name := testenv.Name(t)
	return &group{t: t, client: testenv.KafkaClient(t), config: kafkagroup.Config{
		Brokers: strings.Split(testenv.Address(t, testenv.KafkaBrokers), ","),
		Group:   name, Topics: []string{name + "-a", name + "-b"}, Ages: true,
	}}
}

func (g *group) inspect() health.Kafka {
	g.t.Helper()
	answer, err := kafkagroup.Inspect(testenv.Context(g.t, time.Minute), g.config)
	require.NoError(g.t, err)
	return answer
}

func (g *group) produce(topic, partition int, at time.Time, values ...string) {
	g.t.Helper()
	records := make([]kafka.Record, len(values))
	for n, value := range values {
		records[n] = kafka.Record{Value: kafka.NewBytes([]byte(value)), Time: at.Add(time.Duration(n) * time.Second)}
	}
	response, err := g.client.Produce(testenv.Context(g.t, time.Minute), &kafka.ProduceRequest{
		Topic: g.config.Topics[topic], Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(records...), Compression: kafka.Lz4,
	})
	require.NoError(g.t, err)
	require.NoError(g.t, response.Error)
}

func (g *group) commit(topic, partition int, offset int64) {
	g.t.Helper()
	testenv.Eventually(g.t, time.Minute, func(ctx context.Context) error { // a new group's coordinator takes a moment
		response, err := g.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
			GroupID: g.config.Group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{g.config.Topics[topic]: {{Partition: partition, Offset: offset}}},
		})
		if err != nil {
			return err
		}
		return response.Topics[g.config.Topics[topic]][0].Error
	})
}

func TestWhereAGroupStands(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	testenv.Topics(t, 2, g.config.Topics...)
	written := time.Now().Add(-time.Hour).Truncate(time.Millisecond).UTC()
	g.produce(0, 1, written, "a", "b", strings.Repeat("c", 100_000), "d") // one compressed batch
	g.produce(1, 0, written, "a")
	g.commit(0, 1, 2)
	g.commit(1, 0, 1)
	answer := g.inspect()
	a, b := g.config.Topics[0], g.config.Topics[1]
	require.Equal(t, []health.Topic{{Name: a, Partitions: 2}, {Name: b, Partitions: 2}}, answer.Topics)
	for n := range answer.Partitions {
		answer.Partitions[n].Waiting = answer.Partitions[n].Waiting.UTC()
	}
	require.Equal(t, []health.Partition{
		{Topic: a, Number: 0, Committed: -1},
		{Topic: a, Number: 1, End: 4, Committed: 2, Waiting: written.Add(2 * time.Second)},
		{Topic: b, Number: 0, End: 1, Committed: 1},
		{Topic: b, Number: 1, Committed: -1},
	}, answer.Partitions)
	require.Equal(t, "Empty", answer.GroupState)
	require.Empty(t, answer.Members)

	g.config.Ages = false
	require.Zero(t, g.inspect().Partitions[1].Waiting)
}

// Messages that expire before they are consumed are seen while nothing has been skipped yet.
func TestOffsetsBelowTheLogsStart(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	testenv.Topics(t, 1, g.config.Topics...)
	g.produce(0, 0, time.Now(), "a", "b", "c", "d")
	g.commit(0, 0, 1)
	testenv.DeleteRecords(t, g.config.Topics[0], 0, 3)
	answer := g.inspect()
	p := answer.Partitions[0]
	require.Equal(t, [3]int64{3, 4, 1}, [3]int64{p.First, p.End, p.Committed})
	require.False(t, p.Waiting.IsZero(), "the first message that is still there")
	require.EqualValues(t, 1, p.Lag())
	finding := judge(answer, health.PartOffsets)
	require.Equal(t, health.Failed, finding.State)
	require.Contains(t, finding.Summary, fmt.Sprintf("2 messages have expired before being consumed: %s/0 at 1, the log begins at 3", g.config.Topics[0]))
}

// judge returns what is said of one part.
func judge(answer health.Kafka, part health.Part) health.Finding {
	report := health.Judge(health.Facts{At: time.Now(), Kafka: &answer}, health.About{}, health.Limits{Lag: time.Minute})
	for _, f := range report.Findings {
		if f.Part == part {
			return f
		}
	}
	return health.Finding{}
}

func TestTopicsMissingAndUnequal(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	require.Equal(t, []health.Topic{{Name: g.config.Topics[0]}, {Name: g.config.Topics[1]}}, g.inspect().Topics)
	require.Equal(t, health.Failed, judge(g.inspect(), health.PartTopics).State)
	testenv.Topics(t, 2, g.config.Topics[0])
	require.Contains(t, judge(g.inspect(), health.PartTopics).Summary, "missing: "+g.config.Topics[1])
	testenv.Topics(t, 3, g.config.Topics[1])
	answer := g.inspect()
	require.Equal(t, health.Failed, judge(answer, health.PartTopics).State)
	require.Contains(t, judge(answer, health.PartTopics).Summary, "unequal")
	require.Len(t, answer.Partitions, 5)
}

func TestMembers(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	testenv.Topics(t, 2, g.config.Topics...)
	require.Equal(t, health.Failed, judge(g.inspect(), health.PartGroup).State, "nobody there")
	member, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: g.config.Group, Brokers: g.config.Brokers, Topics: g.config.Topics,
		GroupBalancers: []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, member.Close()) }()
	_, err = member.Next(testenv.Context(t, time.Minute))
	require.NoError(t, err)
	testenv.Eventually(t, time.Minute, func(context.Context) error {
		answer := g.inspect()
		if answer.GroupState != "Stable" {
			return errors.New(answer.GroupState)
		}
		require.Len(t, answer.Members, 1)
		require.Equal(t, 4, answer.Members[0].Partitions)
		require.NotContains(t, answer.Members[0].Host, "/")
		require.Equal(t, health.OK, judge(answer, health.PartGroup).State)
		return nil
	})
}

func TestKafkaIsDown(t *testing.T) {
	t.Parallel()
	config := kafkagroup.Config{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))}, Group: "g", Topics: []string{"t"}}
	ctx := testenv.Context(t, 2*time.Second)
	start := time.Now()
	_, err := kafkagroup.Inspect(ctx, config)
	require.ErrorContains(t, err, config.Brokers[0])
	require.Less(t, time.Since(start), 4*time.Second)
}
