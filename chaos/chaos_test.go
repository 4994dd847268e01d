package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// The tests of this file break the stack or its index, so none of them runs in parallel with any other.

// stack returns where the stack is, and how to run on it.
func stack(t *testing.T, seed uint64) (Config, addresses) {
	t.Helper()
	for _, variable := range []string{testenv.PostgresURL, testenv.KafkaBrokers, testenv.ConnectURL, testenv.ElasticsearchURL} {
		testenv.Address(t, variable)
	}
	at, err := addressesFromEnvironment(os.Getenv)
	require.NoError(t, err)
	return Config{Duration: time.Second, Seed: seed, Indexers: 2, Root: ".."}, at
}

func logger(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// A harness that finds nothing proves nothing: it has to report exactly what was broken by hand.
func TestABrokenIndexIsFound(t *testing.T) {
	config, at := stack(t, 2)
	ctx := testenv.Context(t, 5*time.Minute)
	s, err := open(ctx, config, at, logger(t))
	require.NoError(t, err)
	defer s.close()
	requireEqual(t, s)

	w := newWriter(config.random(1))
	lost, changed, extra := w.freshID(), w.freshID(), w.freshID()
	writeRows(t, s, w, lost, changed)
	result := &Round{Number: 1}
	require.NoError(t, s.judge(ctx, result))
	require.False(t, result.failed(), result.say())

	elasticsearch(t, s, http.MethodDelete, "/_doc/"+lost, "")
	elasticsearch(t, s, http.MethodPost, "/_doc/"+changed+"?op_type=index", strings.Replace(document(t, s, changed), `"organizer":`, `"organizer":"nobody","was":`, 1))
	elasticsearch(t, s, http.MethodPost, "/_doc/"+extra, fmt.Sprintf(`{"id":%q,"title":"no row","cdc":{"version":1,"lsn":1,"deleted":false}}`, extra))
	defer func() { // the next run wants an index that is equal
		elasticsearch(t, s, http.MethodDelete, "/_doc/"+extra, "")
		require.NoError(t, s.onDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "DELETE FROM public.events WHERE id = ANY ($1)", []string{lost, changed})
			return err
		}))
		requireEqual(t, s)
	}()

	broken := &Round{Number: 2}
	require.NoError(t, s.judge(ctx, broken))
	require.True(t, broken.failed())
	require.Equal(t, 1, broken.Comparison.Missing)
	require.Equal(t, 1, broken.Comparison.Extra)
	require.Equal(t, 1, broken.Comparison.Differing)
	require.Contains(t, broken.Comparison.Samples, lost+": the row has no document")
	require.Contains(t, broken.Comparison.Samples, extra+": the document has no row")
	require.Contains(t, strings.Join(broken.Comparison.Samples, "\n"), changed+": organizer is")
	require.Contains(t, broken.say(), "FAILED")
	evidence := strings.Join(broken.Evidence, "\n")
	require.Regexp(t, lost+`: message of \S+ in event-created/\d at \d+: op c, sequence \["\d+","\d+"\]`, evidence)
	require.Contains(t, evidence, lost+": document ")
	require.Regexp(t, changed+`: document {"_index":"events-\d+"`, evidence)
}

// A bad message that is not among the dead letters is a finding, and so is a letter that nobody sent.
func TestDeadLettersAreHeldAgainstWhatWasSent(t *testing.T) {
	config, at := stack(t, 3)
	ctx := testenv.Context(t, 2*time.Minute)
	s, err := open(ctx, config, at, logger(t))
	require.NoError(t, err)
	defer s.close()
	random := config.random(1)
	for range 10 {
		require.NoError(t, s.letters.send(ctx, random))
	}
	require.NoError(t, s.await(ctx, "the dead letters", func(ctx context.Context) error {
		_, problems, err := s.letters.check(ctx)
		if err == nil && len(problems) > 0 {
			err = fmt.Errorf("%d problems, first: %s", len(problems), problems[0])
		}
		return err
	}))

	s.letters.sent["never sent"] = false
	_, problems, err := s.letters.check(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"a bad message is not among the dead letters: never sent"}, problems)
	delete(s.letters.sent, "never sent")

	other, err := newLetters(ctx, at.Kafka, s.kafka, 4)
	require.NoError(t, err)
	require.NoError(t, s.letters.send(ctx, random)) // not by the other, who has to find it strange
	require.NoError(t, s.await(ctx, "the other's dead letters", func(ctx context.Context) error {
		_, problems, err = other.check(ctx)
		if err == nil && len(problems) == 0 {
			err = errLate
		}
		return err
	}))
	require.Contains(t, problems[0], "a change became a dead letter: ")
}

// Every kind of write works when nothing is broken: otherwise its failures under faults would say nothing.
func TestEveryKindOfWriteWorks(t *testing.T) {
	config, at := stack(t, 5)
	ctx := testenv.Context(t, 3*time.Minute)
	s, err := open(ctx, config, at, logger(t))
	require.NoError(t, err)
	defer s.close()
	pool, err := s.openDatabase(ctx)
	require.NoError(t, err)
	defer pool.Close()
	w := newWriter(config.random(1))
	q := &sql{writer: w, pool: pool, copying: &s.copying}
	r := &rest{writer: w, http: s.http, url: at.EventAPI}
	for _, each := range append(r.writes(), q.writes()...) {
		for range 2 - each.limit/time.Minute { // once for those that wait
			limited, cancel := context.WithTimeout(ctx, 8*time.Second) // a COPY with keys waits for as long as it may
			_, err := each.do(limited)
			cancel()
			require.NoError(t, err, each.name)
		}
	}
	requireEqual(t, s)
}

// The short run: one round or two, and always the same choices.
func TestTheIndexIsEqualAfterFaults(t *testing.T) {
	config, at := stack(t, 11) // begins with Postgres and an indexer killed
	config.Duration = 30 * time.Second
	var out bytes.Buffer
	report, err := run(testenv.Context(t, 9*time.Minute), config, at, &out, logger(t))
	t.Log(out.String())
	require.NoError(t, err)
	require.Zero(t, report.Differences)
	require.NotEmpty(t, report.Rounds)
	require.Positive(t, report.RowsCompared)
	require.Greater(t, sum(report.Faults).Done, 5, "faults")
	require.Greater(t, sum(report.Writes).Done, 100, "writes")
}

func requireEqual(t *testing.T, s *system) {
	t.Helper()
	v, err := s.verdict(testenv.Context(t, catchUpPatience), time.Now().String())
	require.NoError(t, err)
	require.True(t, v.report.Equal(), "%s", v.report)
}

func writeRows(t *testing.T, s *system, w *writer, ids ...string) {
	t.Helper()
	require.NoError(t, s.onDatabase(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, insertRows, string(encode((&sql{writer: w}).rows(ids))))
		return err
	}))
}

// document returns a document's source as it is in the index.
func document(t *testing.T, s *system, id string) string {
	t.Helper()
	source, err := get(t.Context(), s.at.Elasticsearch+"/"+writeAlias+"/_source/"+id)
	require.NoError(t, err)
	return string(source)
}

// elasticsearch does something to the index by hand.
func elasticsearch(t *testing.T, s *system, method, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.at.Elasticsearch+"/"+writeAlias+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.http.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Less(t, response.StatusCode, http.StatusMultipleChoices, "%s %s", method, path)
}
