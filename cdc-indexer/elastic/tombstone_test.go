package elastic_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// age makes a tombstone look as if it had been written a while ago; all else stays as it is.
func (x *index) age(key string, by time.Duration) {
	x.t.Helper()
	source := x.document(key)["cdc"].(map[string]any)
	body := fmt.Sprintf(`{"cdc":{"version":%s,"lsn":%s,"deleted":true,"committed_at":"2026-01-02T03:04:05Z","indexed_at":%q}}`,
		source["version"], source["lsn"], time.Now().Add(-by).UTC().Format(time.RFC3339Nano))
	path := fmt.Sprintf("/%s/_doc/%s?version=%s&version_type=external_gte&refresh=true", x.names.First(), key, source["version"])
	status, answer := x.request(x.ctx(), http.MethodPut, path, body)
	require.Equal(x.t, http.StatusOK, status, answer)
}

// indexedAt returns when a document was written, and its order.
func (x *index) indexedAt(key string) (at time.Time, order string) {
	x.t.Helper()
	cdc := x.document(key)["cdc"].(map[string]any)
	at, err := time.Parse(time.RFC3339Nano, cdc["indexed_at"].(string))
	require.NoError(x.t, err)
	return at, fmt.Sprint(cdc["version"], " ", cdc["lsn"], " ", cdc["deleted"])
}

func TestADeleteThatComesAgainKeepsItsTombstone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		age   time.Duration
		again change.Change
		young bool
	}{
		"after a long time":      {elastic.RefreshAfter + time.Minute, remove("a", 200, 200), true},
		"soon":                   {elastic.RefreshAfter - time.Minute, remove("a", 200, 200), false},
		"an older delete":        {2 * elastic.RefreshAfter, remove("a", 100, 100), false},
		"an older one, in a tie": {2 * elastic.RefreshAfter, remove("a", 200, 192), false},
		"an older row":           {2 * elastic.RefreshAfter, upsert("a", 100, 100, "a"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newIndex(t).create()
			x.apply(remove("a", 200, 200))
			x.age("a", test.age)
			aged, order := x.indexedAt("a")
			require.Equal(t, "200 200 true", order)

			results := x.apply(test.again)
			require.Equal(t, change.Stale, results[0].Outcome)
			at, order := x.indexedAt("a")
			require.Equal(t, "200 200 true", order)
			if !test.young {
				require.Equal(t, aged, at)
				return
			}
			require.WithinDuration(t, time.Now(), at, 30*time.Second)
			x.apply(test.again)
			again, _ := x.indexedAt("a")
			require.Equal(t, at, again, "once is enough")
			require.Equal(t, change.Applied, x.apply(upsert("a", 208, 201, "back"))[0].Outcome)
			require.Equal(t, "back", x.document("a")["title"])
		})
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.apply(remove("old", 100, 100), remove("young", 100, 100), remove("changing", 100, 100), upsert("row", 100, 100, "row"))
	w.age("old", 3*time.Hour)
	w.age("young", time.Hour)
	w.age("changing", 3*time.Hour)
	client := w.hook(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "_bulk") { // it has been found, and comes back before it is deleted
			w.apply(upsert("changing", 200, 200, "back"))
		}
	})
	purger := elastic.NewPurger(client, w.names, elastic.NewMetrics(prometheus.NewRegistry()))
	purged, err := purger.Purge(w.ctx(), time.Now().Add(-2*time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, purged)
	require.Nil(t, w.document("old"))
	require.NotNil(t, w.document("young"))
	require.Equal(t, "back", w.document("changing")["title"])
	require.Equal(t, "row", w.document("row")["title"])

	purged, err = elastic.NewPurger(w.client, w.names, elastic.NewMetrics(prometheus.NewRegistry())).Purge(w.ctx(), time.Now().Add(-2*time.Hour))
	require.NoError(t, err)
	require.Zero(t, purged)
}

func TestPurgeSaysWhyNot(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.apply(remove("old", 100, 100))
	w.age("old", 3*time.Hour)
	require.NoError(t, w.Block(w.ctx(), w.names.First()))
	purger := elastic.NewPurger(w.client, w.names, elastic.NewMetrics(prometheus.NewRegistry()))
	_, err := purger.Purge(w.ctx(), time.Now())
	require.ErrorContains(t, err, "purge tombstones: ")
	require.ErrorContains(t, err, "cluster_block_exception")
	require.NotNil(t, w.document("old"))
}
