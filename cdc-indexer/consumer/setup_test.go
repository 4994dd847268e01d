package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/arena"
	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/consumer"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// group is a consumer group with three topics of its own on the real broker. What it applies goes to a table in
// memory, so that the tests can hold it up and look at it.
type group struct {
	t        *testing.T
	name     string
	topics   []string
	client   *kafka.Client
	registry *prometheus.Registry

	mu      sync.Mutex
	applied []string // keys, in the order of their batches
	letters []consumer.Letter
	byWhom  map[string]string // partition of the message's topic to the member that applied it
	hold    func(ctx context.Context) error
	putErr  error
	handled []consumer.Handled
}

const partitions = 3

func newGroup(t *testing.T) *group {
	t.Helper()
	name := testenv.Name(t)
	g := &group{
		t: t, name: name, client: testenv.KafkaClient(t), registry: prometheus.NewRegistry(), byWhom: map[string]string{},
		topics: []string{name + "-created", name + "-updated", name + "-deleted"},
	}
	return g
}

func (g *group) createTopics() *group {
	g.t.Helper()
	testenv.Topics(g.t, partitions, g.topics...)
	return g
}

func (g *group) brokers() []string {
	return strings.Split(testenv.Address(g.t, testenv.KafkaBrokers), ",")
}

// decode takes the value's first word for the key; "bad" is a message that nobody can index.
func decode(_ *arena.Arena, _, value []byte) (change.Change, error) {
	word := strings.TrimRight(string(value), " ")
	switch word {
	case "bad":
		return change.Change{}, &change.Rejection{Reason: "malformed", Detail: "it is bad"}
	case "nothing":
		return change.Change{}, change.ErrNoChange
	default:
		return change.Change{Key: word, Op: change.Upsert, Order: change.Order{Version: 1}, Document: []byte("{}")}, nil
	}
}

// member implements what a consumer needs for one member of the group.
type member struct {
	*group
	id string
}

func (m member) Apply(ctx context.Context, changes []change.Change) ([]change.Result, error) {
	m.mu.Lock()
	hold := m.hold
	m.mu.Unlock()
	if hold != nil {
		if err := hold(ctx); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make([]change.Result, len(changes))
	for n, c := range changes {
		results[n] = change.Result{Outcome: change.Applied}
		if c.Key == "rejected" {
			results[n] = change.Result{Outcome: change.Rejected, Rejection: &change.Rejection{Reason: "mapping", Detail: "no"}}
		}
		m.applied = append(m.applied, c.Key)
		m.byWhom[c.Key] = m.id
	}
	return results, nil
}

func (m member) RequestLater(done func()) { m.Request(done) }

func (m member) Request(done func()) {
	if done != nil {
		done()
	}
}

func (m member) Put(_ context.Context, letters []consumer.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.putErr != nil {
		return m.putErr
	}
	m.letters = append(m.letters, letters...)
	return nil
}

func (g *group) handle(_ context.Context, changes []consumer.Handled) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handled = append(g.handled, changes...)
}

// registryOf returns the group's registry for its member "a", the one whose metrics are looked at.
func (g *group) registryOf(id string) *prometheus.Registry {
	if id == "a" {
		return g.registry
	}
	return prometheus.NewRegistry()
}

type running struct {
	*consumer.Consumer
	stop func() error // waits until it has stopped
}

func (g *group) start(id string) running {
	g.t.Helper()
	m := member{group: g, id: id}
	c := consumer.New(consumer.Config{
		Brokers: g.brokers(), Group: g.name, Topics: g.topics,
		FetchBytes: 64 << 10, Concurrency: 4, SessionTimeout: 6 * time.Second, DrainTimeout: time.Second,
		Handled: g.handle,
	}, decode, m, m, m, consumer.NewMetrics(g.registryOf(id)), slog.New(slog.NewTextHandler(testLog{g.t}, &slog.HandlerOptions{Level: slog.LevelInfo})))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			return errors.New("did not stop")
		}
	})
	g.t.Cleanup(func() {
		if err := stop(); err != nil {
			g.t.Errorf("consumer %s: %v", id, err)
		}
	})
	return running{Consumer: c, stop: stop}
}

// testLog shows the log of a test that fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}

// produce writes values to one partition of one topic.
func (g *group) produce(topic, partition int, values ...string) {
	g.t.Helper()
	g.produceAt(time.Now(), topic, partition, values...)
}

func (g *group) produceAt(at time.Time, topic, partition int, values ...string) {
	g.t.Helper()
	// A broker tells of a new partition a little before it leads it.
	testenv.Eventually(g.t, 30*time.Second, func(ctx context.Context) error {
		records := make([]kafka.Record, len(values))
		for n, value := range values {
			records[n] = kafka.Record{Key: kafka.NewBytes([]byte("k")), Value: kafka.NewBytes([]byte(value)), Time: at}
		}
		response, err := g.client.Produce(ctx, &kafka.ProduceRequest{
			Topic: g.topics[topic], Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
		})
		if err != nil {
			return err
		}
		return response.Error
	})
}

// committed returns the group's offset in a partition, -1 when it has none.
func (g *group) committed(ctx context.Context, topic, partition int) (int64, error) {
	response, err := g.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: g.name, Topics: map[string][]int{g.topics[topic]: {partition}},
	})
	if err != nil {
		return 0, err
	}
	return response.Topics[g.topics[topic]][0].CommittedOffset, errors.Join(response.Error, response.Topics[g.topics[topic]][0].Error)
}

func (g *group) waitCommitted(topic, partition int, want int64) {
	g.t.Helper()
	testenv.Eventually(g.t, time.Minute, func(ctx context.Context) error {
		got, err := g.committed(ctx, topic, partition)
		if err == nil && got != want {
			err = fmt.Errorf("committed %d, want %d", got, want)
		}
		return err
	})
}

func (g *group) has(keys ...string) func(context.Context) error {
	return func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, key := range keys {
			if !slices.Contains(g.applied, key) {
				return fmt.Errorf("%s not applied yet, only %v", key, g.applied)
			}
		}
		return nil
	}
}

// waitLag waits until the metric says that many messages of the first topic's first partition are not in the index.
func (g *group) waitLag(want int) {
	g.t.Helper()
	expected := fmt.Sprintf("# HELP cdc_indexer_lag_messages Messages of a partition that are not in the index yet.\n"+
		"# TYPE cdc_indexer_lag_messages gauge\ncdc_indexer_lag_messages{partition=\"0\",topic=%q} %d\n", g.topics[0], want)
	testenv.Eventually(g.t, 30*time.Second, func(context.Context) error {
		return testutil.GatherAndCompare(only{g.registry, g.topics[0]}, strings.NewReader(expected), "cdc_indexer_lag_messages")
	})
}

// only gathers the metrics of one topic's first partition.
type only struct {
	prometheus.Gatherer
	topic string
}

func (o only) Gather() ([]*dto.MetricFamily, error) {
	families, err := o.Gatherer.Gather()
	for _, family := range families {
		family.Metric = slices.DeleteFunc(family.Metric, func(m *dto.Metric) bool {
			return slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool {
				return l.GetName() == "topic" && l.GetValue() != o.topic || l.GetName() == "partition" && l.GetValue() != "0"
			})
		})
	}
	return families, err
}
