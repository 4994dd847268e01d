package elastic_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// workshop is an index and what builds others beside it, on the real server.
type workshop struct {
	*index
	*elastic.Builder
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{index: newIndex(t).create()}
	w.Builder = elastic.NewBuilder(w.client, w.names, elastic.NewMetrics(prometheus.NewRegistry()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		indices, err := w.Indices(ctx)
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
		for _, index := range indices {
			w.request(ctx, http.MethodDelete, "/"+index, "")
		}
	})
	return w
}

func (w *workshop) define(text string) elastic.Definition {
	w.t.Helper()
	definition, err := elastic.ParseDefinition([]byte(text))
	require.NoError(w.t, err)
	return definition
}

// numbered returns the name of an index.
func (w *workshop) numbered(n int) string { return fmt.Sprintf("%s-%06d", w.names.Prefix, n) }

func (w *workshop) begin(n int) elastic.Build {
	w.t.Helper()
	build, err := w.Create(w.ctx(), w.numbered(n), w.define(definitionText), nil)
	require.NoError(w.t, err)
	return build
}

// get reads documents of any index or alias.
func (w *workshop) get(index string, keys ...string) []*elastic.Document {
	w.t.Helper()
	documents, err := elastic.NewReader(w.client, elastic.Names{WriteAlias: index}).Get(w.ctx(), keys)
	require.NoError(w.t, err)
	return documents
}

// hits returns what a search for everything finds.
func (w *workshop) hits(index string) (ids []string) {
	w.t.Helper()
	w.request(w.ctx(), http.MethodPost, "/"+index+"/_refresh", "")
	_, answer := w.request(w.ctx(), http.MethodGet, "/"+index+"/_search?size=100", "")
	for _, hit := range answer["hits"].(map[string]any)["hits"].([]any) {
		ids = append(ids, hit.(map[string]any)["_id"].(string))
	}
	slices.Sort(ids)
	return ids
}

func TestABuildTakesBothAliasesInOneStep(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.apply(upsert("old", 100, 100, "old"))
	_, err := w.Find(w.ctx())
	require.ErrorIs(t, err, elastic.ErrNoBuild)

	build := w.begin(2)
	found, err := w.Find(w.ctx())
	require.NoError(t, err)
	require.Equal(t, build, found)
	require.Equal(t, w.numbered(2), build.Index)
	require.NoError(t, w.Check(w.ctx(), build))
	_, err = w.Writer(build).Apply(w.ctx(), []change.Change{upsert("new", 100, 100, "new"), remove("gone", 100, 100)})
	require.NoError(t, err)
	require.Equal(t, []string{"old"}, w.hits(w.names.ReadAlias), "nobody sees it yet")

	require.NoError(t, w.Swap(w.ctx(), w.names.First(), build))
	live, err := w.Live(w.ctx())
	require.NoError(t, err)
	require.Equal(t, build.Index, live)
	require.Equal(t, []string{"new"}, w.hits(w.names.ReadAlias), "without its tombstone")
	require.NoError(t, w.writer.CheckWriteAlias(w.ctx()))
	w.apply(upsert("later", 100, 100, "later"))
	require.Equal(t, []string{"gone", "later", "new"}, w.hits(build.Index))
	_, err = w.Find(w.ctx())
	require.ErrorIs(t, err, elastic.ErrNoBuild)
	require.ErrorIs(t, w.Check(w.ctx(), build), elastic.ErrLost)
}

func TestTakingABuildOver(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	former := w.begin(2)
	build, err := w.TakeOver(w.ctx(), former)
	require.NoError(t, err)
	require.Equal(t, former.Index, build.Index)
	require.NotEqual(t, former.Alias, build.Alias)
	require.ErrorIs(t, w.Check(w.ctx(), former), elastic.ErrLost)
	require.NoError(t, w.Check(w.ctx(), build))
	found, err := w.Find(w.ctx())
	require.NoError(t, err)
	require.Equal(t, build, found)

	require.ErrorContains(t, w.Writer(former).CheckWriteAlias(w.ctx()), "404", "nothing is written through it any more")
	require.Error(t, w.Swap(w.ctx(), w.names.First(), former))
	live, err := w.Live(w.ctx())
	require.NoError(t, err)
	require.Equal(t, w.names.First(), live)
	_, err = w.TakeOver(w.ctx(), former)
	require.Error(t, err, "only one can take it over")
	require.NoError(t, w.Swap(w.ctx(), w.names.First(), build))
}

func TestASwapIsDoneAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	build := w.begin(2)
	other := w.begin(3)
	require.Error(t, w.Swap(w.ctx(), other.Index, build), "it is not the live one")
	live, err := w.Live(w.ctx())
	require.NoError(t, err)
	require.Equal(t, w.names.First(), live)
	require.NoError(t, w.Check(w.ctx(), build))
	require.NoError(t, w.writer.CheckWriteAlias(w.ctx()))
}

func TestAdoptAndRelease(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	require.NoError(t, w.Swap(w.ctx(), w.names.First(), w.begin(2)))
	build, err := w.Adopt(w.ctx(), w.names.First())
	require.NoError(t, err)
	require.NoError(t, w.Check(w.ctx(), build))
	require.NoError(t, w.Release(w.ctx(), build))
	require.ErrorIs(t, w.Check(w.ctx(), build), elastic.ErrLost)
	indices, err := w.Indices(w.ctx())
	require.NoError(t, err)
	require.Equal(t, []string{w.numbered(1), w.numbered(2)}, indices)
}

func TestSettingsAreHeldBackUntilTheIndexIsFull(t *testing.T) {
	t.Parallel()
	const mappings = "mappings: {properties: {title: {type: text}}}\n"
	tests := map[string]struct {
		settings          string
		refresh, replicas any
	}{
		"short":          {`settings: {refresh_interval: "7s", number_of_replicas: 0}`, "7s", "0"},
		"with index":     {`settings: {index.refresh_interval: "7s", index.number_of_replicas: 2}`, "7s", "2"},
		"as an object":   {`settings: {index: {refresh_interval: "7s", number_of_replicas: 2, number_of_shards: 2}}`, "7s", "2"},
		"none":           {``, nil, "1"},
		"never refresh":  {`settings: {refresh_interval: "-1"}`, "-1", "1"},
		"in two manners": {`settings: {index.refresh_interval: "7s", index: {number_of_replicas: 0}}`, "7s", "0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			setting := func(name string) any {
				_, answer := w.request(w.ctx(), http.MethodGet, "/"+w.numbered(2)+"/_settings?flat_settings=true", "")
				return answer[w.numbered(2)].(map[string]any)["settings"].(map[string]any)[name]
			}
			definition := w.define(mappings + test.settings)
			build, err := w.Create(w.ctx(), w.numbered(2), definition, nil)
			require.NoError(t, err)
			require.Equal(t, "-1", setting("index.refresh_interval"))
			require.Equal(t, "0", setting("index.number_of_replicas"))
			_, err = w.Writer(build).Apply(w.ctx(), []change.Change{upsert("a", 1, 1, "a")})
			require.NoError(t, err)

			require.NoError(t, w.Finish(w.ctx(), build.Index, definition))
			require.Equal(t, test.refresh, setting("index.refresh_interval"))
			require.Equal(t, test.replicas, setting("index.number_of_replicas"))
			_, answer := w.request(w.ctx(), http.MethodGet, "/"+build.Index+"/_count", "")
			require.Equal(t, "1", fmt.Sprint(answer["count"]), "searchable")
		})
	}
}

func TestBlockAndUnblock(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	put := func() int {
		status, _ := w.request(w.ctx(), http.MethodPut, "/"+w.names.First()+"/_doc/a", `{}`)
		return status
	}
	require.NoError(t, w.Block(w.ctx(), w.names.First()))
	require.Equal(t, http.StatusForbidden, put())
	require.NoError(t, w.Block(w.ctx(), w.names.First()), "again")
	require.NoError(t, w.Unblock(w.ctx(), w.names.First()))
	require.Equal(t, http.StatusCreated, put())
	require.NoError(t, w.Unblock(w.ctx(), w.names.First()), "again")
	require.ErrorContains(t, w.Block(w.ctx(), w.numbered(9)), "block writes to "+w.numbered(9))
}

