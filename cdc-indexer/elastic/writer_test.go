package elastic_test

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
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const definitionText = `
settings: {number_of_shards: 1, number_of_replicas: 0, refresh_interval: "-1"}
mappings:
  dynamic: false
  properties:
    title: {type: text}
    price: {type: double}
`

// index is an index of a test's own on the real server.
type index struct {
	t      *testing.T
	client *elastic.Client
	names  elastic.Names
	writer *elastic.Writer
}

func newClient(t *testing.T) *elastic.Client {
	t.Helper()
	client, err := elastic.NewClient(elastic.Config{URL: testenv.Address(t, testenv.ElasticsearchURL)})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func newIndex(t *testing.T) *index {
	t.Helper()
	client := newClient(t)
	prefix := testenv.Name(t)
	x := &index{t: t, client: client, names: elastic.Names{Prefix: prefix, ReadAlias: prefix, WriteAlias: prefix + "-write"}}
	x.writer = elastic.NewWriter(client, x.names.WriteAlias, elastic.NewMetrics(prometheus.NewRegistry()))
	t.Cleanup(func() {
		x.request(context.Background(), http.MethodDelete, "/"+x.names.First()+"?ignore_unavailable=true", "")
	})
	return x
}

func (x *index) create() *index {
	x.t.Helper()
	definition, err := elastic.ParseDefinition([]byte(definitionText))
	require.NoError(x.t, err)
	_, err = elastic.Ensure(x.ctx(), x.client, x.names, definition)
	require.NoError(x.t, err)
	return x
}

func (x *index) url() string { x.t.Helper(); return testenv.Address(x.t, testenv.ElasticsearchURL) }

func (x *index) ctx() context.Context { return testenv.Context(x.t, time.Minute) }

// request speaks to the server past the code under test.
func (x *index) request(ctx context.Context, method, path, body string) (status int, answer map[string]any) {
	x.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, x.url()+path, strings.NewReader(body))
	require.NoError(x.t, err)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(x.t, err)
	defer func() { _ = response.Body.Close() }()
	if method != http.MethodHead {
		decoder := json.NewDecoder(response.Body)
		decoder.UseNumber()
		require.NoError(x.t, decoder.Decode(&answer))
	}
	return response.StatusCode, answer
}

// document returns a document past the read alias, tombstones too; nil when there is none.
func (x *index) document(key string) map[string]any {
	x.t.Helper()
	status, answer := x.request(x.ctx(), http.MethodGet, "/"+x.names.First()+"/_doc/"+key, "")
	if status == http.StatusNotFound {
		return nil
	}
	return answer["_source"].(map[string]any)
}

func (x *index) visible() int {
	x.t.Helper()
	x.request(x.ctx(), http.MethodPost, "/"+x.names.First()+"/_refresh", "")
	_, answer := x.request(x.ctx(), http.MethodGet, "/"+x.names.ReadAlias+"/_count", "")
	count, err := answer["count"].(json.Number).Int64()
	require.NoError(x.t, err)
	return int(count)
}

func (x *index) apply(changes ...change.Change) []change.Result {
	x.t.Helper()
	results, err := x.writer.Apply(x.ctx(), changes)
	require.NoError(x.t, err)
	return results
}

func upsert(key string, version, lsn int64, title string) change.Change {
	return change.Change{
		Key: key, Op: change.Upsert, Order: change.Order{Version: version, LSN: lsn},
		Document: []byte(fmt.Sprintf(`{"title":%q}`, title)), CommittedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
	}
}

func remove(key string, version, lsn int64) change.Change {
	return change.Change{Key: key, Op: change.Delete, Order: change.Order{Version: version, LSN: lsn}}
}

func TestAnyArrivalOrderEndsInTheNewestState(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	histories := map[string]struct {
		changes []change.Change // oldest first
		title   string          // of the document in the end, "" for none
	}{
		"update after create": {title: "b", changes: []change.Change{
			upsert("", 100, 100, "a"), upsert("", 200, 200, "b"),
		}},
		"create after delete": {title: "c", changes: []change.Change{
			upsert("", 100, 100, "a"), remove("", 208, 208), upsert("", 300, 200, "c"),
		}},
		"delete last": {changes: []change.Change{
			upsert("", 100, 100, "a"), upsert("", 200, 200, "b"), remove("", 300, 300),
		}},
		"snapshot read first": {title: "b", changes: []change.Change{
			upsert("", 0, 0, "a"), upsert("", 50, 50, "b"),
		}},
		"two changes of one transaction": {title: "b", changes: []change.Change{
			upsert("", 500, 100, "a"), upsert("", 500, 108, "b"),
		}},
		"created, changed and deleted in one transaction": {changes: []change.Change{
			upsert("", 500, 100, "a"), upsert("", 500, 108, "b"), remove("", 500, 116),
		}},
	}
	for name, history := range histories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range permutations(len(history.changes)) {
				for _, together := range []bool{true, false} {
					key := testenv.Name(t)
					var batch []change.Change
					for _, n := range append(order, order...) { // each comes twice
						c := history.changes[n]
						c.Key = key
						batch = append(batch, c)
					}
					if together {
						x.apply(batch...)
					} else {
						for _, c := range batch {
							x.apply(c)
						}
					}
					source := x.document(key)
					require.Equal(t, history.title == "", source["cdc"].(map[string]any)["deleted"], "order %v, together %v", order, together)
					if history.title != "" {
						require.Equal(t, history.title, source["title"], "order %v, together %v", order, together)
					} else {
						require.NotContains(t, source, "title")
					}
				}
			}
		})
	}
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for at := 0; at <= len(shorter); at++ {
			longer := append(append(append([]int{}, shorter[:at]...), n-1), shorter[at:]...)
			all = append(all, longer)
		}
	}
	return all
}

