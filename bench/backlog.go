package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"ticketing/demo/sample"
)

const (
	createdTopic = "event-created"
	partitions   = 6
)

// backlog makes rows in the table, and so, by the real connector, events in Kafka.
type backlog struct {
	database *pgx.Conn
	kafka    *kafka.Client
	samples  *sample.Generator
	rows     int   // made so far
	before   int64 // in the topic, of the stack's own start
}

func newBacklog(ctx context.Context, at addresses) (*backlog, error) {
	database, err := pgx.Connect(ctx, at.Postgres)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	b := &backlog{
		database: database, samples: newSamples(),
		kafka: &kafka.Client{Addr: kafka.TCP(at.Kafka), Timeout: 30 * time.Second, Transport: &kafka.Transport{ClientID: "bench"}},
	}
	b.before, err = b.messages(ctx)
	return b, err
}

// newSamples returns the same events in every run.
func newSamples() *sample.Generator {
	return sample.New(1, "bench", time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
}

func (b *backlog) close(ctx context.Context) { _ = b.database.Close(ctx) }

// grow makes rows until there are so many, and waits until all of them are in Kafka.
func (b *backlog) grow(ctx context.Context, to int) error {
	return b.add(ctx, to-b.rows, 0)
}

// add makes so many rows, with descriptions that make documents of about so many bytes; 0 is about the samples' own.
func (b *backlog) add(ctx context.Context, rows, bytes int) error {
	const batch = 1000
	for left := rows; left > 0; left -= batch {
		if err := insertSamples(ctx, b.database, b.samples, min(left, batch), bytes); err != nil {
			return err
		}
	}
	b.rows += max(rows, 0)
	return b.awaitConnector(ctx)
}

// insertSamples makes rows in one transaction.
func insertSamples(ctx context.Context, database *pgx.Conn, samples *sample.Generator, rows, bytes int) error {
	events := make([]sample.Event, rows)
	for n := range events {
		events[n] = samples.Event()
		// With all of the samples' attributes an envelope would have 1.7 kB, and not 1.3.
		events[n].Attributes = map[string]any{"ledger_no": events[n].Attributes["ledger_no"]}
		if bytes > 0 {
			resize(&events[n], samples, bytes)
		}
	}
	text, err := json.Marshal(events)
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	const columns = `title, description, category, status, organizer, venue_name, venue_address, city, country, latitude, longitude,
		starts_at, ends_at, price_min, price_max, currency, capacity, tickets_available, tags, attributes`
	_, err = database.Exec(ctx, "INSERT INTO public.events ("+columns+") SELECT "+columns+" FROM jsonb_populate_recordset(null::public.events, $1::jsonb)", string(text))
	if err != nil {
		return fmt.Errorf("insert %d rows: %w", rows, err)
	}
	return nil
}

// documentBytes is about what a document has beside its description.
const documentBytes = 700

// resize gives the event a description that makes its document about so many bytes. Small documents do without place
// and attributes, too.
func resize(event *sample.Event, samples *sample.Generator, bytes int) {
	event.Description = nil
	if bytes < documentBytes {
		event.VenueName, event.VenueAddress, event.Attributes = nil, nil, map[string]any{}
		return
	}
	var text strings.Builder
	for text.Len() < bytes-documentBytes {
		if more := samples.Event().Description; more != nil {
			text.WriteString(*more + " ")
		}
	}
	event.Description = new(text.String())
}

// messages is how many events are in the topic.
func (b *backlog) messages(ctx context.Context) (int64, error) {
	ends, err := b.ends(ctx, createdTopic)
	total := int64(0)
	for _, end := range ends {
		total += end
	}
	return total, err
}

// ends returns the offset of the next message of each partition.
func (b *backlog) ends(ctx context.Context, topic string) ([]int64, error) {
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for partition := range partitions {
		request.Topics[topic] = append(request.Topics[topic], kafka.LastOffsetOf(partition))
	}
	response, err := b.kafka.ListOffsets(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("ask for the end of %s: %w", topic, err)
	}
	ends := make([]int64, partitions)
	for _, p := range response.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("ask for the end of %s/%d: %w", topic, p.Partition, p.Error)
		}
		ends[p.Partition] = p.LastOffset
	}
	return ends, nil
}

func (b *backlog) awaitConnector(ctx context.Context) error {
	const limit = 20 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		got, err := b.messages(ctx)
		if err == nil && got >= b.before+int64(b.rows) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events are in Kafka: %w", got-b.before, b.rows, ctx.Err())
		case <-look.C:
		}
	}
}

// envelopeBytes is the mean size of the topic's first messages, without their keys.
func (b *backlog) envelopeBytes(ctx context.Context) (float64, error) {
	response, err := b.kafka.Fetch(ctx, &kafka.FetchRequest{Topic: createdTopic, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", createdTopic, err)
	}
	total, count := 0, 0
	for {
		record, err := response.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return float64(total) / float64(max(count, 1)), nil
		}
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", createdTopic, err)
		}
		total += record.Value.Len()
		count++
		_ = errors.Join(record.Value.Close(), record.Key.Close()) // buffers in memory
	}
}

// startAt lets a consumer group that has no member yet begin a topic at these offsets.
func (b *backlog) startAt(ctx context.Context, group, topic string, offsets []int64) error {
	const noGeneration = -1
	request := &kafka.OffsetCommitRequest{GroupID: group, GenerationID: noGeneration, Topics: map[string][]kafka.OffsetCommit{}}
	for partition, offset := range offsets {
		request.Topics[topic] = append(request.Topics[topic], kafka.OffsetCommit{Partition: partition, Offset: offset})
	}
	response, err := b.kafka.OffsetCommit(ctx, request)
	if err != nil {
		return fmt.Errorf("set the offsets of group %s: %w", group, err)
	}
	for _, p := range response.Topics[topic] {
		if p.Error != nil {
			return fmt.Errorf("set the offset of group %s in %s/%d: %w", group, topic, p.Partition, p.Error)
		}
	}
	return nil
}