func TestIndicesHaveNumbers(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	next, err := w.NextIndex(w.ctx())
	require.NoError(t, err)
	require.Equal(t, w.numbered(2), next)
	w.begin(41)
	other := w.names.Prefix + "-other-000099" // of another pipeline
	w.request(w.ctx(), http.MethodPut, "/"+other, "")
	t.Cleanup(func() { w.request(context.Background(), http.MethodDelete, "/"+other, "") })
	next, err = w.NextIndex(w.ctx())
	require.NoError(t, err)
	require.Equal(t, w.numbered(42), next)
	indices, err := w.Indices(w.ctx())
	require.NoError(t, err)
	require.Equal(t, []string{w.numbered(1), w.numbered(41)}, indices)

	_, err = w.Create(w.ctx(), w.names.Prefix+"-new", w.define(definitionText), nil)
	require.ErrorContains(t, err, "its name must be "+w.names.Prefix+"-NUMBER", "nobody would find it again")
	_, err = w.Create(w.ctx(), w.numbered(41), w.define(definitionText), nil)
	require.ErrorContains(t, err, "already exists")
}

func TestTheLiveIndexIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	build := w.begin(2)
	require.ErrorContains(t, w.Delete(w.ctx(), w.names.First()), "the live one")
	require.NoError(t, w.Delete(w.ctx(), build.Index))
	require.NoError(t, w.Delete(w.ctx(), build.Index), "it is gone")
	indices, err := w.Indices(w.ctx())
	require.NoError(t, err)
	require.Equal(t, []string{w.names.First()}, indices)
}

func TestTombstonesAboveAMark(t *testing.T) {
	t.Parallel()
	for shards, want := range map[int][]string{1: {"b 300", "d 200"}, 3: nil} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			t.Parallel()
			w := newWorkshop(t)
			definition := w.define(definitionText)
			definition.Settings["number_of_shards"] = shards
			build, err := w.Create(w.ctx(), w.numbered(2), definition, nil)
			require.NoError(t, err)
			apply := func(changes ...change.Change) {
				_, err := w.Writer(build).Apply(w.ctx(), changes)
				require.NoError(t, err)
			}
			tombstones := func(above int64) (found []string) {
				require.NoError(t, w.Tombstones(w.ctx(), build.Index, above, func(_ context.Context, deletes []change.Change) error {
					for _, c := range deletes {
						require.Equal(t, change.Delete, c.Op)
						require.Nil(t, c.Document)
						found = append(found, fmt.Sprint(c.Key, " ", c.Order.Version))
					}
					return nil
				}))
				slices.Sort(found)
				return found
			}
			mark, err := w.Written(w.ctx(), build.Index)
			require.NoError(t, err)
			require.Equal(t, int64(-1), mark)
			require.Empty(t, tombstones(mark))

			apply(remove("a", 100, 100), remove("b", 100, 100), upsert("c", 100, 100, "c"))
			mark, err = w.Written(w.ctx(), build.Index)
			require.NoError(t, err)
			apply(upsert("e", 200, 200, "e"), remove("b", 300, 300), remove("d", 200, 200))
			require.Equal(t, []string{"a 100", "b 300", "d 200"}, tombstones(-1))
			if want == nil { // one mark for all shards: some may be read again, none is left out
				require.Subset(t, tombstones(mark), []string{"b 300", "d 200"})
				return
			}
			require.Equal(t, want, tombstones(mark))
		})
	}
}

func TestATombstonesOrderIsExact(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	deleted := remove("a", 1<<62+1, 1<<53+1)
	deleted.CommittedAt = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	w.apply(deleted)
	var found []change.Change
	require.NoError(t, w.Tombstones(w.ctx(), w.names.First(), -1, func(_ context.Context, deletes []change.Change) error {
		found = append(found, deletes...)
		return nil
	}))
	deleted.Read = true
	require.Equal(t, []change.Change{deleted}, found)
}

func TestCountLive(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.apply(upsert("a", 1, 1, "a"), upsert("b", 1, 1, "b"), remove("c", 1, 1))
	count, err := w.CountLive(w.ctx(), w.names.First())
	require.NoError(t, err)
	require.Equal(t, int64(2), count)
}

