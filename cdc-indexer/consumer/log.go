package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"ticketing/cdc-indexer/change"
)

// Offsets are positions in topics: for each topic one offset a partition, by its number.
type Offsets map[string][]int64

// LogConfig says what a Log reads and how much it holds in memory.
type LogConfig struct {
	Brokers     []string
	Topics      []string
	FetchBytes  int // asked for in one fetch of one partition
	Concurrency int // partitions read at the same time
}

// Log reads the topics between two positions. It is no member of the consumer group and moves none of its offsets.
type Log struct {
	config    LogConfig
	client    *kafka.Client
	transport *kafka.Transport
	decode    Decode
}

// NewLog returns a Log; Close gives its connections back.
func NewLog(config LogConfig, decode Decode) *Log {
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, ClientID: "cdc-indexer", MetadataTTL: 2 * time.Second}
	return &Log{
		config:    config,
		client:    &kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: transport},
		transport: transport,
		decode:    decode,
	}
}

// Close ends idle connections.
func (l *Log) Close() { l.transport.CloseIdleConnections() }

// Ends returns the end of every partition: the offset that the next message to be written will get.
func (l *Log) Ends(ctx context.Context) (Offsets, error) {
	return l.list(ctx, kafka.LastOffsetOf, func(p kafka.PartitionOffsets) int64 { return p.LastOffset })
}

// Starts returns the first offset that every partition still holds.
func (l *Log) Starts(ctx context.Context) (Offsets, error) {
	return l.list(ctx, kafka.FirstOffsetOf, func(p kafka.PartitionOffsets) int64 { return p.FirstOffset })
}

// Committed returns how far a consumer group has come: every message before that is in the index, is stale or is a
// dead letter. A partition without a committed offset is at the start of its log.
func (l *Log) Committed(ctx context.Context, group string) (Offsets, error) {
	offsets, err := l.Starts(ctx)
	if err != nil {
		return nil, err
	}
	request := &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{}}
	for topic, starts := range offsets {
		for partition := range starts {
			request.Topics[topic] = append(request.Topics[topic], partition)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := l.client.OffsetFetch(ctx, request)
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return nil, fmt.Errorf("read the offsets of consumer group %s: %w", group, err)
	}
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("read the offset of consumer group %s in %s/%d: %w", group, topic, p.Partition, p.Error)
			}
			if p.CommittedOffset >= 0 {
				offsets[topic][p.Partition] = p.CommittedOffset
			}
		}
	}
	return offsets, nil
}

func (l *Log) list(ctx context.Context, which func(int) kafka.OffsetRequest, value func(kafka.PartitionOffsets) int64) (Offsets, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	metadata, err := l.client.Metadata(ctx, &kafka.MetadataRequest{Topics: l.config.Topics})
	if err != nil {
		return nil, fmt.Errorf("ask Kafka at %s for its topics: %w", strings.Join(l.config.Brokers, ","), err)
	}
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	offsets := Offsets{}
	for _, topic := range metadata.Topics {
		if topic.Error != nil {
			return nil, fmt.Errorf("topic %s: %w", topic.Name, topic.Error)
		}
		offsets[topic.Name] = make([]int64, len(topic.Partitions))
		for number := range topic.Partitions {
			request.Topics[topic.Name] = append(request.Topics[topic.Name], which(number))
		}
	}
	response, err := l.client.ListOffsets(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("list the offsets of %s: %w", strings.Join(l.config.Topics, ", "), err)
	}
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("list the offsets of %s/%d: %w", topic, p.Partition, p.Error)
			}
			offsets[topic][p.Partition] = value(p)
		}
	}
	return offsets, nil
}

// Oldest returns the time of the oldest message that is left in the topics, or false when they are empty. Kafka keeps
// messages for longer than their retention: a segment goes when its newest message is old enough.
func (l *Log) Oldest(ctx context.Context) (oldest time.Time, found bool, err error) {
	starts, err := l.Starts(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	ends, err := l.Ends(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	const enough = 1 // byte: a fetch brings one message at least
	for topic, first := range starts {
		for number, offset := range first {
			if offset >= ends[topic][number] {
				continue
			}
			p := partition{client: l.client, topic: topic, number: number, fetchBytes: enough}
			messages, err := l.patiently(ctx, p, offset, new(memory))
			if err != nil {
				return time.Time{}, false, err
			}
			if at := messages[0].Time; !found || at.Before(oldest) {
				oldest, found = at, true
			}
		}
	}
	return oldest, found, nil
}

// Read hands over the changes from one position up to, and without, another, in batches; several batches of different
// partitions are under way at the same time. It returns how many messages could not be decoded: whoever consumes the
// topics has made dead letters of them. Brokers that are away are waited for; messages that have expired are an error.
func (l *Log) Read(ctx context.Context, from, to Offsets, each func(context.Context, []change.Change) error) (undecodable int64, err error) {
	var skipped atomic.Int64
	readers, ctx := errgroup.WithContext(ctx)
	readers.SetLimit(max(l.config.Concurrency, 1))
	for topic, ends := range to {
		for number, end := range ends {
			start := int64(0) // a partition added since from was taken
			if number < len(from[topic]) {
				start = from[topic][number]
			}
			if start >= end {
				continue
			}
			p := partition{client: l.client, topic: topic, number: number, fetchBytes: l.config.FetchBytes}
			readers.Go(func() error { return l.read(ctx, p, start, end, &skipped, each) })
		}
	}
	err = readers.Wait()
	return skipped.Load(), err
}

func (l *Log) read(ctx context.Context, p partition, from, to int64, skipped *atomic.Int64, each func(context.Context, []change.Change) error) error {
	var kept memory
	for from < to {
		kept.reset()
		messages, err := l.patiently(ctx, p, from, &kept)
		if err != nil {
			return err
		}
		changes := make([]change.Change, 0, len(messages))
		for _, message := range messages {
			if message.Offset >= to {
				break
			}
			from = message.Offset + 1
			decoded, err := l.decode(nil, message.Key, message.Value)
			switch {
			case err == nil:
				changes = append(changes, decoded)
			case !errors.Is(err, change.ErrNoChange):
				skipped.Add(1)
			}
		}
		if messages[len(messages)-1].Offset >= to {
			from = to
		}
		if len(changes) == 0 {
			continue
		}
		if err := each(ctx, changes); err != nil {
			return err
		}
	}
	return nil
}

// patiently fetches at least one message, which the log is known to hold.
func (l *Log) patiently(ctx context.Context, p partition, from int64, into *memory) ([]kafka.Message, error) {
	pause := newPause()
	const most = 10 // empty answers in a row
	for empty := 0; ; {
		messages, _, err := p.fetch(ctx, from, maxWait, into)
		switch {
		case errors.Is(err, kafka.OffsetOutOfRange):
			return nil, fmt.Errorf("messages of %s/%d from offset %d on are not in the log any more: %w", p.topic, p.number, from, err)
		case err != nil && !passing(err):
			return nil, err
		case len(messages) > 0:
			return messages, nil
		case err == nil:
			if empty++; empty == most {
				return nil, fmt.Errorf("%s/%d has no message at offset %d or behind it, and should", p.topic, p.number, from)
			}
		}
		sleep(ctx, pause.NextBackOff())
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read %s/%d: %w", p.topic, p.number, ctx.Err())
		}
	}
}
