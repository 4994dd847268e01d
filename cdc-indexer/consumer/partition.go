package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/arena"
)

// partition reads one partition of one topic.
//
// It uses single fetches and not the library's Reader, because a fetch tells when the offset is not in the log any
// more, and that is lost data; the Reader skips it, or waits for ever beyond the log's end, without a word.
type partition struct {
	client     *kafka.Client
	topic      string
	number     int
	fetchBytes int
}

// fetch returns the messages from an offset on, as many as fit, and the offset that the next message to be written
// will get; they are in the memory given. The broker may wait for the first one. An offset that the log does not hold is kafka.OffsetOutOfRange.
func (p partition) fetch(ctx context.Context, from int64, wait time.Duration, into *memory) (messages []kafka.Message, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait+requestTimeout)
	defer cancel()
	response, err := p.client.Fetch(ctx, &kafka.FetchRequest{
		Topic:     p.topic,
		Partition: p.number,
		Offset:    from,
		MinBytes:  1,
		MaxBytes:  int64(p.fetchBytes),
		MaxWait:   wait,
	})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return nil, 0, fmt.Errorf("fetch %s/%d from offset %d: %w", p.topic, p.number, from, err)
	}
	messages, err = p.read(response.Records, from, into)
	if err != nil && len(messages) == 0 {
		return nil, 0, fmt.Errorf("read %s/%d from offset %d: %w", p.topic, p.number, from, err)
	}
	return messages, response.HighWatermark, nil
}

// bounds returns the first offset in the log and the one after the last.
func (p partition) bounds(ctx context.Context) (first, last int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := p.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{p.topic: {kafka.FirstOffsetOf(p.number), kafka.LastOffsetOf(p.number)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", p.topic, p.number, err)
	}
	for _, offsets := range response.Topics[p.topic] {
		if offsets.Partition == p.number {
			if offsets.Error != nil {
				return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", p.topic, p.number, offsets.Error)
			}
			return offsets.FirstOffset, offsets.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", p.topic, p.number, kafka.UnknownTopicOrPartition)
}

// read copies the records out of the library's buffers. A compressed batch may begin before the offset asked for.
func (p partition) read(records kafka.RecordReader, from int64, into *memory) ([]kafka.Message, error) {
	for {
		record, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return into.messages, nil
		}
		if err != nil {
			return into.messages, fmt.Errorf("read record: %w", err)
		}
		message, err := p.message(record, &into.arena)
		if err != nil {
			return into.messages, err
		}
		if message.Offset >= from {
			into.messages = append(into.messages, message)
		}
	}
}

func (p partition) message(record *kafka.Record, memory *arena.Arena) (kafka.Message, error) {
	key, err := readBytes(record.Key, memory)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("read key: %w", err)
	}
	value, err := readBytes(record.Value, memory)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("read value: %w", err)
	}
	return kafka.Message{
		Topic: p.topic, Partition: p.number, Offset: record.Offset,
		Key: key, Value: value, Headers: record.Headers, Time: record.Time,
	}, nil
}

func readBytes(b kafka.Bytes, memory *arena.Arena) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer func() { _ = b.Close() }()
	content := memory.Bytes(b.Len())[:b.Len()]
	_, err := io.ReadFull(b, content)
	return content, err //nolint:wrapcheck // the callers say which part it was
}
