package deadletter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/elastic"
	"ticketing/internal/testenv"
)

// desk is a dead-letter topic and the index that its letters did not get into.
type desk struct {
	*letters
	*elastic.Writer
	name string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{letters: newLetters(t, 1), name: testenv.Name(t)}
	client, err := elastic.NewClient(elastic.Config{URL: testenv.Address(t, testenv.ElasticsearchURL)})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	definition, err := elastic.ParseDefinition([]byte(`
settings: {number_of_shards: 1, number_of_replicas: 0}
mappings: {dynamic: false, properties: {at: {type: date}}}`))
	require.NoError(t, err)
	_, err = elastic.Ensure(d.ctx(), client, elastic.Names{Prefix: d.name, ReadAlias: d.name, WriteAlias: d.name + "-write"}, definition)
	require.NoError(t, err)
	t.Cleanup(func() { d.request(context.Background(), http.MethodDelete, "/"+d.name+"-000001", "") })
	d.Writer = elastic.NewWriter(client, d.name+"-write", elastic.NewMetrics(prometheus.NewRegistry()))
	return d
}

// request speaks to Elasticsearch past the code under test.
func (d *desk) request(ctx context.Context, method, path, body string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, testenv.Address(d.t, testenv.ElasticsearchURL)+path, strings.NewReader(body))
	require.NoError(d.t, err)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(d.t, err)
	require.NoError(d.t, response.Body.Close())
	require.Equal(d.t, http.StatusOK, response.StatusCode)
}

// message is what Debezium writes for a row with these columns at this position.
func message(id string, position int, after string) kafka.Message {
	op := `"u"`
	if after == "null" {
		op = `"d"`
	}
	return kafka.Message{
		Topic: "event-updated",
		Key:   fmt.Appendf(nil, `{"id":%q}`, id),
		Value: fmt.Appendf(nil, `{"after":%s,"source":{"schema":"public","table":"events","sequence":"[\"%d\",\"%d\"]"},"op":%s}`, after, position, position, op),
	}
}

func (d *desk) letter(reason string, messages ...kafka.Message) {
	d.t.Helper()
	for _, m := range messages {
		require.NoError(d.t, d.queue.Put(d.ctx(), []deadletter.Letter{{Message: m, Rejection: change.Rejection{Reason: reason}}}))
	}
}

func decoderOf(epoch uint8) *debezium.Decoder {
	return debezium.NewDecoder(debezium.Config{Schema: "public", Table: "events", Key: []string{"id"}, Epoch: epoch})
}

// replayOf returns how the tests replay, to be varied.
func (d *desk) replayOf() deadletter.Replay {
	return deadletter.Replay{
		Decode: func(epoch uint8, key, value []byte) (change.Change, error) {
			return decoderOf(epoch).Decode(key, value)
		},
		DocumentID: decoderOf(0).DocumentID,
		Index:      d.Writer,
		FromTable:  func(deadletter.Entry) bool { return false },
		Timeout:    30 * time.Second,
	}
}

// replay returns what became of the letters, by their ids; with the reason when they stay open.
func (d *desk) replay(replay deadletter.Replay) map[string]string {
	d.t.Helper()
	outcomes := map[string]string{}
	replay.Report = func(result deadletter.Result) {
		text := string(result.Outcome)
		if result.Rejection != nil {
			text += " " + result.Rejection.Reason
		}
		require.Equal(d.t, result.Outcome.Done(), result.Rejection == nil)
		outcomes[result.Entry.ID.String()] = text
	}
	_, err := d.Replay(d.ctx(), deadletter.Selection{}, replay)
	require.NoError(d.t, err)
	return outcomes
}

func (d *desk) open() []string {
	d.t.Helper()
	open, _ := d.find(deadletter.Selection{})
	return ids(open)
}

func (d *desk) apply(changes ...change.Change) {
	d.t.Helper()
	_, err := d.Apply(d.ctx(), changes)
	require.NoError(d.t, err)
}

// n returns the column n of a document; "deleted" and "nothing" when there is none.
func (d *desk) n(id string) string {
	d.t.Helper()
	document, err := d.Document(d.ctx(), id)
	require.NoError(d.t, err)
	if document == nil {
		return "nothing"
	}
	if document.Deleted {
		return "deleted"
	}
	var row struct{ N json.RawMessage }
	require.NoError(d.t, json.Unmarshal(document.Source, &row))
	return string(row.N)
}

