package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/health"
	"ticketing/internal/testenv"
)

// The statements of a run that its messages and documents come from: all columns with and without values, and every way in
// which a row changes.
const (
	contractRows = `
		INSERT INTO events (title, description, category, status, organizer, venue_name, venue_address, city, country, latitude, longitude,
			starts_at, ends_at, price_min, price_max, currency, capacity, tickets_available, tags, attributes)
		SELECT repeat('é🎫"\', 1 + n), CASE WHEN n % 2 = 0 THEN repeat('long ', 40000) END, 'c', (ARRAY ['draft', 'published', 'postponed', 'cancelled', 'sold_out'])[1 + n % 5],
			'o', CASE WHEN n % 3 = 0 THEN 'v' END, CASE WHEN n % 4 = 0 THEN E'a\nb' END, CASE WHEN n % 5 = 0 THEN '' END, CASE WHEN n % 2 = 0 THEN 'AT' END,
			CASE WHEN n % 2 = 0 THEN -90 + n * 0.1 END, CASE WHEN n % 2 = 0 THEN 180 END,
			CASE WHEN n % 7 = 0 THEN '0001-01-01 00:00:00+00' ELSE '2027-01-01 10:00:00.000001+02'::timestamptz END, '9999-12-31 23:59:59.999999+00',
			CASE WHEN n % 2 = 0 THEN 0 END, CASE WHEN n % 2 = 0 THEN 9999999999.99 END, CASE WHEN n % 2 = 0 THEN 'EUR' END,
			CASE WHEN n % 3 = 0 THEN 2147483647 END, CASE WHEN n % 3 = 0 THEN 0 END, (ARRAY ['a,b', '"', '', 'ü'])[1:n % 5],
			CASE WHEN n % 2 = 0 THEN '{}' ELSE '{"n": 123456789012345678901234567890.10, "o": {"a": [null, true, "x"]}}' END::jsonb
		FROM generate_series(0, 29) n`
	contractChanges = `
		UPDATE events SET title = 'changed', description = CASE WHEN city IS NULL THEN description END, tags = '{}', attributes = '{"a": 1e100}';
		UPDATE events SET id = uuidv7() WHERE country IS NULL;
		DELETE FROM events WHERE status = 'draft'`
)

// Every message and every document of a run with the real connector is what its JSON Schema says.
func TestMessagesAndDocumentsAreOfTheirSchemas(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.run(contractRows)
	s.register()
	s.awaitRunning()
	s.runIndexer()
	s.awaitCount("", 30) // the snapshot has been taken: what is written from now on is streamed
	s.run(contractRows)
	s.run(contractChanges)
	s.run("TRUNCATE events")
	s.run(contractRows)
	s.run(`INSERT INTO events (title, category, organizer, starts_at, ends_at) VALUES ('the last one', 'c', 'o', now(), now() + interval '1 hour')`)
	s.awaitCount("?q=title:last", 1)
	s.eventually(health.PartLag, "lag ok: none", nil)

	key, ops := contract(t, "../connectors/schemas/key.schema.json"), map[string]int{}
	for n, name := range []string{"event-created", "event-updated", "event-deleted"} {
		schema := contract(t, "../connectors/schemas/"+name+".schema.json")
		for _, message := range s.messages(s.topics()[n]) {
			require.NoError(t, key.Validate(decoded(t, message.Key)), "%s", message.Key)
			value := decoded(t, message.Value)
			require.NoError(t, schema.Validate(value), "%s", message.Value)
			ops[value.(map[string]any)["op"].(string)]++
		}
	}
	// of each 30 rows, 15 have no country and 6 are drafts; a change of the key is a delete and a create
	require.Equal(t, map[string]int{"r": 30, "c": 30 + 30 + 30 + 1, "u": 60, "d": 30 + 12 + 48}, ops)

	documents, tombstones := 0, 0
	document, tombstone := contract(t, "pipelines/events.schema.json"), contract(t, "pipelines/events.schema.json#/$defs/tombstone")
	for _, source := range s.documents() {
		if value := decoded(t, source); strings.Contains(string(source), `"deleted":true`) {
			tombstones++
			require.NoError(t, tombstone.Validate(value), "%s", source)
			require.Error(t, document.Validate(value), "%s", source)
		} else {
			documents++
			require.NoError(t, document.Validate(value), "%s", source)
		}
	}
	require.Equal(t, 31, documents)
	require.Equal(t, 60+30, tombstones)
}

// awaitCount waits until a search finds so many documents.
func (s *system) awaitCount(query string, want int) {
	s.t.Helper()
	testenv.Eventually(s.t, settled, func(ctx context.Context) error {
		found, err := s.elasticsearch(ctx, http.MethodGet, "/"+s.name+"/_count"+query)
		if err == nil && !strings.HasPrefix(found, fmt.Sprintf(`{"count":%d,`, want)) {
			err = errors.New(found)
		}
		return err
	})
}

func contract(t *testing.T, location string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(location)
	require.NoError(t, err)
	return schema
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err, "%s", text)
	return value
}

// messages returns all that a topic holds.
func (s *system) messages(topic string) (all []kafka.Message) {
	s.t.Helper()
	ctx := testenv.Context(s.t, settled)
	offsets, err := testenv.KafkaClient(s.t).ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0), kafka.LastOffsetOf(1)}},
	})
	require.NoError(s.t, err)
	for _, partition := range offsets.Topics[topic] {
		require.NoError(s.t, partition.Error)
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers: strings.Split(testenv.Address(s.t, testenv.KafkaBrokers), ","), Topic: topic, Partition: partition.Partition,
			MaxBytes: 20 << 20, MaxWait: 100 * time.Millisecond, // what Close waits for
		})
		for range partition.LastOffset {
			message, err := reader.ReadMessage(ctx)
			require.NoError(s.t, err)
			all = append(all, message)
		}
		require.NoError(s.t, reader.Close())
	}
	return all
}

// documents returns the sources of all documents in the index, tombstones too.
func (s *system) documents() (all []json.RawMessage) {
	s.t.Helper()
	ctx := testenv.Context(s.t, settled)
	_, err := s.elasticsearch(ctx, http.MethodPost, "/"+s.name+"-write/_refresh")
	require.NoError(s.t, err)
	const most = 1000
	text, err := s.elasticsearch(ctx, http.MethodGet, fmt.Sprintf("/%s-write/_search?size=%d", s.name, most))
	require.NoError(s.t, err)
	var answer struct {
		Hits struct {
			Hits []struct {
				Source json.RawMessage `json:"_source"`
			}
		}
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &answer))
	require.Less(s.t, len(answer.Hits.Hits), most)
	for _, hit := range answer.Hits.Hits {
		all = append(all, hit.Source)
	}
	return all
}
