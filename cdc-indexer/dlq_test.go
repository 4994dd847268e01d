package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/elastic"
	"ticketing/internal/testenv"
)

// desk is a pipeline of a test's own, with a dead-letter topic, an index, and the built program to look after them.
type desk struct {
	t         *testing.T
	program   string
	directory string
	name      string
	stdin     string
	brokers   []string
	queue     *deadletter.Queue
	writer    *elastic.Writer
}

// TestDLQ runs the built command.
func TestDLQ(t *testing.T) {
	t.Parallel()
	testenv.Address(t, testenv.KafkaBrokers)
	program := filepath.Join(t.TempDir(), "cdc-indexer")
	output, err := exec.CommandContext(testenv.Context(t, 5*time.Minute), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", output)
	for name, test := range map[string]func(*desk){
		"list":                                list,
		"show":                                show,
		"show without Elasticsearch":          showWithoutElasticsearch,
		"replay":                              replay,
		"replay of one":                       replayOfOne,
		"an edited row":                       editedRow,
		"an edited envelope":                  editedEnvelope,
		"an edit does not hide a newer state": editedTooLate,
		"drop":                                drop,
		"what cannot be done":                 cannot,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newDesk(t, program))
		})
	}
}

func newDesk(t *testing.T, program string) *desk {
	t.Helper()
	d := &desk{
		t: t, program: program, directory: t.TempDir(), name: testenv.Name(t),
		brokers: strings.Split(testenv.Address(t, testenv.KafkaBrokers), ","),
	}
	d.file("pipeline.yaml", fmt.Sprintf(`
name: %[1]s
table: public.events
key: [id]
topics: [%[1]s-changes]
dead_letter_topic: %[1]s-dlq
consumer_group: %[1]s
json_columns: [attributes]
index: {prefix: %[1]s, read_alias: %[1]s, write_alias: %[1]s-write, definition: index.yaml}
`, d.name))
	const definition = "mappings: {dynamic: false, properties: {at: {type: date}}}\n"
	d.file("index.yaml", definition)
	testenv.Topics(t, 1, d.name+"-dlq")
	d.queue = deadletter.NewQueue(d.brokers, d.name+"-dlq", d.name)
	t.Cleanup(func() { require.NoError(t, d.queue.Close()) })
	client, err := elastic.NewClient(elastic.Config{URL: testenv.Address(t, testenv.ElasticsearchURL)})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	parsed, err := elastic.ParseDefinition([]byte(definition))
	require.NoError(t, err)
	_, err = elastic.Ensure(d.ctx(), client, elastic.Names{Prefix: d.name, ReadAlias: d.name, WriteAlias: d.name + "-write"}, parsed)
	require.NoError(t, err)
	t.Cleanup(func() { d.request(context.Background(), http.MethodDelete, "/"+d.name+"-000001", "") })
	d.writer = elastic.NewWriter(client, d.name+"-write", elastic.NewMetrics(prometheus.NewRegistry()))
	return d
}

func (d *desk) ctx() context.Context { return testenv.Context(d.t, time.Minute) }

