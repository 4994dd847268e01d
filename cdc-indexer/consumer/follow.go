package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// Since returns of every partition the offset of the first message that was written at that time or later; the end when
// there is none.
func (l *Log) Since(ctx context.Context, at time.Time) (Offsets, error) {
	ends, err := l.Ends(ctx)
	if err != nil {
		return nil, err
	}
	first, err := l.list(ctx, func(partition int) kafka.OffsetRequest { return kafka.TimeOffsetOf(partition, at) }, func(p kafka.PartitionOffsets) int64 {
		for offset := range p.Offsets { // one at the most
			return offset
		}
		return noOffset
	})
	if err != nil {
		return nil, err
	}
	for topic, offsets := range first {
		for number, offset := range offsets {
			if offset == noOffset && number < len(ends[topic]) {
				offsets[number] = ends[topic][number]
			}
		}
	}
	return first, nil
}

// noOffset is Kafka's answer when no message is that young.
const noOffset = -1

// PartitionOf returns the partition of that many in which Kafka's own partitioner, and so Debezium, puts a message with this key.
func PartitionOf(key []byte, partitions int) int {
	numbers := make([]int, partitions)
	for n := range numbers {
		numbers[n] = n
	}
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, numbers...)
}

// Following says what Follow reads.
type Following struct {
	From Offsets
	// Chosen says whether a partition of so many is read; nil: all are.
	Chosen func(partition, partitions int) bool
	// Each gets the messages, of several partitions at the same time. An error of it ends the reading.
	Each func(kafka.Message) error
	// Reached is called once: when everything has been handed over that was there when Follow was called.
	Reached func()
}

// Follow hands over messages as they come, until ctx ends. Brokers that are away are waited for.
func (l *Log) Follow(ctx context.Context, f Following) error {
	ends, err := l.Ends(ctx)
	if err != nil {
		return err
	}
	var behind atomic.Int64 // partitions, and this function as long as it starts them
	behind.Add(1)
	reached := func() {
		if behind.Add(-1) == 0 {
			f.Reached()
		}
	}
	readers, reading := errgroup.WithContext(ctx)
	for topic, offsets := range f.From {
		for number, from := range offsets {
			if number >= len(ends[topic]) || f.Chosen != nil && !f.Chosen(number, len(offsets)) {
				continue
			}
			p := partition{client: l.client, topic: topic, number: number, fetchBytes: l.config.FetchBytes}
			behind.Add(1)
			readers.Go(func() error { return l.follow(reading, p, from, ends[topic][number], f.Each, reached) })
		}
	}
	reached()
	return readers.Wait() //nolint:wrapcheck // follow has said what it was reading
}

func (l *Log) follow(ctx context.Context, p partition, from, end int64, each func(kafka.Message) error, reached func()) error {
	pause, passed := newPause(), false
	for {
		if !passed && from >= end {
			passed = true
			reached()
		}
		messages, _, err := p.fetch(ctx, from, maxWait, new(memory))
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("follow %s/%d: %w", p.topic, p.number, ctx.Err())
		case errors.Is(err, kafka.OffsetOutOfRange): // it expired a moment ago, or the topic was made anew
			if from, _, err = p.bounds(ctx); err != nil {
				return err
			}
		case err != nil && !passing(err):
			return err
		case err != nil:
			sleep(ctx, pause.NextBackOff())
			continue
		}
		pause.Reset()
		for _, message := range messages {
			if err := each(message); err != nil {
				return err
			}
			from = message.Offset + 1
		}
	}
}
