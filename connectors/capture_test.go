package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// capture makes TestCaptured write the files that it otherwise compares:
//
//	go run ./stack exec --only postgres,kafka,connect -- go test ./connectors -run TestCaptured -capture
var capture = flag.Bool("capture", false, "write the captured envelopes instead of comparing them")

// capturedFolder holds what Debezium really sends; the decoder's golden tests read it.
const capturedFolder = "../cdc-indexer/debezium/testdata/captured"

// TestCaptured runs every recording against the real Debezium, and holds the captured files against what it sends
// now. Positions, times and names differ from run to run; everything else must be the same.
func TestCaptured(t *testing.T) {
	testenv.Address(t, testenv.ConnectURL)
	if *capture {
		t.Cleanup(func() { writeReadme(t) })
	}
	for _, recording := range recordings() {
		t.Run(recording.name, func(t *testing.T) {
			t.Parallel()
			name := testenv.Name(t)
			if *capture {
				name = "captured_" + recording.name
			}
			recording.run(t, name)
		})
	}
}

// A recording is a database, a connector on it, and steps that make it send messages.
type recording struct {
	name     string
	about    string
	settings map[string]string // beside newConnector's
	before   []string          // run before the connector starts, so that its snapshot reads the rows
	steps    []step
}

// A step is a piece of SQL and the messages that it makes.
type step struct {
	sql  string
	want []message
}

// A message is the next one of a topic; it is captured when it has a file.
type message struct {
	topic string // suffix or prefix of the connector's topic: see connector.topics
	file  string // without .key.json and .value.json
	about string
}

func created(file, about string) message { return message{"-created", file, about} }
func updated(file, about string) message { return message{"-updated", file, about} }
func deleted(file, about string) message { return message{"-deleted", file, about} }

func (r recording) run(t *testing.T, name string) {
	t.Helper()
	database := testenv.Database(t)
	c := newConnector(t, name, database)
	for setting, value := range r.settings {
		c.settings[setting] = value
	}
	execute(t, database, r.before...)
	readers := topicReaders(t, c)
	c.register(t)
	for _, step := range r.steps {
		if step.sql != "" {
			execute(t, database, step.sql)
		}
		for _, want := range step.want {
			received, err := readers[want.topic].ReadMessage(testenv.Context(t, time.Minute))
			require.NoError(t, err, "message %s of topic %s after: %.200s", want.file, want.topic, step.sql)
			if want.file != "" {
				check(t, want.file, received)
			}
		}
	}
}

// topicReaders reads the single partition of each of the connector's topics, by the part of its name that is fixed.
func topicReaders(t *testing.T, c *connector) map[string]*kafka.Reader {
	t.Helper()
	brokers := strings.Split(testenv.Address(t, testenv.KafkaBrokers), ",")
	readers := map[string]*kafka.Reader{}
	for _, topic := range c.topics() {
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers: brokers, Topic: topic, MaxBytes: 16 << 20, MaxWait: 100 * time.Millisecond,
		})
		t.Cleanup(func() { require.NoError(t, reader.Close()) })
		readers[strings.Replace(topic, c.name, "", 1)] = reader
	}
	return readers
}

// check writes a message to its files or compares it with them.
func check(t *testing.T, file string, received kafka.Message) {
	t.Helper()
	parts := map[string][]byte{".key.json": received.Key, ".value.json": received.Value, ".headers.json": headers(t, received.Headers)}
	for suffix, content := range parts {
		path := filepath.Join(capturedFolder, file+suffix)
		if *capture {
			writeOrRemove(t, path, content)
			continue
		}
		captured, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(comparable(t, captured), comparable(t, content)); diff != "" {
			t.Errorf("%s: Debezium sends something else than was captured (-captured +sent):\n%s", path, diff)
		}
	}
}

func writeOrRemove(t *testing.T, path string, content []byte) {
	t.Helper()
	if content == nil {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
		}
		return
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, content, 0o644))
}

// headers returns a JSON object of name to text, nil when there are none.
func headers(t *testing.T, headers []kafka.Header) []byte {
	t.Helper()
	if len(headers) == 0 {
		return nil
	}
	texts := map[string]string{}
	for _, header := range headers {
		texts[header.Key] = string(header.Value)
	}
	content, err := json.MarshalIndent(texts, "", "  ")
	require.NoError(t, err)
	return append(content, '\n')
}

// comparable decodes JSON and blanks what differs from run to run.
func comparable(t *testing.T, content []byte) any {
	t.Helper()
	if content == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var value any
	require.NoError(t, decoder.Decode(&value))
	blank(value)
	return value
}

func blank(value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for field, inner := range object {
		switch field {
		case "ts_ms", "ts_us", "ts_ns", "lsn", "txId", "db", "name", "serverName", "created_at", "updated_at":
			if inner != nil {
				object[field] = "…"
			}
		case "sequence":
			object[field] = blankSequence(inner)
		case "before", "after", "source":
			blank(inner)
		}
	}
}

// blankSequence keeps which of the two positions are null.
func blankSequence(value any) any {
	text, ok := value.(string)
	var positions []*string
	if !ok || json.Unmarshal([]byte(text), &positions) != nil {
		return value
	}
	shape := make([]bool, len(positions))
	for i, position := range positions {
		shape[i] = position != nil
	}
	return fmt.Sprint(shape)
}

// writeReadme lists the files with the SQL that made them.
func writeReadme(t *testing.T) {
	t.Helper()
	var text strings.Builder
	text.WriteString(readmeHead)
	for _, recording := range recordings() {
		fmt.Fprintf(&text, "\n## %s\n\n%s\n", recording.name, recording.about)
		if len(recording.before) > 0 {
			fmt.Fprintf(&text, "\nBefore the connector starts:\n\n```sql\n%s\n```\n", strings.TrimSpace(strings.Join(recording.before, "\n\n")))
		}
		for _, step := range recording.steps {
			if step.sql != "" {
				fmt.Fprintf(&text, "\n```sql\n%s\n```\n", strings.TrimSpace(step.sql))
			}
			text.WriteString("\n")
			for _, message := range step.want {
				if message.file != "" {
					fmt.Fprintf(&text, "- `%s`: %s\n", message.file, message.about)
				}
			}
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(capturedFolder, "README.md"), []byte(text.String()), 0o644))
}