func TestNotes(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	type note struct {
		N    int64  `json:"n"`
		Text string `json:"text"`
	}
	build, err := w.Create(w.ctx(), w.numbered(2), w.define(definitionText), map[string]any{"first": note{1<<53 + 1, "é"}})
	require.NoError(t, err)
	require.NoError(t, w.Block(w.ctx(), build.Index))
	require.NoError(t, w.SetNote(w.ctx(), build.Index, "second", note{2, "two"}))
	require.NoError(t, w.SetNote(w.ctx(), build.Index, "second", note{3, "three"}))
	for name, want := range map[string]note{"first": {1<<53 + 1, "é"}, "second": {3, "three"}} {
		var got note
		found, err := w.Note(w.ctx(), build.Index, name, &got)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, want, got)
	}
	var other note
	found, err := w.Note(w.ctx(), build.Index, "third", &other)
	require.NoError(t, err)
	require.False(t, found)
	_, err = w.Note(w.ctx(), build.Index, "first", new(int))
	require.ErrorContains(t, err, "decode note first of index "+build.Index)
	_, err = w.Note(w.ctx(), w.numbered(9), "first", &other)
	require.ErrorContains(t, err, "index_not_found_exception")

	_, answer := w.request(w.ctx(), http.MethodGet, "/"+build.Index+"/_mapping", "")
	properties := answer[build.Index].(map[string]any)["mappings"].(map[string]any)["properties"]
	require.Contains(t, properties, "title", "the mapping is what it was")
}

// hooked lets something happen before a request.
type hooked struct {
	http.RoundTripper
	before func(*http.Request)
}

func (h hooked) RoundTrip(r *http.Request) (*http.Response, error) {
	h.before(r)
	return h.RoundTripper.RoundTrip(r)
}

// hook makes the workshop's writer one that something happens to.
func (w *workshop) hook(before func(*http.Request)) *elastic.Client {
	w.t.Helper()
	network := &http.Transport{DisableKeepAlives: true}
	client, err := elastic.NewClient(elastic.Config{URL: w.url(), Transport: hooked{network, before}})
	require.NoError(w.t, err)
	return client
}

// A change is compared with the document of one index, and the aliases are moved to another before it is written.
func TestAConditionalWriteGoesToTheIndexThatWasCompared(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.apply(upsert("a", 500, 100, "tie"))
	build := w.begin(2)
	_, err := w.Writer(build).Apply(w.ctx(), []change.Change{upsert("a", 900, 900, "newest")})
	require.NoError(t, err)

	bulks := 0
	client := w.hook(func(r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "_bulk") {
			return
		}
		if bulks++; bulks == 2 {
			require.NoError(t, w.Swap(w.ctx(), w.names.First(), build))
		}
	})
	writer := elastic.NewWriter(client, w.names.WriteAlias, elastic.NewMetrics(prometheus.NewRegistry()))
	_, err = writer.Apply(w.ctx(), []change.Change{upsert("a", 500, 108, "newer than the tie")})
	require.NoError(t, err)
	require.Equal(t, 2, bulks)
	require.JSONEq(t, `{"title":"newest"}`, string(w.get(build.Index, "a")[0].Row()))
	require.JSONEq(t, `{"title":"newer than the tie"}`, string(w.get(w.names.First(), "a")[0].Row()))
}

// An index that was compared is write-blocked, and another has its place: then the change is compared again.
func TestAConditionalWriteThatIsRefusedIsComparedAnew(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.apply(upsert("a", 500, 100, "tie"))
	build := w.begin(2)
	bulks := 0
	client := w.hook(func(r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "_bulk") {
			return
		}
		if bulks++; bulks == 2 {
			require.NoError(t, w.Block(w.ctx(), w.names.First()))
			require.NoError(t, w.Swap(w.ctx(), w.names.First(), build))
		}
	})
	writer := elastic.NewWriter(client, w.names.WriteAlias, elastic.NewMetrics(prometheus.NewRegistry()))
	results, err := writer.Apply(w.ctx(), []change.Change{upsert("a", 500, 108, "newer than the tie")})
	require.NoError(t, err)
	require.Equal(t, change.Applied, results[0].Outcome)
	require.JSONEq(t, `{"title":"newer than the tie"}`, string(w.get(build.Index, "a")[0].Row()))
}
