package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// message is what is looked at of a message in Kafka.
type message struct {
	offset     int64
	time       time.Time
	key, value string
	headers    []kafka.Header
}

// header returns the value of a header, or nothing.
func (m message) header(name string) string {
	for _, header := range m.headers {
		if header.Key == name {
			return string(header.Value)
		}
	}
	return ""
}

// ends returns the offset of the next message of each partition, by topic.
func ends(ctx context.Context, client *kafka.Client, topics []string, partitions int) (map[string]map[int]int64, error) {
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, topic := range topics {
		for partition := range partitions {
			request.Topics[topic] = append(request.Topics[topic], kafka.LastOffsetOf(partition))
		}
	}
	response, err := client.ListOffsets(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("ask for the ends of %v: %w", topics, err)
	}
	all := map[string]map[int]int64{}
	for _, topic := range topics {
		all[topic] = map[int]int64{}
		for _, p := range response.Topics[topic] {
			if p.Error != nil {
				return nil, fmt.Errorf("ask for the end of %s/%d: %w", topic, p.Partition, p.Error)
			}
			all[topic][p.Partition] = p.LastOffset
		}
	}
	return all, nil
}

// readMessages calls found with the messages of a partition from one offset up to, and without, another.
func readMessages(ctx context.Context, client *kafka.Client, topic string, partition int, from, to int64, found func(message)) error {
	const most = 8 << 20 // bytes of one fetch
	for from < to {
		response, err := client.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: from, MinBytes: 1, MaxBytes: most, MaxWait: time.Second,
		})
		if err == nil {
			err = response.Error
		}
		if err != nil {
			return fmt.Errorf("read %s/%d at %d: %w", topic, partition, from, err)
		}
		next, err := eachRecord(response.Records, from, to, found)
		if err != nil {
			return fmt.Errorf("read %s/%d at %d: %w", topic, partition, from, err)
		}
		if next == from {
			return fmt.Errorf("read %s/%d: nothing comes at %d, before the end at %d", topic, partition, from, to)
		}
		from = next
	}
	return nil
}

// eachRecord returns the offset behind the last record. A batch may begin before the offset that was asked for.
func eachRecord(records kafka.RecordReader, from, to int64, found func(message)) (next int64, err error) {
	for {
		record, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return from, nil
		}
		if err != nil {
			return from, fmt.Errorf("read a record: %w", err)
		}
		key, keyErr := readBytes(record.Key)
		value, valueErr := readBytes(record.Value)
		if err := errors.Join(keyErr, valueErr); err != nil {
			return from, err
		}
		if record.Offset >= from && record.Offset < to {
			found(message{offset: record.Offset, time: record.Time, key: key, value: value, headers: record.Headers})
			from = record.Offset + 1
		}
	}
}

func readBytes(b kafka.Bytes) (string, error) {
	if b == nil {
		return "", nil
	}
	defer func() { _ = b.Close() }()
	text, err := kafka.ReadAll(b)
	return string(text), err
}