func (d *desk) file(name, text string) (path string) {
	d.t.Helper()
	path = filepath.Join(d.directory, name)
	require.NoError(d.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// request speaks to Elasticsearch past the code under test.
func (d *desk) request(ctx context.Context, method, path, body string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, testenv.Address(d.t, testenv.ElasticsearchURL)+path, strings.NewReader(body))
	require.NoError(d.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	require.NoError(d.t, err)
	require.NoError(d.t, response.Body.Close())
	require.Equal(d.t, http.StatusOK, response.StatusCode)
}

// run runs a dlq command and returns what it printed.
func (d *desk) run(wantCode int, args ...string) (stdout, stderr string) {
	d.t.Helper()
	command := exec.CommandContext(d.ctx(), d.program, append([]string{"dlq"}, args...)...)
	command.Env = append(os.Environ(), "CDC_INDEXER_PIPELINE="+filepath.Join(d.directory, "pipeline.yaml"),
		"CDC_INDEXER_KAFKA_BROKERS="+strings.Join(d.brokers, ","),
		"CDC_INDEXER_ELASTICSEARCH_URL="+testenv.Address(d.t, testenv.ElasticsearchURL))
	var out, log bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(d.stdin), &out, &log
	err := command.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(d.t, err)
	}
	require.Equal(d.t, wantCode, command.ProcessState.ExitCode(), "%s%s", &out, &log)
	return out.String(), log.String()
}

// answer runs a command with --json.
func (d *desk) answer(wantCode int, args ...string) dlqAnswer {
	d.t.Helper()
	out, _ := d.run(wantCode, append(args, "--json")...)
	var a dlqAnswer
	require.NoError(d.t, json.Unmarshal([]byte(out), &a), "%s", out)
	return a
}

// dlqAnswer is what list, replay and drop print as JSON.
type dlqAnswer struct {
	Letters []struct {
		ID, State, Outcome, Reason, Detail, Topic, Key, Document string
		Partition, Offset, Bytes                                 int
		ResolvedAt                                               time.Time `json:"resolved_at"`
		FailedAt                                                 time.Time `json:"failed_at"`
	}
	Open     int
	Done     int
	Others   int `json:"other_messages"`
	Outcomes map[string]int
	Already  int  `json:"done_already"`
	DryRun   bool `json:"dry_run"`
}

func (a dlqAnswer) outcomes() map[string]string {
	outcomes := map[string]string{}
	for _, letter := range a.Letters {
		outcomes[letter.ID] = letter.Outcome
	}
	return outcomes
}

// message is what Debezium writes for a row with these columns at this position.
func message(id string, position int, after string) kafka.Message {
	return kafka.Message{
		Topic: "event-updated", Partition: 3, Offset: int64(position), Time: time.UnixMilli(1_700_000_000_000),
		Key:   fmt.Appendf(nil, `{"id":%q}`, id),
		Value: fmt.Appendf(nil, `{"after":%s,"source":{"schema":"public","table":"events","sequence":"[\"%d\",\"%d\"]"},"op":"u"}`, after, position, position),
	}
}

func (d *desk) letter(reason string, messages ...kafka.Message) {
	d.t.Helper()
	letters := make([]deadletter.Letter, len(messages))
	for n, m := range messages {
		letters[n] = deadletter.Letter{Message: m, Rejection: change.Rejection{Reason: reason, Detail: "the detail"}}
	}
	require.NoError(d.t, d.queue.Put(d.ctx(), letters))
}

func (d *desk) index(id string, position int64, document string) {
	d.t.Helper()
	_, err := d.writer.Apply(d.ctx(), []change.Change{{
		Key: id, Op: change.Upsert, Order: change.Order{Version: position, LSN: position}, Document: []byte(document),
	}})
	require.NoError(d.t, err)
}

// n returns the column n of a document.
func (d *desk) n(id string) string {
	d.t.Helper()
	document, err := d.writer.Document(d.ctx(), id)
	require.NoError(d.t, err)
	if document == nil {
		return "nothing"
	}
	var row struct{ N json.RawMessage }
	require.NoError(d.t, json.Unmarshal(document.Source, &row))
	return string(row.N)
}

var malformed = kafka.Message{Topic: "event-created", Key: []byte("\x1b[2Jno key"), Value: []byte("\x00no JSON")}

func list(d *desk) {
	t := d.t
	out, _ := d.run(exitOK, "list")
	require.Equal(t, "0 open, 0 done\n", out)
	require.Empty(t, d.answer(exitOK, "list").Letters)

	d.letter("document_parsing_exception", message("a", 100, `{}`), message("b", 200, `{}`))
	d.letter("malformed-envelope", malformed)
	foreign := deadletter.NewQueue(d.brokers, d.name+"-dlq", "seats")
	defer func() { require.NoError(t, foreign.Close()) }()
	require.NoError(t, foreign.Put(d.ctx(), []deadletter.Letter{{Message: message("c", 1, `{}`)}}))

	out, _ = d.run(exitOK, "list")
	lines := strings.Split(out, "\n")
	require.Regexp(t, `^ID +STATE +FAILED AT +REASON +MESSAGE +KEY$`, lines[0])
	require.Regexp(t, `^0:0 +open +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +document_parsing_exception +event-updated/3:100 +a$`, lines[1])
	require.Regexp(t, `^0:2 +open .* malformed-envelope +event-created/0:0 +�\[2Jno key$`, lines[3])
	require.Equal(t, []string{"", "3 open, 0 done; left out of other pipelines: 1", ""}, lines[4:])

	all := d.answer(exitOK, "list")
	require.Equal(t, []int{3, 0, 1}, []int{all.Open, all.Done, all.Others})
	b := all.Letters[1]
	require.Equal(t, []string{"0:1", "open", "document_parsing_exception", "the detail", "event-updated", `{"id":"b"}`, "b"},
		[]string{b.ID, b.State, b.Reason, b.Detail, b.Topic, b.Key, b.Document})
	require.Equal(t, []int{3, 200, len(message("b", 200, `{}`).Value)}, []int{b.Partition, b.Offset, b.Bytes})
	require.WithinRange(t, b.FailedAt, time.Now().Add(-time.Minute), time.Now())

	for want, args := range map[int][]string{
		2: {"--reason", "document_parsing_exception"},
		1: {"--key", "b", "--topic", "event-updated", "--since", "5m"},
		3: {"--since", "2020-01-01T00:00:00Z", "--limit", "3"},
		0: {"--since", "0s"},
	} {
		found := d.answer(exitOK, append([]string{"list"}, args...)...)
		require.Len(t, found.Letters, want, "%v", args)
		require.Equal(t, want, found.Open, "%v", args)
	}
	require.Equal(t, "0:1", d.answer(exitOK, "list", "--key", `{"id":"b"}`).Letters[0].ID, "the message's key does as well")
	limited := d.answer(exitOK, "list", "--limit", "1")
	require.Len(t, limited.Letters, 1)
	require.Equal(t, 3, limited.Open, "what is not printed is counted all the same")

	d.run(exitNo, "replay")
	require.Equal(t, 1, d.answer(exitOK, "list").Open)
	done := d.answer(exitOK, "list", "--all")
	require.Equal(t, []int{1, 2}, []int{done.Open, done.Done})
	require.Equal(t, []string{"done", "applied"}, []string{done.Letters[0].State, done.Letters[0].Outcome})
	require.WithinRange(t, done.Letters[0].ResolvedAt, time.Now().Add(-time.Minute), time.Now())
	out, _ = d.run(exitOK, "list", "--all")
	require.Regexp(t, `(?m)^0:0 +done: applied `, out)
}

func show(d *desk) {
	t := d.t
	m := message("a", 100, `{"n":123456789012345678901234567890,"long":"`+strings.Repeat("x", 100)+`"}`)
	m.Headers = []kafka.Header{{Key: "trace", Value: []byte("t-1")}}
	d.letter("document_parsing_exception", m, message("b", 300, `{}`), message("c", 300, `{}`))
	d.letter("malformed-envelope", malformed)
	d.index("a", 200, `{"n":2}`)
	d.index("b", 200, `{"n":2}`)

	out, _ := d.run(exitOK, "show", "0:0")
	for _, want := range []string{
		"letter     0:0\n", "state      open\n", "reason     document_parsing_exception\n", "detail     the detail\n",
		"message    event-updated/3:100, written at 2023-11-14T22:13:20Z\n", "header     trace: t-1\n", "key        {\"id\":\"a\"}\n",
		"order      (100, 100)\n", "  \"after\": {\n    \"n\": 123456789012345678901234567890,\n",
		"index: a document, order (200, 200), as new as the letter or newer: replaying it changes nothing\n", "  \"n\": 2,\n",
	} {
		require.Contains(t, out, want)
	}
	out, _ = d.run(exitOK, "show", "0:1")
	require.Contains(t, out, "order (200, 200), older than the letter\n")
	out, _ = d.run(exitOK, "show", "0:2")
	require.Contains(t, out, "index: nothing is there for this key\n")
	out, _ = d.run(exitOK, "show", "0:3")
	require.Contains(t, out, "00000000  00 6e 6f 20 4a 53 4f 4e  ")
	require.Contains(t, out, "index: not known: invalid-key: the key is no JSON\n")
	require.NotContains(t, out, "\x1b", "a terminal must not obey a letter")

	out, _ = d.run(exitOK, "show", "0:0", "--raw")
	require.Equal(t, string(m.Value), out)
	out, _ = d.run(exitOK, "show", "0:3", "--raw")
	require.Equal(t, string(malformed.Value), out)

	var shown struct {
		ID, State, Reason, Key string
		Order                  struct{ Version, LSN int }
		Headers                map[string]string
		Value                  json.RawMessage
		Base64                 []byte `json:"value_base64"`
		Index                  struct {
			State    string
			Order    struct{ Version, LSN int }
			Document struct{ N int }
		}
	}
	out, _ = d.run(exitOK, "show", "0:0", "--json")
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	require.Equal(t, []string{"0:0", "open", "document"}, []string{shown.ID, shown.State, shown.Index.State})
	require.Equal(t, string(m.Value), string(shown.Value))
	require.Equal(t, []int{100, 200, 2}, []int{shown.Order.LSN, shown.Index.Order.Version, shown.Index.Document.N})
	require.Equal(t, map[string]string{"trace": "t-1"}, shown.Headers)
	out, _ = d.run(exitOK, "show", "0:3", "--json")
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	require.Equal(t, malformed.Value, shown.Base64)
	require.Equal(t, "unknown", shown.Index.State)

	_, log := d.run(exitFailed, "show", "0:99")
	require.Contains(t, log, "0:99 is no letter of pipeline "+d.name)
	d.run(exitNo, "replay")
	out, _ = d.run(exitOK, "show", "0:0")
	require.Contains(t, out, "state      done: stale at ")
}

func showWithoutElasticsearch(d *desk) {
	d.letter("reason", message("a", 100, `{}`))
	out, _ := d.run(exitOK, "show", "0:0", "--elasticsearch-url", fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(d.t)))
	require.Contains(d.t, out, "reason     reason\n")
	require.Contains(d.t, out, "index: not known: ")
	require.Contains(d.t, out, "connection refused")
}

