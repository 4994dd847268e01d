package deadletter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

const (
	// fetchBytes is how much is asked for in one fetch. A single larger letter still comes through.
	fetchBytes = 1 << 20
	// maxWait is how long the broker may hold back the answer to a fetch that finds nothing.
	maxWait = 500 * time.Millisecond
	// requestTimeout bounds one request.
	requestTimeout = 15 * time.Second
	// patience is how long a partition is tried again without getting on before reading fails.
	patience = 30 * time.Second
)

// ErrNoTopic is a dead-letter topic that does not exist.
var ErrNoTopic = errors.New("the dead-letter topic does not exist")

// Reader reads the letters of one pipeline, without a consumer group: each call reads from the topic's start to where
// it ends at that moment. In memory is one fetch at a time (1 MiB, or one larger letter), and a few bytes for each
// letter of a partition that is done.
type Reader struct {
	client    *kafka.Client
	transport *kafka.Transport
	brokers   string
	topic     string
	pipeline  string
	// Progress, when set, is told how many of the topic's messages have been read, of how many. List and replay read
	// every partition twice.
	Progress func(read, total int64)
}

// NewReader returns a Reader of a pipeline's letters in topic.
func NewReader(brokers []string, topic, pipeline string) *Reader {
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, ClientID: pipeline}
	return &Reader{
		client:    &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport},
		transport: transport, brokers: strings.Join(brokers, ","), topic: topic, pipeline: pipeline,
	}
}

// Close gives back the connections.
func (r *Reader) Close() { r.transport.CloseIdleConnections() }

// span is a range of offsets in one partition; end is the one after the last.
type span struct {
	partition  int
	first, end int64
}

// spans returns what the topic holds now.
func (r *Reader) spans(ctx context.Context) ([]span, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	metadata, err := r.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{r.topic}})
	if err != nil {
		return nil, fmt.Errorf("ask Kafka at %s for topic %s: %w", r.brokers, r.topic, err)
	}
	if len(metadata.Topics) != 1 || errors.Is(metadata.Topics[0].Error, kafka.UnknownTopicOrPartition) {
		return nil, fmt.Errorf("%w: there is no topic %s in Kafka at %s", ErrNoTopic, r.topic, r.brokers)
	}
	if err := metadata.Topics[0].Error; err != nil {
		return nil, fmt.Errorf("ask Kafka at %s for topic %s: %w", r.brokers, r.topic, err)
	}
	spans := make([]span, len(metadata.Topics[0].Partitions))
	for n := range spans {
		if spans[n], err = r.bounds(ctx, n); err != nil {
			return nil, err
		}
	}
	return spans, nil
}

func (r *Reader) bounds(ctx context.Context, partition int) (span, error) {
	response, err := r.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{r.topic: {kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition)}},
	})
	if err != nil {
		return span{}, fmt.Errorf("list offsets of %s/%d: %w", r.topic, partition, err)
	}
	for _, offsets := range response.Topics[r.topic] {
		if offsets.Partition != partition {
			continue
		}
		if offsets.Error != nil {
			return span{}, fmt.Errorf("list offsets of %s/%d: %w", r.topic, partition, offsets.Error)
		}
		return span{partition: partition, first: offsets.FirstOffset, end: offsets.LastOffset}, nil
	}
	return span{}, fmt.Errorf("list offsets of %s/%d: %w", r.topic, partition, kafka.UnknownTopicOrPartition)
}

// visit calls do for every message of a span, and read with how far it has come. The message's key and value are
// valid during the call only. Requests that fail are tried again until patience is at its end.
func (r *Reader) visit(ctx context.Context, s span, read func(messages int64), do func(kafka.Record) error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 2*time.Second
	stuck := time.Now()
	for offset := s.first; offset < s.end; {
		records, next, err := r.fetch(ctx, s, offset)
		if err != nil {
			if ctx.Err() != nil || time.Since(stuck) > patience {
				return fmt.Errorf("read %s/%d from offset %d: %w", r.topic, s.partition, offset, err)
			}
			sleep(ctx, pause.NextBackOff())
			continue
		}
		if err := each(records, do); err != nil {
			return err
		}
		pause.Reset()
		stuck = time.Now()
		read(min(next, s.end) - offset)
		offset = next
	}
	return nil
}

// each gives the records' memory back as it goes.
func each(records []kafka.Record, do func(kafka.Record) error) (err error) {
	for _, record := range records {
		if err == nil {
			err = do(record)
		}
		for _, part := range []kafka.Bytes{record.Key, record.Value} {
			if part != nil {
				_ = part.Close()
			}
		}
	}
	return err
}

// fetch returns some records from offset on, and where to go on. There may be none: control records and what
// compaction has taken out use up offsets too.
func (r *Reader) fetch(ctx context.Context, s span, offset int64) ([]kafka.Record, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := r.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: r.topic, Partition: s.partition, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: maxWait,
	})
	if err != nil {
		return nil, 0, err //nolint:wrapcheck // visit says what was being read
	}
	if errors.Is(response.Error, kafka.OffsetOutOfRange) {
		return r.resume(ctx, s, offset)
	}
	if response.Error != nil {
		return nil, 0, response.Error
	}
	var records []kafka.Record
	next := offset
	for {
		record, err := response.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read record: %w", err)
		}
		next = max(next, record.Offset+1)
		// A compressed batch may begin before the offset asked for.
		if record.Offset >= offset && record.Offset < s.end {
			records = append(records, *record)
		}
	}
	if next == offset {
		next, err = past(response.Records, offset)
	}
	return records, next, err
}

// resume goes on at the log's start when letters have expired since the span was taken.
func (r *Reader) resume(ctx context.Context, s span, offset int64) ([]kafka.Record, int64, error) {
	now, err := r.bounds(ctx, s.partition)
	if err != nil {
		return nil, 0, err
	}
	if now.first <= offset {
		return nil, 0, fmt.Errorf("the partition holds offsets %d to %d now: %w", now.first, now.end, kafka.OffsetOutOfRange)
	}
	return nil, now.first, nil
}

// past returns an offset beyond batches that hold nothing to read: a transaction's markers, or what compaction has
// emptied. Of the latter the length is not known here, so they are passed in single steps.
func past(records kafka.RecordReader, offset int64) (int64, error) {
	stream, ok := records.(*protocol.RecordStream)
	if !ok || len(stream.Records) == 0 {
		return 0, errors.New("the broker sent nothing although the partition goes on")
	}
	next := offset + 1
	for _, batch := range stream.Records {
		control, ok := batch.(*protocol.ControlBatch)
		if !ok {
			continue
		}
		for {
			record, err := control.ReadRecord()
			if err != nil {
				break
			}
			next = max(next, record.Offset+1)
		}
	}
	return next, nil
}

func readBytes(b kafka.Bytes) ([]byte, error) {
	return kafka.ReadAll(b) //nolint:wrapcheck // the callers say which part it was
}

func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
