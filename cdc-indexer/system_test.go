package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/health"
	"ticketing/internal/kafkaconnect"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system is a whole pipeline of a test's own on the real servers, from the table to the index, with an indexer.
type system struct {
	t           *testing.T
	name        string // of everything in it
	database    string // a superuser's URL
	pipeline    string // the pipeline file
	indexer     string // URL
	publication string // of the connector
	connect     *kafkaconnect.Client
}

const settled = time.Minute

// newSystem prepares everything but the connector, which register makes, and the indexer, which runIndexer starts.
func newSystem(t *testing.T) *system {
	t.Helper()
	client, err := kafkaconnect.New(testenv.Address(t, testenv.ConnectURL))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	s := &system{t: t, name: testenv.Name(t), database: testenv.Database(t), publication: "ticketing", connect: client}
	testenv.Topics(t, 2, s.topics()...)
	testenv.Topics(t, 1, s.name+"-dlq", s.name+".public.events", "__debezium-heartbeat."+s.name)
	s.indexer = fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))

	definition, err := filepath.Abs("pipelines/events.index.yaml")
	require.NoError(t, err)
	s.pipeline = filepath.Join(t.TempDir(), "pipeline.yaml")
	require.NoError(t, os.WriteFile(s.pipeline, []byte(fmt.Sprintf(`
name: %[1]s
table: public.events
key: [id]
topics: [%[2]s]
dead_letter_topic: %[1]s-dlq
consumer_group: %[1]s
index: {prefix: %[1]s, read_alias: %[1]s, write_alias: %[1]s-write, definition: %[3]s}
json_columns: [attributes]
geo_points: [{field: location, latitude: latitude, longitude: longitude}]
source: {connector: %[1]s, slot: %[1]s, publication: ticketing, heartbeat: public.debezium_heartbeat}
`, s.name, strings.Join(s.topics(), ", "), definition)), 0o600))
	s.cleanup(func(ctx context.Context) error {
		_, err := s.elasticsearch(ctx, http.MethodDelete, "/"+s.name+"-000001?ignore_unavailable=true")
		return err
	})
	return s
}

func (s *system) topics() []string {
	return []string{s.name + "-created", s.name + "-updated", s.name + "-deleted"}
}

// cleanup runs undo when the test ends, again and again until it succeeds.
func (s *system) cleanup(undo func(context.Context) error) {
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), settled)
		defer cancel()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for err := undo(ctx); err != nil; err = undo(ctx) {
			select {
			case <-ctx.Done():
				s.t.Errorf("clean up: %v", err)
				return
			case <-tick.C:
			}
		}
	})
}

func (s *system) sql(ctx context.Context, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, s.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql, args...)
	return err
}

func (s *system) run(sql string) {
	s.t.Helper()
	require.NoError(s.t, s.sql(testenv.Context(s.t, settled), sql), sql)
}

func (s *system) elasticsearch(ctx context.Context, method, path string) (string, error) {
	return call(ctx, method, testenv.Address(s.t, testenv.ElasticsearchURL)+path)
}