func upsert(id string, position int64, document string) change.Change {
	return change.Change{Key: id, Op: change.Upsert, Order: change.Order{Version: position, LSN: position}, Document: []byte(document)}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.apply(upsert("newer", 500, `{"n":2}`), change.Change{Key: "gone", Op: change.Delete, Order: change.Order{Version: 500, LSN: 500}})
	d.letter("whatever",
		message("fresh", 100, `{"n":123456789012345678901234567890}`),
		message("newer", 100, `{"n":1}`), // older than what the index holds
		message("gone", 100, `{"n":1}`),  // ... which is that the row was deleted
		message("bad", 100, `{"at":"no date"}`),
		kafka.Message{Key: []byte(`{"id":"x"}`), Value: []byte(`{"op":`)},
		kafka.Message{Key: []byte(`{"id":"x"}`)}, // carries nothing
		message("remove", 100, `null`),
		message("newer", 200, `{"at":"no date"}`), // cannot be indexed, and need not be
	)
	want := map[string]string{
		"0:0": "applied", "0:1": "stale", "0:2": "stale", "0:3": "rejected document_parsing_exception",
		"0:4": "undecodable malformed-envelope", "0:5": "nothing", "0:6": "applied",
		"0:7": "stale",
	}
	dry := d.replayOf()
	dry.DryRun = true
	foretold := d.replay(dry)
	require.Equal(t, "applied", foretold["0:3"], "a dry run cannot tell that a document is rejected")
	foretold["0:3"] = want["0:3"]
	require.Equal(t, want, foretold)
	require.Len(t, d.open(), 8, "a dry run marks nothing")
	require.Equal(t, "nothing", d.n("fresh"), "a dry run writes nothing")

	require.Equal(t, want, d.replay(d.replayOf()))
	require.Equal(t, "123456789012345678901234567890", d.n("fresh"))
	require.Equal(t, "2", d.n("newer"))
	require.Equal(t, "deleted", d.n("gone"))
	require.Equal(t, "deleted", d.n("remove"))
	require.Equal(t, []string{"0:3", "0:4"}, d.open())
	all, _ := d.find(deadletter.Selection{Done: true})
	require.Equal(t, deadletter.Applied, all[0].Resolution.Outcome)
	require.Equal(t, deadletter.Stale, all[1].Resolution.Outcome)

	// The mapping is mended, and only what is open is tried again.
	d.request(d.ctx(), http.MethodPut, "/"+d.name+"-000001/_mapping", `{"properties":{"at":{"type":"date","ignore_malformed":true}}}`)
	require.Equal(t, map[string]string{"0:3": "applied", "0:4": "undecodable malformed-envelope"}, d.replay(d.replayOf()))
	require.Equal(t, []string{"0:4"}, d.open())
}

func TestAnOlderLetterIsNotLostForANewerOneThatIsRejected(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.letter("whatever",
		message("a", 100, `{"n":1}`), message("a", 200, `{"n":2}`), message("a", 300, `{"n":3,"at":"no date"}`),
		message("a", 300, `{"n":3,"at":"no date"}`), // the same once more: a batch that was repeated
	)
	const rejected = "rejected document_parsing_exception"
	dry := d.replayOf()
	dry.DryRun = true
	require.Equal(t, map[string]string{"0:0": "stale", "0:1": "stale", "0:2": "applied", "0:3": "applied"}, d.replay(dry))
	require.Equal(t, map[string]string{"0:0": "stale", "0:1": "applied", "0:2": rejected, "0:3": rejected}, d.replay(d.replayOf()))
	require.Equal(t, "2", d.n("a"))
}

// rows is a table in memory, read at one position.
type rows struct {
	position int64
	n        map[string]string
	asked    []string
	most     int // asked for in one call
	err      error
}

func (r *rows) Fetch(_ context.Context, keys []string) ([]change.Change, error) {
	r.asked, r.most = append(r.asked, keys...), max(r.most, len(keys))
	var found []change.Change
	for _, key := range keys {
		switch n, exists := r.n[key]; {
		case exists && n == "": // an answer that is missing
		case exists:
			found = append(found, upsert(key, r.position, `{"n":`+n+`}`))
		default:
			found = append(found, change.Change{Key: key, Op: change.Delete, Order: change.Order{Version: r.position, LSN: r.position}})
		}
	}
	return found, r.err
}

