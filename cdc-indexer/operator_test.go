package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/operations"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/reindex"
	"ticketing/cdc-indexer/trace"
	"ticketing/cdc-indexer/verify"
	"ticketing/internal/testenv"
)

const insertEvent = `INSERT INTO events (title, category, organizer, starts_at, ends_at) VALUES ('t', 'c', 'o', now(), now() + interval '1 hour')`

// ask sends a request with the operator's token to the indexer and decodes the answer.
func (s *system) ask(method, path, body string, want int, answer any) {
	s.t.Helper()
	text, status, err := s.send(testenv.Context(s.t, settled), method, path, body)
	require.NoError(s.t, err)
	require.Equal(s.t, want, status, text)
	if answer != nil {
		require.NoError(s.t, json.Unmarshal([]byte(text), answer), text)
	}
}

func (s *system) send(ctx context.Context, method, path, body string) (string, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.indexer+path, strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Authorization", "Bearer secret")
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), response.StatusCode, err
}

// job starts a job and returns it when it has ended.
func (s *system) job(body string, want operations.State, result any) operations.Job {
	s.t.Helper()
	var job operations.Job
	s.ask(http.MethodPost, "/api/jobs", body, http.StatusAccepted, &job)
	job.Result = result
	testenv.Eventually(s.t, settled, func(ctx context.Context) error {
		text, _, err := s.send(ctx, http.MethodGet, "/api/jobs/"+job.ID, "")
		if err == nil {
			err = json.Unmarshal([]byte(text), &job)
		}
		if err == nil && job.State == operations.Running {
			err = errors.New(text)
		}
		return err
	})
	require.Equal(s.t, want, job.State, "%+v", job)
	return job
}

// What the commands say, said and done over HTTP, against the real parts.
func TestOperationsOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.register()
	s.awaitRunning()
	s.runIndexer("--operator-token", "secret")
	s.readiness(true, `"slot":"ok"`)
	s.run(insertEvent) // after the index was made: what is older says nothing of its freshness
	s.awaitCount("", 1)

	t.Run("status", func(t *testing.T) {
		testenv.Eventually(t, settled, func(ctx context.Context) error {
			text, status, err := s.send(ctx, http.MethodGet, "/api/status", "")
			var report health.Report
			if err = errors.Join(err, json.Unmarshal([]byte(text), &report)); err != nil || status != http.StatusOK {
				return fmt.Errorf("%d: %w", status, err)
			}
			if !report.OK || len(report.Facts.Kafka.Partitions) != 6 || !report.Facts.Indexer.Ready || report.Facts.Connector.State != "RUNNING" {
				return errors.New(text)
			}
			return nil
		})
	})
	t.Run("freshness", func(t *testing.T) {
		var fresh operations.Freshness
		s.ask(http.MethodGet, "/api/freshness", "", http.StatusOK, &fresh)
		require.Equal(t, 1, fresh.Samples)
		require.Positive(t, fresh.Max)
		require.Less(t, fresh.Max, settled.Seconds())
		require.WithinDuration(t, time.Now(), *fresh.NewestAt, settled)
	})
	t.Run("dead letters", func(t *testing.T) { s.lettersOverHTTP(t) })
	t.Run("connector", func(*testing.T) {
		s.ask(http.MethodPost, "/api/connector/restart?only_failed=false", "", http.StatusAccepted, nil)
		s.awaitRunning()
	})
	t.Run("jobs", func(t *testing.T) { s.jobsOverHTTP(t) })
}

func (s *system) lettersOverHTTP(t *testing.T) {
	response, err := testenv.KafkaClient(t).Produce(testenv.Context(t, settled), &kafka.ProduceRequest{
		Topic: s.topics()[0], RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(
			kafka.Record{Key: kafka.NewBytes([]byte(`{"id":"x"}`)), Value: kafka.NewBytes([]byte(`no JSON`)), Time: time.Now()},
			kafka.Record{Key: kafka.NewBytes([]byte(`{"id":"y"}`)), Value: kafka.NewBytes([]byte(`{"op":"?"}`)), Time: time.Now()},
		),
	})
	require.NoError(t, errors.Join(err, response.Error))
	var list operations.Letters
	testenv.Eventually(t, settled, func(ctx context.Context) error {
		text, _, err := s.send(ctx, http.MethodGet, "/api/dead-letters?limit=1", "")
		if err = errors.Join(err, json.Unmarshal([]byte(text), &list)); err == nil && list.Total != 2 {
			err = errors.New(text)
		}
		return err
	})
	require.Len(t, list.Items, 1)
	s.ask(http.MethodGet, "/api/dead-letters?key=x", "", http.StatusOK, &list)
	require.Equal(t, 1, list.Total)
	require.Equal(t, "malformed-envelope", list.Items[0].Reason)
	var letter operations.LetterDetails
	s.ask(http.MethodGet, "/api/dead-letters/"+list.Items[0].ID, "", http.StatusOK, &letter)
	require.Equal(t, "no JSON", string(letter.Base64))
	require.Equal(t, "x", letter.Document)
	s.ask(http.MethodGet, "/api/dead-letters/0:99999", "", http.StatusNotFound, nil)
	s.ask(http.MethodPost, "/api/dead-letters/replay", `{"ids":["0:99999"]}`, http.StatusNotFound, nil)

	var replayed operations.Replayed
	s.ask(http.MethodPost, "/api/dead-letters/replay", `{"all":true}`, http.StatusOK, &replayed)
	require.Equal(t, 2, replayed.Open)
	require.Equal(t, map[string]int{"undecodable": 2}, replayed.Outcomes)
	s.ask(http.MethodPost, "/api/dead-letters/replay", `{"ids":["`+list.Items[0].ID+`"]}`, http.StatusOK, &replayed)
	require.Equal(t, 1, replayed.Open)
	require.Equal(t, list.Items[0].ID, replayed.Letters[0].ID)
}