func replay(d *desk) {
	t := d.t
	out, _ := d.run(exitOK, "replay")
	require.Equal(t, "no open letter\n", out)

	d.index("newer", 500, `{"n":5}`)
	d.letter("document_parsing_exception", message("fresh", 100, `{"n":1}`), message("newer", 100, `{"n":1}`), message("bad", 100, `{"n":1,"at":"x"}`))
	d.letter("malformed-envelope", malformed)

	dry := d.answer(exitNo, "replay", "--dry-run")
	require.True(t, dry.DryRun)
	require.Equal(t, map[string]string{"0:0": "applied", "0:1": "stale", "0:2": "applied", "0:3": "undecodable"}, dry.outcomes())
	require.Equal(t, "nothing", d.n("fresh"))

	out, _ = d.run(exitNo, "replay", "--reason", "malformed-envelope")
	require.Equal(t, "0:3      undecodable �[2Jno key  malformed-envelope: the value is no JSON: byte 1: invalid character '\\x00' looking for beginning of value\n"+
		"1 undecodable; still open: 1\n", out)

	out, _ = d.run(exitNo, "replay", "--since", "1h")
	lines := strings.Split(out, "\n")
	require.Equal(t, "0:0      applied     fresh", lines[0])
	require.Equal(t, "0:1      stale       newer  the index has something as new or newer", lines[1])
	require.Contains(t, lines[2], "0:2      rejected    bad  document_parsing_exception: ")
	require.Equal(t, "1 applied, 1 rejected, 1 stale, 1 undecodable; still open: 2", lines[4])
	require.Equal(t, "1", d.n("fresh"))
	require.Equal(t, "5", d.n("newer"))

	d.request(d.ctx(), http.MethodPut, "/"+d.name+"-000001/_mapping", `{"properties":{"at":{"type":"date","ignore_malformed":true}}}`)
	mended := d.answer(exitOK, "replay", "--key", "bad")
	require.Equal(t, map[string]int{"applied": 1}, mended.Outcomes)
	require.Equal(t, 0, mended.Open)
	require.Equal(t, "1", d.n("bad"))
	require.Equal(t, 1, d.answer(exitOK, "list").Open)
}

