package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
)

// fetcher reads one partition of one topic from an offset on.
//
// It uses single fetches and not the library's Reader, because a fetch tells when the offset is not in the log any
// more, and that is lost data; the Reader skips it, or waits for ever beyond the log's end, without a word.
type fetcher struct {
	consumer  *Consumer
	topic     string
	partition int
	offset    int64
	behind    *behind
}

// chunk is what one fetch brought.
type chunk struct {
	topic     string
	partition int
	messages  []kafka.Message
	next      int64 // the offset to commit when all messages are done
	end       int64 // the offset the next message to be written will get
	behind    *behind
}

// run sends chunks until ctx ends. It has at most one chunk in its hands: as long as that is not taken it does not
// fetch, which is all the back pressure there is.
func (f *fetcher) run(ctx context.Context, chunks chan<- chunk) {
	pause := newPause()
	for ctx.Err() == nil {
		fetched, err := f.fetch(ctx)
		if err != nil {
			if ctx.Err() == nil {
				f.failed(ctx, err)
				sleep(ctx, pause.NextBackOff())
			}
			continue
		}
		pause.Reset()
		f.consumer.status.trouble(f.name(), nil)
		f.behind.written(fetched.end)
		if len(fetched.messages) == 0 {
			continue
		}
		f.hand(ctx, fetched, chunks)
	}
}

// hand waits until the chunk is taken. Meanwhile nothing is fetched, so it looks from time to time how far the log
// has grown: the lag must not stand still while the index does.
func (f *fetcher) hand(ctx context.Context, fetched chunk, chunks chan<- chunk) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case chunks <- fetched:
			f.offset = fetched.next
			return
		case <-ctx.Done():
			return
		case <-look.C:
			if _, end, err := f.bounds(ctx); err == nil {
				f.behind.written(end)
			}
		}
	}
}

// lookEvery is how often a partition that waits looks at the end of its log.
const lookEvery = 2 * time.Second

func (f *fetcher) fetch(ctx context.Context) (chunk, error) {
	if err := f.settleOffset(ctx); err != nil {
		return chunk{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait+requestTimeout)
	defer cancel()
	response, err := f.consumer.client.Fetch(ctx, &kafka.FetchRequest{
		Topic:     f.topic,
		Partition: f.partition,
		Offset:    f.offset,
		MinBytes:  1,
		MaxBytes:  int64(f.consumer.config.FetchBytes),
		MaxWait:   maxWait,
	})
	if err != nil {
		return chunk{}, fmt.Errorf("fetch %s/%d from offset %d: %w", f.topic, f.partition, f.offset, err)
	}
	if errors.Is(response.Error, kafka.OffsetOutOfRange) {
		return f.resume(ctx)
	}
	if response.Error != nil {
		return chunk{}, fmt.Errorf("fetch %s/%d from offset %d: %w", f.topic, f.partition, f.offset, response.Error)
	}
	messages, err := f.read(response.Records)
	if err != nil && len(messages) == 0 {
		return chunk{}, fmt.Errorf("read %s/%d from offset %d: %w", f.topic, f.partition, f.offset, err)
	}
	fetched := f.chunk(response.HighWatermark)
	fetched.messages = messages
	if len(messages) > 0 {
		fetched.next = messages[len(messages)-1].Offset + 1
	}
	return fetched, nil
}

func (f *fetcher) chunk(end int64) chunk {
	return chunk{topic: f.topic, partition: f.partition, next: f.offset, end: end, behind: f.behind}
}

// settleOffset finds the first offset for a group that has none yet.
func (f *fetcher) settleOffset(ctx context.Context) error {
	if f.offset >= 0 {
		return nil
	}
	first, _, err := f.bounds(ctx)
	if err != nil {
		return err
	}
	if first > 0 {
		f.lost(ctx, 0, first, "the group starts anew, and the log's first messages have expired")
	}
	f.offset = first
	f.behind.done(first)
	return nil
}

// resume goes on at the log's start after an offset that the log does not hold: either the messages expired before
// they were consumed, or the topic was made anew and starts again at 0.
func (f *fetcher) resume(ctx context.Context) (chunk, error) {
	first, last, err := f.bounds(ctx)
	if err != nil {
		return chunk{}, err
	}
	if f.offset >= first && f.offset <= last {
		return f.chunk(last), nil // the log has grown meanwhile
	}
	reason := "messages expired before they were consumed"
	if f.offset > last {
		reason = "the topic ends before the committed offset: it was made anew, or the broker lost data"
	}
	f.lost(ctx, f.offset, first, reason)
	f.offset = first
	f.behind.done(first)
	return f.chunk(last), nil
}

// bounds returns the first offset in the log and the one after the last.
func (f *fetcher) bounds(ctx context.Context) (first, last int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := f.consumer.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{f.topic: {kafka.FirstOffsetOf(f.partition), kafka.LastOffsetOf(f.partition)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", f.topic, f.partition, err)
	}
	for _, offsets := range response.Topics[f.topic] {
		if offsets.Partition == f.partition {
			if offsets.Error != nil {
				return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", f.topic, f.partition, offsets.Error)
			}
			return offsets.FirstOffset, offsets.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", f.topic, f.partition, kafka.UnknownTopicOrPartition)
}

func (f *fetcher) lost(ctx context.Context, from, to int64, reason string) {
	f.consumer.logger.ErrorContext(ctx, "messages were skipped: the index needs a repair or a rebuild",
		"topic", f.topic, "partition", f.partition, "from", from, "to", to, "reason", reason)
	f.consumer.metrics.skipped.WithLabelValues(f.topic).Add(float64(max(to-from, 1)))
	f.consumer.status.warn(fmt.Sprintf("offsets %d to %d of %s/%d were skipped (%s): repair or rebuild the index", from, to, f.topic, f.partition, reason))
}

// name says which partition this is, for people.
func (f *fetcher) name() string { return f.topic + "/" + strconv.Itoa(f.partition) }

func (f *fetcher) failed(ctx context.Context, err error) {
	f.consumer.status.trouble(f.name(), err)
	f.consumer.metrics.fetchErrors.Inc()
	f.consumer.logger.WarnContext(ctx, "fetch failed, trying again", "error", err)
}

// read copies the records out of the library's buffers. A compressed batch may begin before the offset asked for.
func (f *fetcher) read(records kafka.RecordReader) ([]kafka.Message, error) {
	var messages []kafka.Message
	for {
		record, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return messages, fmt.Errorf("read record: %w", err)
		}
		message, err := f.message(record)
		if err != nil {
			return messages, err
		}
		if message.Offset >= f.offset {
			messages = append(messages, message)
		}
	}
}

func (f *fetcher) message(record *kafka.Record) (kafka.Message, error) {
	key, err := readBytes(record.Key)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("read key: %w", err)
	}
	value, err := readBytes(record.Value)
	if err != nil {
		return kafka.Message{}, fmt.Errorf("read value: %w", err)
	}
	return kafka.Message{
		Topic: f.topic, Partition: f.partition, Offset: record.Offset,
		Key: key, Value: value, Headers: record.Headers, Time: record.Time,
	}, nil
}

func readBytes(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer func() { _ = b.Close() }()
	return kafka.ReadAll(b) //nolint:wrapcheck // the callers say which part it was
}

func newPause() *backoff.ExponentialBackOff {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 100 * time.Millisecond
	pause.MaxInterval = 5 * time.Second
	return pause
}

func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