func (s *system) jobsOverHTTP(t *testing.T) {
	answer, err := s.elasticsearch(testenv.Context(t, settled), http.MethodGet, "/"+s.name+"/_search")
	require.NoError(t, err)
	_, err = s.elasticsearch(testenv.Context(t, settled), http.MethodDelete, "/"+s.name+"-000001/_doc/"+gjson.Get(answer, "hits.hits.0._id").String()+"?refresh=true")
	require.NoError(t, err)
	var report verify.Report
	s.job(`{"kind":"verify"}`, operations.Done, &report)
	require.Equal(t, int64(1), report.Missing)
	done := s.job(`{"kind":"verify","repair":true}`, operations.Done, &report)
	require.Equal(t, int64(1), report.Repaired)
	require.Equal(t, int64(1), done.Done)

	s.cleanup(func(ctx context.Context) error {
		_, err := s.elasticsearch(ctx, http.MethodDelete, "/"+s.name+"-000002?ignore_unavailable=true")
		return err
	})
	var built reindex.Result
	s.job(`{"kind":"reindex"}`, operations.Done, &built)
	require.Equal(t, s.name+"-000002", built.Index)
	require.Equal(t, int64(1), built.Rows)
	var fresh operations.Freshness
	s.ask(http.MethodGet, "/api/freshness", "", http.StatusOK, &fresh)
	require.Zero(t, fresh.Samples, "a row that was copied says nothing of how fresh the index is")
	s.job(`{"kind":"rollback"}`, operations.Done, &built)
	require.Equal(t, s.name+"-000001", built.Index)
	failed := s.job(`{"kind":"abort"}`, operations.Failed, nil)
	require.Contains(t, failed.Error, "no index is being built")
	s.metric(`cdc_indexer_jobs_ended_total{kind="reindex",outcome="done"} 1`)

	// The definition is read anew: a mistake in it is found by the job, and names the file.
	text, err := os.ReadFile(s.pipeline)
	require.NoError(t, err)
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("mappings: {}"), 0o600))
	start := strings.Index(string(text), "definition: ")
	end := strings.Index(string(text)[start:], "}")
	require.NoError(t, os.WriteFile(s.pipeline, []byte(string(text)[:start]+"definition: "+broken+string(text)[start+end:]), 0o600))
	failed = s.job(`{"kind":"reindex"}`, operations.Failed, nil)
	require.Contains(t, failed.Error, "mappings.properties is missing")
	require.NoError(t, os.WriteFile(s.pipeline, text, 0o600))
}

// A reindex that was cancelled can be gone on with or removed at once by the process that began it, and one that the
// program's end has interrupted leaves the index as it was.
func TestAReindexIsCancelledResumedAndAborted(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.register()
	s.awaitRunning()
	stop := s.runIndexer("--operator-token", "secret")
	s.run(insertEvent)
	s.awaitCount("", 1)
	s.cleanup(func(ctx context.Context) error {
		_, err := s.elasticsearch(ctx, http.MethodDelete, "/"+s.name+"-000002,"+s.name+"-000003?ignore_unavailable=true")
		return err
	})

	release := s.holdUp()
	s.interrupt()
	release()
	var built reindex.Result
	s.job(`{"kind":"resume"}`, operations.Done, &built)
	require.Equal(t, s.name+"-000002", built.Index)

	release = s.holdUp()
	s.interrupt()
	s.job(`{"kind":"abort"}`, operations.Done, nil)
	s.begin()
	stop() // while it runs; goleak looks whether anything goes on
	release()
	s.awaitCount("", 1)
}

// holdUp lets no snapshot be taken, and so no job get on, until release is called.
func (s *system) holdUp() (release func()) {
	s.t.Helper()
	conn, err := pgx.Connect(testenv.Context(s.t, settled), s.database)
	require.NoError(s.t, err)
	s.cleanup(conn.Close)
	_, err = conn.Exec(testenv.Context(s.t, settled), "BEGIN; SELECT pg_current_xact_id()")
	require.NoError(s.t, err)
	return func() {
		_, err := conn.Exec(testenv.Context(s.t, settled), "ROLLBACK")
		require.NoError(s.t, err)
	}
}