func call(ctx context.Context, method, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// register gives the connector of connectors/events.json, under the system's names, to Kafka Connect.
func (s *system) register() {
	s.t.Helper()
	text, err := os.ReadFile("../connectors/events.json")
	require.NoError(s.t, err)
	var config map[string]string
	require.NoError(s.t, json.Unmarshal(text, &config))
	database, err := pgx.ParseConfig(s.database)
	require.NoError(s.t, err)
	config["database.dbname"], config["slot.name"], config["topic.prefix"] = database.Database, s.name, s.name
	config["publication.name"] = s.publication
	config["heartbeat.interval.ms"] = "1000"
	config["transforms.route.topic.expression"] = fmt.Sprintf(
		"[c: '%[1]s', r: '%[1]s', u: '%[2]s', d: '%[3]s'][value?.op]", s.topics()[0], s.topics()[1], s.topics()[2])
	s.cleanup(func(ctx context.Context) error {
		return s.sql(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", s.name)
	})
	s.cleanup(func(ctx context.Context) error {
		err := s.connect.Delete(ctx, s.name)
		if errors.Is(err, kafkaconnect.ErrNotFound) {
			return nil
		}
		return err
	})
	require.NoError(s.t, s.connect.PutConfig(testenv.Context(s.t, settled), s.name, config))
}

func (s *system) awaitRunning() {
	s.t.Helper()
	_, err := s.connect.AwaitRunning(testenv.Context(s.t, settled), s.name, time.Second)
	require.NoError(s.t, err)
}

// flags are those by which all commands find the system.
func (s *system) flags(more ...string) []string {
	return append([]string{
		"--pipeline", s.pipeline, "--kafka-brokers", testenv.Address(s.t, testenv.KafkaBrokers),
		"--elasticsearch-url", testenv.Address(s.t, testenv.ElasticsearchURL),
		"--database-url", testenv.URLAs(s.t, s.database, "indexer"), "--connect-url", testenv.Address(s.t, testenv.ConnectURL),
	}, more...)
}

// runIndexer runs the command run until the test ends, or stop is called.
func (s *system) runIndexer(more ...string) (stop func()) {
	s.t.Helper()
	return s.runIndexerWith(s.flags(more...)...)
}

func (s *system) runIndexerWith(flags ...string) (stop func()) {
	s.t.Helper()
	cli, err := parse(s.t, append([]string{"run", "--listen", strings.TrimPrefix(s.indexer, "http://"), "--check-interval", "1s"}, flags...)...)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cli.Run.Run(ctx, slog.New(slog.DiscardHandler)) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

// findings returns what status finds in the parts.
func (s *system) findings(parts ...health.Part) (found []string, err error) {
	s.t.Helper()
	text, err := statusOf(s.t, s.flags("--json", "--indexer-url", s.indexer)...)
	var report health.Report
	if unmarshalled := json.Unmarshal([]byte(text), &report); unmarshalled != nil {
		return nil, errors.Join(err, unmarshalled)
	}
	for _, f := range report.Findings {
		for _, part := range parts {
			if f.Part == part {
				found = append(found, fmt.Sprintf("%s %s: %s", f.Part, f.State, f.Summary))
			}
		}
	}
	return found, err
}

// eventually waits until status says of one part what it is expected to, and ends with the error that goes with it.
func (s *system) eventually(part health.Part, want string, wantErr error) {
	s.t.Helper()
	testenv.Eventually(s.t, settled, func(context.Context) error {
		found, err := s.findings(part)
		if text := strings.Join(found, "\n"); !strings.Contains(text, want) || !errors.Is(err, wantErr) {
			return fmt.Errorf("found %s (%w), want %s", text, err, want)
		}
		return nil
	})
}

// readiness waits until /readyz says so.
func (s *system) readiness(ready bool, want string) {
	s.t.Helper()
	testenv.Eventually(s.t, settled, func(ctx context.Context) error {
		body, err := call(ctx, http.MethodGet, s.indexer+"/readyz")
		if err != nil {
			return err
		}
		if !strings.Contains(body, fmt.Sprintf(`"ready":%t`, ready)) || !strings.Contains(body, want) {
			return errors.New(body)
		}
		return nil
	})
}

// metric waits until the indexer exports this line.
func (s *system) metric(line string) {
	s.t.Helper()
	testenv.Eventually(s.t, settled, func(ctx context.Context) error {
		body, err := call(ctx, http.MethodGet, s.indexer+"/metrics")
		if err == nil && !strings.Contains(body, "\n"+line+"\n") {
			err = errors.New(line + " is missing")
		}
		return err
	})
}

// A pipeline that is well, and then one thing after the other that is not: status, /readyz and metrics tell each.
func TestWhatGoesWrongIsSeen(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.register()
	s.awaitRunning()
	s.runIndexer()
	s.run(`INSERT INTO events (title, category, organizer, starts_at, ends_at) VALUES ('t', 'c', 'o', now(), now() + interval '1 hour')`)
	s.readiness(true, `"slot":"ok"`)
	s.eventually(health.PartSlot, "slot ok: "+s.name+" active", nil)
	s.eventually(health.PartFreshness, "the newest change in the index was committed", nil)
	s.eventually(health.PartMapping, "all 24 columns are searchable", nil)
	for _, line := range []string{
		`cdc_indexer_ready 1`, `cdc_indexer_slot_active 1`, `cdc_indexer_slot_lost 0`, `cdc_indexer_connector_running 1`, `cdc_indexer_check_failed{part="slot"} 0`,
	} {
		s.metric(line)
	}

	s.run("ALTER TABLE events REPLICA IDENTITY DEFAULT, ADD added int")
	s.eventually(health.PartTable, "table warning: public.events has REPLICA IDENTITY DEFAULT", errNo)
	s.eventually(health.PartMapping, "mapping ok: note: not searchable: added", errNo)
	s.readiness(true, "table: public.events has REPLICA IDENTITY DEFAULT")
	s.metric(`cdc_indexer_check_warning{part="table"} 1`)
	s.run("ALTER TABLE events REPLICA IDENTITY FULL")
	s.eventually(health.PartTable, "table ok", nil)

	s.run("ALTER PUBLICATION ticketing DROP TABLE events")
	s.eventually(health.PartPublication, "publication failed: publication ticketing does not have the table", errNo)
	s.readiness(false, `"publication":"publication ticketing does not have the table`)
	s.metric(`cdc_indexer_check_failed{part="publication"} 1`)
	s.run("ALTER PUBLICATION ticketing ADD TABLE events")

	require.NoError(t, s.connect.Pause(testenv.Context(t, settled), s.name))
	s.eventually(health.PartConnector, "connector failed: connector "+s.name+" is PAUSED", errNo)
	s.readiness(false, "is PAUSED")
	s.metric(`cdc_indexer_ready 0`)
	s.metric(`cdc_indexer_connector_running 0`)
	require.NoError(t, s.connect.Resume(testenv.Context(t, settled), s.name))
	s.eventually(health.PartConnector, "connector ok", nil)

	_, err := s.elasticsearch(testenv.Context(t, settled), http.MethodPut, "/"+s.name+"-000001/_block/write")
	require.NoError(t, err)
	s.eventually(health.PartIndex, "index failed: index "+s.name+"-000001 does not take writes: index.blocks.write", errNo)
	s.readiness(false, "does not take writes")

	require.NoError(t, s.connect.Delete(testenv.Context(t, settled), s.name))
	s.eventually(health.PartConnector, "connector failed: Kafka Connect has no connector "+s.name, errNo)
	testenv.Eventually(t, settled, func(ctx context.Context) error {
		return s.sql(ctx, "SELECT pg_drop_replication_slot($1)", s.name)
	})
	s.eventually(health.PartSlot, "slot failed: there is no replication slot "+s.name, errNo)
	s.readiness(false, `"slot":"there is no replication slot `+s.name+`"`)
	s.metric(`cdc_indexer_slot_active 0`)
	s.metric(`cdc_indexer_slot_lost 1`)
}

// A task that fails: its error's first line is in the finding.
func TestFailedTaskIsSeen(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.publication = "no_such_publication"
	s.register()
	s.eventually(health.PartConnector, "connector failed: task 0 of connector "+s.name+" FAILED: ", errNo)
	s.eventually(health.PartConnector, "Publication autocreation is disabled", errNo)
	found, err := s.findings(health.PartConnector, health.PartGroup, health.PartIndex, health.PartIndexer)
	require.ErrorIs(t, err, errNo)
	require.NotContains(t, found[0], "\n")
	require.Contains(t, strings.Join(found, "\n"), "group failed: the consumer group has no member")
	require.Contains(t, strings.Join(found, "\n"), "indexer failed: cannot be asked")
	require.Contains(t, strings.Join(found, "\n"), "index failed: there is no write alias "+s.name+"-write")
}

// Messages that expire while nobody consumes are seen by status before they are skipped, and what an indexer had to
// skip is seen as long as it runs.
func TestSkippedMessagesAreSeen(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.register()
	s.awaitRunning()
	insert := `INSERT INTO events (title, category, organizer, starts_at, ends_at) SELECT 't', 'c', 'o', now(), now() + interval '1 hour' FROM generate_series(1, 100)`
	s.run(insert)
	s.eventually(health.PartLag, "100 messages in 2 partitions", errNo)
	testenv.DeleteRecords(t, s.topics()[0], 0, 7)
	s.eventually(health.PartOffsets, "the group has no offset, and the first messages have expired: "+s.topics()[0]+"/0 begins at 7", errNo)
	s.runIndexer()
	s.eventually(health.PartIndexer, "indexer warning: messages were skipped since it was started: offsets 0 to 7 of "+s.topics()[0]+"/0", errNo)
	s.eventually(health.PartLag, "lag ok: none", errNo)
	s.eventually(health.PartOffsets, "offsets ok", errNo)
}

// A dead letter is in the metrics for as long as nobody has dealt with it.
func TestOpenDeadLettersAreInTheMetrics(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.runIndexer()
	client := testenv.KafkaClient(t)
	response, err := client.Produce(testenv.Context(t, settled), &kafka.ProduceRequest{
		Topic: s.topics()[0], RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Key: kafka.NewBytes([]byte(`{"id":"x"}`)), Value: kafka.NewBytes([]byte("no JSON"))}),
	})
	require.NoError(t, err)
	require.NoError(t, response.Error)
	s.metric(`cdc_indexer_dead_letters_total{reason="malformed-envelope"} 1`)
	s.metric(`cdc_indexer_dead_letters_open{reason="malformed-envelope"} 1`)
	s.metric(`cdc_indexer_check_warning{part="dead-letters"} 1`)

	parsed, err := parse(t, "dlq", "drop", "--pipeline", s.pipeline, "--kafka-brokers", testenv.Address(t, testenv.KafkaBrokers), "--id", "0:0")
	require.NoError(t, err)
	require.NoError(t, parsed.DLQ.Drop.Run(testenv.Context(t, settled), slog.New(slog.DiscardHandler)))
	s.metric(`cdc_indexer_check_warning{part="dead-letters"} 0`)
}
