// Package deadletter keeps messages that cannot be indexed in a topic of their own: the original bytes, and in
// headers why they are there and where they came from.
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/change"
)

// Headers of a letter. The message's own headers stand before them, and its key and value are the original's.
const (
	HeaderReason    = "dlq-reason"    // a short constant, see the decoder's reasons and Elasticsearch's error types
	HeaderDetail    = "dlq-detail"    // for people
	HeaderPipeline  = "dlq-pipeline"  // which pipeline could not index it
	HeaderTopic     = "dlq-topic"     // the position of the original
	HeaderPartition = "dlq-partition" // ...
	HeaderOffset    = "dlq-offset"    // ...
	HeaderTime      = "dlq-time"      // when the original was written, RFC 3339
	HeaderFailedAt  = "dlq-failed-at" // when it became a letter, RFC 3339
	HeaderEpoch     = "dlq-epoch"     // the pipeline's at that time: positions of two epochs do not compare
)

// headerPrefix is common to all of them.
const headerPrefix = "dlq-"

// maxDetail bounds the header in bytes: Elasticsearch may quote a large part of a document.
const maxDetail = 4096

// maxLetter bounds a letter in bytes, somewhat above the largest message that the topics take.
const maxLetter = 32 << 20

// Letter is a message that cannot be indexed, and why.
type Letter struct {
	Message   kafka.Message
	Rejection change.Rejection
}

// Queue writes letters to a topic.
type Queue struct {
	writer    *kafka.Writer
	transport *kafka.Transport
	pipeline  string
	epoch     uint8
}

// NewQueue returns a Queue that writes to topic on behalf of a pipeline.
func NewQueue(brokers []string, topic, pipeline string) *Queue {
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, ClientID: pipeline}
	return &Queue{pipeline: pipeline, transport: transport, writer: &kafka.Writer{
		Transport:    transport,
		Addr:         kafka.TCP(brokers...),
		Topic:        topic,
		Balancer:     &kafka.Hash{},
		RequiredAcks: kafka.RequireAll,
		MaxAttempts:  3,
		BatchTimeout: time.Millisecond,
		BatchBytes:   maxLetter,
		WriteTimeout: 10 * time.Second,
		ReadTimeout:  10 * time.Second,
	}}
}

// AtEpoch says which epoch the pipeline is in; it is 0 otherwise. It returns the queue.
func (q *Queue) AtEpoch(epoch uint8) *Queue {
	q.epoch = epoch
	return q
}

// Put writes the letters and returns nil when the brokers have all of them. After an error some may be there: they
// will be there twice when Put is called again.
func (q *Queue) Put(ctx context.Context, letters []Letter) error {
	now := time.Now()
	messages := make([]kafka.Message, len(letters))
	for n, letter := range letters {
		messages[n] = q.message(letter, now)
	}
	if err := q.writer.WriteMessages(ctx, messages...); err != nil {
		var each kafka.WriteErrors
		if errors.As(err, &each) { // one error per letter: the first says enough
			for _, cause := range each {
				if cause != nil {
					err = cause
					break
				}
			}
		}
		return fmt.Errorf("write %d dead letters to %s: %w", len(letters), q.writer.Topic, err)
	}
	return nil
}

// Close gives back the connections.
func (q *Queue) Close() error {
	defer q.transport.CloseIdleConnections()
	if err := q.writer.Close(); err != nil {
		return fmt.Errorf("close dead-letter queue: %w", err)
	}
	return nil
}

func (q *Queue) message(letter Letter, now time.Time) kafka.Message {
	original := letter.Message
	header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
	return kafka.Message{
		Key:   original.Key,
		Value: original.Value,
		Headers: append(append([]kafka.Header(nil), original.Headers...),
			header(HeaderReason, letter.Rejection.Reason),
			header(HeaderDetail, clip(letter.Rejection.Detail)),
			header(HeaderPipeline, q.pipeline),
			header(HeaderTopic, original.Topic),
			header(HeaderPartition, strconv.Itoa(original.Partition)),
			header(HeaderOffset, strconv.FormatInt(original.Offset, 10)),
			header(HeaderTime, original.Time.UTC().Format(time.RFC3339Nano)),
			header(HeaderFailedAt, now.UTC().Format(time.RFC3339Nano)),
			header(HeaderEpoch, strconv.Itoa(int(q.epoch))),
		),
	}
}

func clip(text string) string {
	if len(text) <= maxDetail {
		return text
	}
	return strings.ToValidUTF8(text[:maxDetail], "") + "…"
}