// begin starts a reindex, and returns when it waits for its snapshot.
func (s *system) begin() operations.Job {
	s.t.Helper()
	var job operations.Job
	s.ask(http.MethodPost, "/api/jobs", `{"kind":"reindex"}`, http.StatusAccepted, &job)
	testenv.Eventually(s.t, settled, func(ctx context.Context) error {
		text, _, err := s.send(ctx, http.MethodGet, "/api/jobs/"+job.ID, "")
		if err = errors.Join(err, json.Unmarshal([]byte(text), &job)); err == nil && job.Phase != string(reindex.PhaseSnapshot) {
			err = errors.New(text)
		}
		return err
	})
	s.ask(http.MethodPost, "/api/jobs", `{"kind":"verify"}`, http.StatusConflict, nil)
	return job
}

func (s *system) interrupt() {
	s.t.Helper()
	job := s.begin()
	s.ask(http.MethodDelete, "/api/jobs/"+job.ID, "", http.StatusAccepted, nil)
	testenv.Eventually(s.t, settled, func(ctx context.Context) error {
		text, _, err := s.send(ctx, http.MethodGet, "/api/jobs/"+job.ID, "")
		if err == nil && !strings.Contains(text, `"state":"cancelled"`) {
			err = errors.New(text)
		}
		return err
	})
}

// Without addresses of what lies around, the indexer says which setting is missing.
func TestOperationsWithoutAddresses(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.runIndexerWith("--operator-token", "secret", "--pipeline", s.pipeline, "--kafka-brokers", testenv.Address(t, testenv.KafkaBrokers),
		"--elasticsearch-url", testenv.Address(t, testenv.ElasticsearchURL))
	s.readiness(true, "")
	for path, body := range map[string]string{"/api/connector/restart": "", "/api/jobs": `{"kind":"reindex"}`} {
		text, status, err := s.send(testenv.Context(t, settled), http.MethodPost, path, body)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, text, map[string]string{"/api/jobs": "CDC_INDEXER_DATABASE_URL", "/api/connector/restart": "CDC_INDEXER_CONNECT_URL"}[path])
	}
}

// Kafka Connect's partitioner is Kafka's, over the key's bytes as MessageKeys knows them; a trace reads no more than those
// partitions.
func TestTheKeyTellsThePartition(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.register()
	s.awaitRunning()
	for range 20 {
		s.run(insertEvent)
	}
	s.run("UPDATE events SET title = 'u'")
	s.run("DELETE FROM events")
	p, err := pipeline.Load(s.pipeline)
	require.NoError(t, err)
	decoder := newDecoder(p)
	for _, topic := range s.topics() {
		var messages []kafka.Message
		testenv.Eventually(t, settled, func(context.Context) error {
			if messages = s.messages(topic); len(messages) < 20 {
				return fmt.Errorf("%d messages in %s", len(messages), topic)
			}
			return nil
		})
		seen := map[int]bool{}
		for _, message := range messages {
			id, err := decoder.DocumentID(message.Key)
			require.NoError(t, err)
			require.Equal(t, [][]byte{message.Key}, decoder.MessageKeys(id))
			require.Equal(t, message.Partition, consumer.PartitionOf(message.Key, 2))
			seen[message.Partition] = true
		}
		require.Len(t, seen, 2)
	}
}

// The steps of a row come as they happen, whichever process indexes it; and the command prints the same.
func TestTraceOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.register()
	s.awaitRunning()
	s.runIndexer()
	s.run(insertEvent)
	s.awaitCount("", 1)
	const id = "01900000-0000-7000-8000-000000000001"
	ctx := testenv.Context(t, settled)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.indexer+"/api/trace/"+id, http.NoBody)
	require.NoError(t, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusOK, response.StatusCode)
	s.run(strings.Replace(strings.Replace(insertEvent, "(title", "(id, title", 1), "('t'", "('"+id+"', 't'", 1))
	steps, end := readTrace(t, response.Body)
	require.Equal(t, trace.End{Reason: trace.EndSearchable}, end)
	require.Len(t, steps, 4)
	last := 0.0
	for n, stage := range []trace.Stage{trace.Postgres, trace.Kafka, trace.Indexer, trace.Searchable} {
		require.Equal(t, stage, steps[n].Stage)
		require.Equal(t, "c", steps[n].Op)
		require.Empty(t, steps[n].Detail)
		if stage != trace.Kafka { // whose time has milliseconds only
			require.GreaterOrEqual(t, *steps[n].SinceCommit, last)
			last = *steps[n].SinceCommit
		}
	}
	require.Equal(t, s.topics()[0], steps[1].Topic)
	require.Equal(t, s.name+"-000001", steps[3].Index)
}

func readTrace(t *testing.T, from io.Reader) (steps []trace.Step, end trace.End) {
	t.Helper()
	lines, event := bufio.NewScanner(from), ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == "step":
			var step trace.Step
			require.NoError(t, json.Unmarshal([]byte(value), &step))
			steps = append(steps, step)
		case name == "data":
			require.NoError(t, json.Unmarshal([]byte(value), &end))
		}
	}
	require.NoError(t, lines.Err())
	return steps, end
}