func replayOfOne(d *desk) {
	t := d.t
	d.letter("reason", message("a", 100, `{"n":1}`), message("b", 100, `{"n":1}`))
	require.Equal(t, map[string]string{"0:1": "applied"}, d.answer(exitOK, "replay", "--id", "0:1").outcomes())
	require.Equal(t, "nothing", d.n("a"))
	again := d.answer(exitOK, "replay", "--id", "0:1")
	require.Empty(t, again.Letters)
	require.Equal(t, 1, again.Already)
	out, _ := d.run(exitOK, "replay", "--id", "0:1")
	require.Equal(t, "no open letter; done before: 1\n", out)
	_, log := d.run(exitFailed, "replay", "--id", "0:7")
	require.Contains(t, log, "no such letter")
}

func editedRow(d *desk) {
	t := d.t
	d.letter("document_parsing_exception", message("a", 100, `{"n":1,"at":"x"}`))
	bad := d.answer(exitNo, "replay", "--id", "0:0", "--edit", d.file("bad.json", `{"n":`))
	require.Equal(t, "undecodable", bad.Letters[0].Outcome)
	wrong := d.answer(exitNo, "replay", "--id", "0:0", "--edit", d.file("wrong.json", `{"n":1,"at":"y"}`))
	require.Equal(t, []string{"rejected", "document_parsing_exception"}, []string{wrong.Letters[0].Outcome, wrong.Letters[0].Reason})

	mended := d.answer(exitOK, "replay", "--id", "0:0", "--edit", d.file("row.json", "{\n  \"n\": 2,\n  \"at\": \"2030-01-01\"\n}\n"))
	require.Equal(t, map[string]string{"0:0": "applied"}, mended.outcomes())
	require.Equal(t, "2", d.n("a"))
	document, err := d.writer.Document(d.ctx(), "a")
	require.NoError(t, err)
	require.Equal(t, change.Order{Version: 100, LSN: 100}, document.Order, "the order must be the letter's")
	d.index("a", 101, `{"n":3}`)
	require.Equal(t, "3", d.n("a"), "the row's next change must overwrite it")
}