func TestReplayFromTheTable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.apply(upsert("old", 50, `{"n":0}`), upsert("newer", 900, `{"n":9}`), upsert("gone", 50, `{"n":0}`))
	d.letter("unavailable-value",
		message("old", 100, `{"n":"__debezium_unavailable_value"}`), message("gone", 100, `{"n":"__debezium_unavailable_value"}`),
		message("newer", 100, `{"n":1}`), message("old", 200, `{"n":1}`),
		kafka.Message{Key: []byte(`no key`), Value: []byte(`x`)},
	)
	d.letter("other", message("letter", 100, `{"n":7}`))
	table := &rows{position: 700, n: map[string]string{"old": "3", "newer": "3", "letter": "3"}}
	replay := d.replayOf()
	replay.Rows = table
	replay.FromTable = func(e deadletter.Entry) bool { return e.Rejection.Reason == "unavailable-value" }
	replay.IndexBuilt = time.Time{}
	outcomes := d.replay(replay)
	require.Equal(t, []string{"gone", "newer", "old"}, table.asked)
	require.Equal(t, "stale", outcomes["0:2"])
	require.Equal(t, "undecodable invalid-key", outcomes["0:4"])
	for _, id := range []string{"0:1", "0:5"} {
		require.Equal(t, "applied", outcomes[id])
	}
	require.ElementsMatch(t, []string{"applied", "stale"}, []string{outcomes["0:0"], outcomes["0:3"]}, "two letters of a row are one row")
	require.Equal(t, "3", d.n("old"))
	require.Equal(t, "9", d.n("newer"))
	require.Equal(t, "deleted", d.n("gone"))
	require.Equal(t, "7", d.n("letter"))
	require.Equal(t, []string{"0:4"}, d.open())
}

func TestRowsAreFetchedInSmallParts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	table := &rows{position: 700, n: map[string]string{}}
	all := make([]deadletter.Letter, 120)
	for n := range all {
		id := fmt.Sprintf("row-%d", n)
		all[n].Message = message(id, 100, `{}`)
		table.n[id] = "1"
	}
	require.NoError(t, d.queue.Put(d.ctx(), all))
	replay := d.replayOf()
	replay.FromTable = func(deadletter.Entry) bool { return true }
	replay.Rows = table
	for id, outcome := range d.replay(replay) {
		require.Equal(t, "applied", outcome, id)
	}
	require.Equal(t, 50, table.most, "rows may be large")
	require.Equal(t, "1", d.n("row-119"))
}

func TestNothingIsDoneWhenTheTableDoesNotAnswer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.letter("unavailable-value", message("a", 100, `{}`), message("b", 100, `{}`))
	replay := d.replayOf()
	replay.FromTable = func(deadletter.Entry) bool { return true }
	replay.Report = func(deadletter.Result) { t.Error("there is nothing to report") }
	for want, table := range map[string]*rows{
		"1 of them": {position: 700, n: map[string]string{"a": "1", "b": ""}},
		"no table":  {err: errors.New("no table")},
	} {
		replay.Rows = table
		_, err := d.Replay(d.ctx(), deadletter.Selection{}, replay)
		require.ErrorContains(t, err, want)
		require.Len(t, d.open(), 2)
	}
}

// An index that was built anew has no tombstones of old, and its rows may count as older than the letter.
func TestALetterFromBeforeTheIndexBringsNothingBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	snapshot := change.Order{Version: 0, LSN: 400} // as an initial snapshot's rows have it
	d.apply(change.Change{Key: "read", Op: change.Upsert, Order: snapshot, Document: []byte(`{"n":2}`)}, upsert("changed", 500, `{"n":2}`))
	d.letter("whatever",
		message("deleted", 100, `{"n":1}`), message("read", 100, `{"n":1}`), message("changed", 100, `{"n":1}`),
		message("changed", 600, `{"n":1}`), kafka.Message{Key: []byte(`x`), Value: []byte(`x`)},
	)
	replay := d.replayOf()
	replay.IndexBuilt = time.Now().Add(time.Minute)
	outdated := map[string]string{
		"0:0": "outdated outdated", "0:1": "outdated outdated", "0:2": "stale", "0:3": "outdated outdated", "0:4": "undecodable malformed-envelope",
	}
	require.Equal(t, outdated, d.replay(replay))
	require.Equal(t, "nothing", d.n("deleted"))
	require.Equal(t, "2", d.n("read"))

	replay.Rows = &rows{position: 700, n: map[string]string{"read": "3"}}
	replay.FromTable = func(e deadletter.Entry) bool { return e.ID.Offset < 4 }
	d.replay(replay)
	require.Equal(t, "deleted", d.n("deleted"))
	require.Equal(t, "3", d.n("read"))
	require.Equal(t, []string{"0:4"}, d.open())
}