// One transaction may change a row more often than there is room between two commit positions. Every rewrite of a
// tie adds 1 to Elasticsearch's version, so here the version of the first transaction's last state is above that
// of the second.
func TestMoreTiesThanRoomBetweenCommits(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	const first, second = 1000, 1032 // a commit record is at least 32 bytes
	for n := range int64(40) {
		x.apply(upsert("a", first, 8*n, fmt.Sprint("first ", n)))
	}
	require.Equal(t, change.Applied, x.apply(upsert("a", second, 1008, "second"))[0].Outcome)
	require.Equal(t, "second", x.document("a")["title"])
	require.Equal(t, change.Stale, x.apply(upsert("a", first, 320, "late"))[0].Outcome)
	require.Equal(t, "second", x.document("a")["title"])
}

func TestConcurrentWritersOfOneRow(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	var writers sync.WaitGroup
	const changes = 60
	for n := range changes {
		writers.Go(func() { // ties in one transaction, and every tenth a new one
			_, err := x.writer.Apply(x.ctx(), []change.Change{upsert("a", int64(1000+n/10*32), int64(n*8), fmt.Sprint(n))})
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	require.Equal(t, fmt.Sprint(changes-1), x.document("a")["title"])
}

func TestOutcomesAndBookkeeping(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	results := x.apply(upsert("a", 10, 8, "old"), upsert("a", 20, 16, "new"), upsert("b", 30, 24, "b"), remove("c", 40, 32))
	require.Equal(t, []change.Result{{Outcome: change.Stale}, {Outcome: change.Applied}, {Outcome: change.Applied}, {Outcome: change.Applied}}, results)

	cdc := x.document("a")["cdc"].(map[string]any)
	require.Equal(t, json.Number("20"), cdc["version"])
	require.Equal(t, json.Number("16"), cdc["lsn"])
	require.Equal(t, false, cdc["deleted"])
	require.Equal(t, "2026-01-02T03:04:05.000006Z", cdc["committed_at"])
	require.NotEmpty(t, cdc["indexed_at"])
	require.Equal(t, 2, x.visible(), "the read alias must not show the tombstone")
	require.Equal(t, change.Stale, x.apply(upsert("a", 20, 16, "new"))[0].Outcome)
}

func TestRejectedDocumentsDoNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	bad := upsert("bad", 10, 8, "")
	bad.Document = []byte(`{"price":"not a number"}`)
	tooLongID := upsert(strings.Repeat("x", 600), 10, 8, "")
	batch := []change.Change{bad, upsert("a", 10, 8, "a"), tooLongID}
	for n := range 5 {
		batch = append(batch, upsert(fmt.Sprint("k", n), 10, 8, "k"))
	}
	results := x.apply(batch...)
	require.Equal(t, change.Rejected, results[0].Outcome)
	require.Equal(t, "document_parsing_exception", results[0].Rejection.Reason)
	require.Contains(t, results[0].Rejection.Detail, "price")
	require.Equal(t, change.Rejected, results[2].Outcome)
	require.Contains(t, results[2].Rejection.Detail, "id")
	require.Equal(t, 6, x.visible())
}

func TestValuesArriveDigitForDigit(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	c := upsert("a", 10, 8, "")
	c.Document = []byte(`{"big":9007199254740993,"long":123456789012345678901234567890,"price":"49.90"}`)
	x.apply(c)
	source := x.document("a")
	require.Equal(t, json.Number("9007199254740993"), source["big"])
	require.Equal(t, json.Number("123456789012345678901234567890"), source["long"])
	require.Equal(t, "49.90", source["price"])
}

// waitsFor runs Apply, expects it to be held up for a reason that Trouble tells, mends it and expects it to succeed.
func (x *index) waitsFor(reason string, mend func()) {
	x.t.Helper()
	done := make(chan []change.Result, 1)
	go func() {
		results, err := x.writer.Apply(x.ctx(), []change.Change{upsert("a", 10, 8, "a")})
		if err != nil {
			x.t.Error(err)
		}
		done <- results
	}()
	testenv.Eventually(x.t, 20*time.Second, func(context.Context) error {
		if trouble := x.writer.Trouble(); trouble == nil || !strings.Contains(trouble.Error(), reason) {
			return fmt.Errorf("trouble is %w, want %s", trouble, reason)
		}
		return nil
	})
	mend()
	select {
	case results := <-done:
		require.Equal(x.t, []change.Result{{Outcome: change.Applied}}, results)
	case <-time.After(30 * time.Second):
		x.t.Fatal("Apply did not get on")
	}
	require.NoError(x.t, x.writer.Trouble())
	require.Equal(x.t, "a", x.document("a")["title"])
}

func TestMissingAliasIsWaitedForAndNothingIsCreated(t *testing.T) {
	t.Parallel()
	x := newIndex(t)
	x.waitsFor("index_not_found_exception", func() {
		status, _ := x.request(x.ctx(), http.MethodHead, "/"+x.names.WriteAlias, "")
		require.Equal(t, http.StatusNotFound, status)
		x.create()
	})
}

func TestWriteBlockIsWaitedFor(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	x.request(x.ctx(), http.MethodPut, "/"+x.names.First()+"/_block/write", "")
	x.waitsFor("cluster_block_exception", func() {
		x.request(x.ctx(), http.MethodPut, "/"+x.names.First()+"/_settings", `{"index.blocks.write":false}`)
	})
}

// With two indices behind the alias and none to write to, Elasticsearch answers each document with status 400. No
// document may be taken for bad because of that.
func TestAliasWithoutWriteIndexIsWaitedFor(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	other := x.names.Prefix + "-other"
	x.request(x.ctx(), http.MethodPut, "/"+other, "")
	t.Cleanup(func() { x.request(context.Background(), http.MethodDelete, "/"+other, "") })
	alias := func(index, flag string) string {
		return fmt.Sprintf(`{"add":{"index":%q,"alias":%q,"is_write_index":%s}}`, index, x.names.WriteAlias, flag)
	}
	x.request(x.ctx(), http.MethodPost, "/_aliases", `{"actions":[`+alias(x.names.First(), "false")+`,`+alias(other, "false")+`]}`)
	x.waitsFor("must be exactly one", func() {
		x.request(x.ctx(), http.MethodPost, "/_aliases", `{"actions":[`+alias(x.names.First(), "true")+`]}`)
	})
}

func TestForeignDocumentIsOverwritten(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	x.apply(upsert("a", 10, 8, "ours"))
	x.request(x.ctx(), http.MethodPut, "/"+x.names.First()+"/_doc/a", `{"title":"by hand"}`)
	x.apply(upsert("a", 10, 8, "ours"))
	require.Equal(t, "ours", x.document("a")["title"])
}

func TestApplyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	x := newIndex(t) // no alias: it would wait for ever
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := x.writer.Apply(ctx, []change.Change{upsert("a", 10, 8, "a")})
		failed <- err
	}()
	testenv.Eventually(t, 20*time.Second, func(context.Context) error {
		if x.writer.Trouble() == nil {
			return errors.New("no trouble yet")
		}
		return nil
	})
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	require.NoError(t, x.writer.Trouble(), "nobody waits any more")
}