func editedEnvelope(d *desk) {
	t := d.t
	d.letter("document_parsing_exception", message("a", 100, `{"n":1,"at":"x"}`))
	d.stdin = string(message("a", 900, `{"n":2}`).Value)
	require.Equal(t, map[string]int{"applied": 1}, d.answer(exitOK, "replay", "--id", "0:0", "--edit", "-").Outcomes)
	document, err := d.writer.Document(d.ctx(), "a")
	require.NoError(t, err)
	require.Equal(t, change.Order{Version: 100, LSN: 100}, document.Order, "the order must be the letter's")
}

func editedTooLate(d *desk) {
	t := d.t
	d.letter("document_parsing_exception", message("a", 100, `{"n":1,"at":"x"}`))
	d.index("a", 200, `{"n":2}`)
	edit := d.file("row.json", `{"n":9}`)
	require.Equal(t, map[string]string{"0:0": "stale"}, d.answer(exitOK, "replay", "--id", "0:0", "--edit", edit).outcomes())
	require.Equal(t, "2", d.n("a"))
	require.Equal(t, 0, d.answer(exitOK, "list").Open, "a stale letter is done")
}

func drop(d *desk) {
	t := d.t
	d.letter("malformed-envelope", malformed, malformed)
	d.letter("document_parsing_exception", message("a", 100, `{"n":1}`))
	require.Equal(t, map[string]string{"0:1": "dropped"}, d.answer(exitOK, "drop", "--id", "0:1").outcomes())
	out, _ := d.run(exitOK, "drop", "--reason", "malformed-envelope")
	require.Equal(t, "0:0      dropped     �[2Jno key\n1 dropped; done before: 1\n", out)
	require.Equal(t, "nothing", d.n("a"))
	rest := d.answer(exitOK, "list")
	require.Equal(t, []int{1, 2}, []int{rest.Open, rest.Done})
}

