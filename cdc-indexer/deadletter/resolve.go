package deadletter

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
)

// Headers of a resolution, beside HeaderPipeline: a message without a value in the dead-letter topic, with the key and
// in the partition of the letter that it marks as done. It stands behind the letter, so it never expires before it.
const (
	HeaderResolves   = "dlq-resolves"    // the letter's ID
	HeaderOutcome    = "dlq-outcome"     // what became of it, an Outcome
	HeaderResolvedAt = "dlq-resolved-at" // when, RFC 3339
)

// isLetter tells a letter from a resolution.
func isLetter(label map[string]string) bool {
	_, has := label[HeaderReason]
	return has
}

// resolves returns which letter of this pipeline a message marks as done. A letter does not, even if its original
// had such headers.
func (r *Reader) resolves(label map[string]string) (ID, bool) {
	if label[HeaderPipeline] != r.pipeline || label[HeaderResolves] == "" || isLetter(label) {
		return ID{}, false
	}
	var id ID
	err := id.UnmarshalText([]byte(label[HeaderResolves]))
	return id, err == nil
}

func newMark(label map[string]string, written time.Time) mark {
	if at, err := time.Parse(time.RFC3339Nano, label[HeaderResolvedAt]); err == nil {
		written = at
	}
	return mark{outcome: known(label[HeaderOutcome]), millis: written.UnixMilli()}
}

// resolve marks letters as done. It returns nil when the brokers have all the marks; otherwise some may be there.
func (r *Reader) resolve(ctx context.Context, done []Result) error {
	byPartition := map[int][]Result{}
	for _, result := range done {
		byPartition[result.Entry.ID.Partition] = append(byPartition[result.Entry.ID.Partition], result)
	}
	now := time.Now()
	for partition, results := range byPartition {
		attempt := func() (struct{}, error) { return struct{}{}, r.produce(ctx, partition, results, now) }
		if _, err := backoff.Retry(ctx, attempt, backoff.WithMaxElapsedTime(patience)); err != nil {
			return fmt.Errorf("mark %d letters in %s/%d as done: %w", len(results), r.topic, partition, err)
		}
	}
	return nil
}

func (r *Reader) produce(ctx context.Context, partition int, done []Result, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	records := make([]kafka.Record, len(done))
	for n, result := range done {
		header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
		records[n] = kafka.Record{
			Key: kafka.NewBytes(result.Entry.Message.Key),
			Headers: []kafka.Header{
				header(HeaderResolves, result.Entry.ID.String()),
				header(HeaderOutcome, string(result.Outcome)),
				header(HeaderResolvedAt, now.UTC().Format(time.RFC3339Nano)),
				header(HeaderPipeline, r.pipeline),
			},
		}
	}
	response, err := r.client.Produce(ctx, &kafka.ProduceRequest{
		Topic: r.topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil {
		return err //nolint:wrapcheck // resolve says what was being written
	}
	return response.Error
}