func TestALetterOfAnotherEpochBringsNothingBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.letter("whatever", message("restored", 1000, `{"n":1}`), message("lost", 1000, `{"n":1}`))
	const epoch = 1
	d.apply(change.Change{
		Key: "restored", Op: change.Upsert, Order: change.Order{Version: epoch<<56 | 10, LSN: 10}, Document: []byte(`{"n":2}`),
	})
	replay := d.replayOf()
	replay.Epoch = epoch
	require.Equal(t, map[string]string{"0:0": "stale", "0:1": "outdated outdated"}, d.replay(replay))
	require.Equal(t, "2", d.n("restored"))
	require.Equal(t, "nothing", d.n("lost"))
}

// failing is an index that fails in some way.
type failing struct {
	deadletter.Index
	apply func(ctx context.Context, changes []change.Change) ([]change.Result, error)
}

func (f failing) Apply(ctx context.Context, changes []change.Change) ([]change.Result, error) {
	return f.apply(ctx, changes)
}

func TestNothingIsMarkedBeforeItIsApplied(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.letter("whatever", message("a", 100, `{"n":1}`))
	replay := d.replayOf()
	replay.Report = func(deadletter.Result) {}

	replay.Timeout = 50 * time.Millisecond
	replay.Index = failing{d, func(ctx context.Context, _ []change.Change) ([]change.Result, error) { // as elastic.Writer waits
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	_, err := d.Replay(d.ctx(), deadletter.Selection{}, replay)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, []string{"0:0"}, d.open())

	// killed between applying and marking
	replay.Timeout = time.Minute
	killed := errors.New("killed")
	replay.Index = failing{d, func(_ context.Context, changes []change.Change) ([]change.Result, error) {
		d.apply(changes...)
		return nil, killed
	}}
	_, err = d.Replay(d.ctx(), deadletter.Selection{}, replay)
	require.ErrorIs(t, err, killed)
	require.Equal(t, "1", d.n("a"))
	require.Equal(t, []string{"0:0"}, d.open())
	require.Equal(t, map[string]string{"0:0": "stale"}, d.replay(d.replayOf()))
	require.Empty(t, d.open())
}

func TestReplaysAtTheSameTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for n := range 40 {
		d.letter("whatever", message(fmt.Sprintf("row-%d", n%10), 100+n, fmt.Sprintf(`{"n":%d}`, n)))
	}
	var replays sync.WaitGroup
	for range 3 {
		reader := deadletter.NewReader(d.brokers, d.topic, pipelineName)
		replays.Go(func() {
			defer reader.Close()
			replay := d.replayOf()
			replay.Report = func(result deadletter.Result) {
				if !result.Outcome.Done() {
					t.Errorf("letter %s: %s", result.Entry.ID, result.Outcome)
				}
			}
			if _, err := reader.Replay(d.ctx(), deadletter.Selection{}, replay); err != nil {
				t.Error(err)
			}
		})
	}
	replays.Wait()
	require.Empty(t, d.open())
	for n := range 10 {
		require.Equal(t, fmt.Sprint(30+n), d.n(fmt.Sprintf("row-%d", n)))
	}
}

func TestReplayGoesInBatches(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	const all = 1200
	values := make([]string, all)
	for n := range values {
		values[n] = fmt.Sprint(n)
	}
	l.put("small", values...)
	large := strings.Repeat("x", 5<<20)
	l.put("large", large, large, large)
	var batches []int
	replay := deadletter.Replay{
		Decode: func(_ uint8, _, value []byte) (change.Change, error) {
			return change.Change{Key: string(value[:min(5, len(value))]), Order: change.Order{Version: 1}}, nil
		},
		FromTable: func(deadletter.Entry) bool { return false },
		Index: failing{nil, func(_ context.Context, changes []change.Change) ([]change.Result, error) {
			batches = append(batches, len(changes))
			results := make([]change.Result, len(changes))
			for n := range results {
				results[n].Outcome = change.Applied
			}
			return results, nil
		}},
		Timeout: time.Minute,
		Report:  func(result deadletter.Result) { require.Nil(t, result.Entry.Message.Value) },
	}
	counts, err := l.Replay(l.ctx(), deadletter.Selection{}, replay)
	require.NoError(t, err)
	require.Equal(t, all+3, counts.Open)
	require.Equal(t, []int{500, 500, 202, 1}, batches)
	_, counts = l.find(deadletter.Selection{})
	require.Equal(t, deadletter.Counts{Done: all + 3}, counts)
}
