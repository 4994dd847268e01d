// Package consumer takes messages from Kafka to the index: fetch, decode, apply, commit.
//
// Its one promise: an offset is committed only when every message before it in its partition has been applied, was
// stale, or is in the dead-letter topic. Whatever is stopped or killed, at any instant, the rest comes again.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/arena"
	"ticketing/cdc-indexer/change"
)

// Config says what to consume and how much to hold in memory.
type Config struct {
	Brokers []string
	Group   string
	Topics  []string // all with the same number of partitions
	// FetchBytes is how much is asked for in one fetch of one partition of one topic; a single larger message still comes
	// through. In memory are, of a backlog, as many as are being applied, and of what is new one of each.
	FetchBytes int
	// Concurrency is how many chunks are applied at the same time. As many more may be, with changes behind which nothing
	// waits: new ones do not queue behind a backlog, and are few.
	Concurrency int
	// SessionTimeout is how long the group waits for a member that does not answer before its partitions go to
	// others.
	SessionTimeout time.Duration
	// DrainTimeout is how long a batch under way may still take when the partition is taken away or the program
	// stops. What is not done by then comes again.
	DrainTimeout time.Duration
	// Handled, unless it is nil, is told of every change of the stream when it is searchable, or is known never to be. It
	// must not wait for anything.
	Handled func(ctx context.Context, changes []Handled)
}

// maxWait is how long the broker may hold back the answer to a fetch when there is nothing new.
const maxWait = 500 * time.Millisecond

// requestTimeout bounds one request to Kafka beyond the time that the broker may wait on purpose.
const requestTimeout = 15 * time.Second

// Decode turns a message into a change, whose document may be in the memory given. It returns change.ErrNoChange for
// messages without one and a *change.Rejection for those that never will be one.
type Decode func(memory *arena.Arena, key, value []byte) (change.Change, error)

// Applier brings changes into the index; see elastic.Writer. When it has returned, their documents are used for others.
type Applier interface {
	Apply(ctx context.Context, changes []change.Change) ([]change.Result, error)
}

// Refresher makes what was applied searchable; see elastic.Refresher.
type Refresher interface {
	Request(done func())
	RequestLater(done func()) // for what has waited for long already
}

// Letter is a message that cannot be indexed, and why.
type Letter struct {
	Message   kafka.Message
	Rejection change.Rejection
}

// DeadLetters keeps letters for people to look at. Put returns nil only when all of them are safe.
type DeadLetters interface {
	Put(ctx context.Context, letters []Letter) error
}

// Consumer is one member of a consumer group.
type Consumer struct {
	config      Config
	client      *kafka.Client
	transport   *kafka.Transport
	decode      Decode
	applier     Applier
	refresher   Refresher
	deadLetters DeadLetters
	metrics     *Metrics
	logger      *slog.Logger
	slots       chan struct{} // Config.Concurrency of them
	express     chan struct{} // as many more, for what is fresh
	spare       chan *memory  // of chunks whose turn is over
	status      status
}

// New returns a Consumer; Run does the work.
func New(config Config, decode Decode, applier Applier, refresher Refresher, deadLetters DeadLetters, metrics *Metrics, logger *slog.Logger) *Consumer {
	for _, topic := range config.Topics { // at 0 from the start, so that the first one is seen as an increase
		metrics.consumed.WithLabelValues(topic)
		metrics.skipped.WithLabelValues(topic)
	}
	transport := &kafka.Transport{
		DialTimeout: 5 * time.Second,
		ClientID:    config.Group,
		// A broker that came back, or another leader, is found within this time.
		MetadataTTL: 2 * time.Second,
	}
	return &Consumer{
		config:      config,
		client:      &kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: transport},
		transport:   transport,
		decode:      decode,
		applier:     applier,
		refresher:   refresher,
		deadLetters: deadLetters,
		metrics:     metrics,
		logger:      logger,
		slots:       make(chan struct{}, config.Concurrency),
		express:     make(chan struct{}, config.Concurrency),
		spare:       make(chan *memory, config.Concurrency),
	}
}

// Run consumes until ctx ends, and returns nil then. It waits for topics that do not exist yet and for brokers that
// are away; it returns an error only for a set-up that waiting will not mend.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.transport.CloseIdleConnections()
	if err := c.waitForTopics(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:      c.config.Group,
		Brokers: c.config.Brokers,
		Topics:  c.config.Topics,
		// Range gives a member the same partition numbers of every topic. The topics share key and partitioner, so
		// all changes of a row meet in one process.
		GroupBalancers:        []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		StartOffset:           kafka.FirstOffset,
		SessionTimeout:        c.config.SessionTimeout,
		RebalanceTimeout:      c.config.SessionTimeout,
		HeartbeatInterval:     c.config.SessionTimeout / 10,
		JoinGroupBackoff:      time.Second,
		WatchPartitionChanges: true,
		Logger:                kafka.LoggerFunc(c.libraryLog(ctx, slog.LevelDebug)),
		ErrorLogger:           kafka.LoggerFunc(c.libraryLog(ctx, slog.LevelWarn)),
	})
	if err != nil {
		return fmt.Errorf("join consumer group %s: %w", c.config.Group, err)
	}
	c.consume(ctx, group)
	// Close waits until the lanes have drained, and leaves the group so that others take over at once.
	if err := group.Close(); err != nil {
		return fmt.Errorf("leave consumer group %s: %w", c.config.Group, err)
	}
	return nil
}

func (c *Consumer) consume(ctx context.Context, group *kafka.ConsumerGroup) {
	for ctx.Err() == nil {
		generation, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.status.trouble("group", fmt.Errorf("join consumer group %s: %w", c.config.Group, err))
			}
			continue // the library pauses before it tries again
		}
		c.start(generation)
	}
}

// start gives every partition of this generation to a lane of its own. The lanes belong to the generation: it waits for
// all of them to end before it takes part in a rebalance or closes.
func (c *Consumer) start(generation *kafka.Generation) {
	c.metrics.lag.Reset() // of partitions that others have now
	lanes := make([]*lane, 0, len(c.config.Topics))
	numbers := map[int]bool{}
	for topic, partitions := range generation.Assignments {
		for _, assigned := range partitions {
			f := &fetcher{
				partition: c.partition(topic, assigned.ID), consumer: c, offset: assigned.Offset,
				behind: &behind{lag: c.metrics.lag.WithLabelValues(topic, strconv.Itoa(assigned.ID)), committed: assigned.Offset},
			}
			lanes = append(lanes, &lane{consumer: c, commit: generation.CommitOffsets, source: f})
			numbers[assigned.ID] = true
		}
	}
	assigned := slices.Sorted(maps.Keys(numbers))
	c.logger.Info("partitions assigned", "generation", generation.ID, "partitions", assigned)
	c.status.joined(generation.ID, assigned)
	c.metrics.assigned.Set(float64(len(assigned)))
	for _, l := range lanes {
		generation.Start(l.run)
	}
}

func (c *Consumer) partition(topic string, number int) partition {
	return partition{client: c.client, topic: topic, number: number, fetchBytes: c.config.FetchBytes}
}

func (c *Consumer) libraryLog(ctx context.Context, level slog.Level) func(string, ...any) {
	return func(format string, args ...any) {
		c.logger.Log(ctx, level, strings.TrimSpace(fmt.Sprintf(format, args...)), "component", "kafka")
	}
}

// passing says whether an error of Kafka will go away by itself.
func passing(err error) bool {
	var network net.Error
	var code kafka.Error
	switch {
	case errors.As(err, &code):
		return code.Temporary()
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return true
	default:
		return false
	}
}