func TestEnsureByManyAtOnce(t *testing.T) {
	t.Parallel()
	x := newIndex(t)
	definition, err := elastic.ParseDefinition([]byte(definitionText))
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := elastic.Ensure(x.ctx(), x.client, x.names, definition); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.NoError(t, x.writer.CheckWriteAlias(x.ctx()))
	created, err := elastic.Ensure(x.ctx(), x.client, x.names, definition)
	require.NoError(t, err)
	require.False(t, created)
}

func TestEnsureSaysWhatIsWrongWithADefinition(t *testing.T) {
	t.Parallel()
	x := newIndex(t)
	definition, err := elastic.ParseDefinition([]byte(`mappings: {properties: {title: {type: nonsense}}}`))
	require.NoError(t, err)
	_, err = elastic.Ensure(x.ctx(), x.client, x.names, definition)
	require.True(t, elastic.Invalid(err))
	require.ErrorContains(t, err, "nonsense")
}

func TestRefresherMakesWritesSearchable(t *testing.T) {
	t.Parallel()
	t.Run("soon", func(t *testing.T) {
		t.Parallel()
		refreshes(t, (*elastic.Refresher).Request)
	})
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		refreshes(t, (*elastic.Refresher).RequestLater)
	})
}

func refreshes(t *testing.T, request func(*elastic.Refresher, func())) {
	t.Helper()
	x := newIndex(t).create() // refresh_interval -1: nothing else refreshes
	refresher := elastic.NewRefresher(x.client, x.names.WriteAlias, 0.8, elastic.NewMetrics(prometheus.NewRegistry()), discard())
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { refresher.Run(ctx) })
	defer running.Wait()
	defer cancel()

	for n := range 3 {
		x.apply(upsert(fmt.Sprint("k", n), 10, 8, "a"))
		done := make(chan struct{})
		request(refresher, func() { close(done) })
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("no refresh")
		}
		_, answer := x.request(x.ctx(), http.MethodGet, "/"+x.names.ReadAlias+"/_count", "")
		require.Equal(t, json.Number(fmt.Sprint(n+1)), answer["count"])
	}
}