func cannot(d *desk) {
	t := d.t
	d.letter("reason", message("a", 100, `{"n":1}`))
	_, log := d.run(exitFailed, "replay", "--elasticsearch-url", fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t)))
	require.Contains(t, log, "connection refused")
	_, log = d.run(exitFailed, "list", "--kafka-brokers", fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)))
	require.Contains(t, log, "connection refused")

	// Elasticsearch takes no writes.
	d.request(d.ctx(), http.MethodPut, "/"+d.name+"-000001/_block/write", "")
	_, log = d.run(exitFailed, "replay", "--timeout", "2s")
	require.Contains(t, log, "apply 1 changes: ") // and the reason, unless time is up within a request
	d.request(d.ctx(), http.MethodPut, "/"+d.name+"-000001/_settings", `{"index.blocks.write":null}`)
	require.Equal(t, 1, d.answer(exitOK, "list").Open)

	text, err := os.ReadFile(filepath.Join(d.directory, "pipeline.yaml"))
	require.NoError(t, err)
	noTopic := d.file("no-topic.yaml", strings.ReplaceAll(string(text), d.name+"-dlq", d.name+"-no"))
	_, log = d.run(exitFailed, "list", "--pipeline", noTopic)
	require.Contains(t, log, "the dead-letter topic does not exist: there is no topic "+d.name+"-no")
	noAlias := d.file("no-alias.yaml", strings.ReplaceAll(string(text), d.name+"-write", d.name+"-no"))
	_, log = d.run(exitFailed, "replay", "--pipeline", noAlias)
	require.Contains(t, log, "404")
}

// tableInMemory has every row.
type tableInMemory struct{}

func (tableInMemory) Fetch(_ context.Context, keys []string) ([]change.Change, error) {
	return []change.Change{{Key: keys[0], Op: change.Upsert, Order: change.Order{Version: 700, LSN: 700}, Document: []byte(`{"n":7}`)}}, nil
}

func TestTheTableIsOpenedWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	opened, closed := 0, 0
	rows := &tableRows{open: func(context.Context) (deadletter.Rows, func(), error) {
		if opened++; opened == 1 {
			return nil, nil, errors.New("no table")
		}
		return tableInMemory{}, func() { closed++ }, nil
	}}
	rows.Close()
	_, err := rows.Fetch(t.Context(), []string{"a"})
	require.ErrorContains(t, err, "no table")
	for range 2 {
		found, err := rows.Fetch(t.Context(), []string{"a"})
		require.NoError(t, err)
		require.Equal(t, "a", found[0].Key)
	}
	require.Equal(t, 2, opened)
	require.Zero(t, closed)
	rows.Close()
	require.Equal(t, 1, closed)
}

func TestWhichLettersComeFromTheTable(t *testing.T) {
	t.Parallel()
	unavailable := deadletter.Entry{Letter: deadletter.Letter{Rejection: change.Rejection{Reason: "unavailable-value"}}}
	for want, commands := range map[[2]bool][]dlqReplayCommand{ // for such a letter, and for another
		{false, false}: {{}, {DatabaseURL: "url", Edit: "file"}},
		{true, false}:  {{DatabaseURL: "url"}},
		{true, true}:   {{DatabaseURL: "url", FromTable: true}},
	} {
		for _, c := range commands {
			require.Equal(t, want, [2]bool{c.fromTable(unavailable), c.fromTable(deadletter.Entry{})}, "%+v", c)
		}
	}
}

func TestDLQRefusesFlags(t *testing.T) {
	t.Parallel()
	file := configFileWith(t, "{}")
	for want, args := range map[string][]string{
		"--kafka-brokers":         {"list", "--kafka-brokers", "localhost"},
		"--limit":                 {"list", "--limit", "-1"},
		"--since":                 {"list", "--since", "yesterday"},
		"0:123":                   {"show", "12"},
		"--raw":                   {"show", "0:1", "--raw", "--json"},
		"--id":                    {"replay", "--id", "0:1", "--reason", "x"},
		"--edit":                  {"replay", "--edit", file},
		"--edit must be used wit": {"replay", "--id", "0:1", "--edit", file, "--from-table", "--database-url", "x"},
		"absent.json":             {"replay", "--id", "0:1", "--edit", "absent.json"},
		"--from-table":            {"replay", "--from-table"},
		"--timeout":               {"replay", "--timeout", "0s"},
		"--elasticsearch-timeout": {"replay", "--elasticsearch-timeout", "0s"},
		"not all letters":         {"drop"},
		"--id names one letter":   {"drop", "--id", "0:1", "--key", "x"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, append([]string{"dlq", args[0], "--pipeline", "pipelines/events.yaml"}, args[1:]...)...)
			require.ErrorContains(t, err, want)
		})
	}
}
