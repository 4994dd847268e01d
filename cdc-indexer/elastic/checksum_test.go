package elastic_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

func TestChecksumsAddUp(t *testing.T) {
	t.Parallel()
	rows := []string{`{"name":"a","n":1}`, `{"name":"b","n":9007199254740993}`, `{"name":"c","n":2}`}
	x, reader := newKeyedAs(t, strings.Replace(keysText, "number_of_shards: 2", "number_of_shards: 1", 1), rows...)
	written, err := reader.Written(x.ctx())
	require.NoError(t, err)
	require.Equal(t, x.names.First(), written.Index)
	require.NotEmpty(t, written.UUID)
	require.Equal(t, int64(3), written.SeqNo)
	later := upsert("later", 100, 100, "")
	later.Document = []byte(`{"name":"bb"}`)
	x.apply(later)
	require.NoError(t, reader.Refresh(x.ctx()))

	requireSums := func(keys elastic.KeyRange, wantLater int64, want ...string) {
		t.Helper()
		var sums elastic.Sums
		for _, row := range want {
			sums.Add(elastic.Checksum([]byte(row)))
		}
		got, later, err := reader.Sums(x.ctx(), keys, written)
		require.NoError(t, err)
		require.Equal(t, sums, got)
		require.Equal(t, wantLater, later)
	}
	name := []string{"name"}
	requireSums(elastic.KeyRange{Columns: name}, 1, rows...)
	requireSums(elastic.KeyRange{Columns: name, From: []string{"b"}}, 1, rows[1:]...)
	requireSums(elastic.KeyRange{Columns: name, To: []string{"b"}}, 0, rows[0])
	requireSums(elastic.KeyRange{Columns: name, From: []string{"x"}}, 0)

	// by hand: it keeps its checksum, and is no longer among those that count
	x.must(http.MethodPost, "/"+x.names.First()+"/_update/"+url.PathEscape(rows[0]), `{"doc":{"n":7}}`)
	require.NoError(t, reader.Refresh(x.ctx()))
	requireSums(elastic.KeyRange{Columns: name}, 2, rows[1:]...)

	read := map[string]bool{} // whether it is proven
	require.NoError(t, reader.Documents(x.ctx(), elastic.KeyRange{Columns: name}, elastic.Writes{After: &written.SeqNo}, func(page []elastic.Document) error {
		for _, document := range page {
			_, read[document.ID] = document.Proven()
		}
		return nil
	}))
	require.Equal(t, map[string]bool{"later": true, rows[0]: false}, read)
	before := 0
	require.NoError(t, reader.Documents(x.ctx(), elastic.KeyRange{Columns: name}, elastic.Writes{UpTo: &written.SeqNo}, func(page []elastic.Document) error {
		before += len(page)
		return nil
	}))
	require.Equal(t, 2, before)
}

// An index of an earlier version learns the fields of the bookkeeping, whose mapping is strict.
func TestAnIndexOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	x := newIndex(t)
	x.must(http.MethodPut, "/"+x.names.First(), `{"settings":{"number_of_replicas":0},"aliases":{"`+x.names.WriteAlias+`":{"is_write_index":true}},
		"mappings":{"dynamic":false,"properties":{"cdc":{"dynamic":"strict","properties":{"version":{"type":"long"},"lsn":{"type":"long"},"deleted":{"type":"boolean"},
		"committed_at":{"type":"date"},"indexed_at":{"type":"date"}}}}}}`)
	require.Equal(t, change.Rejected, x.apply(upsert("a", 100, 100, "a"))[0].Outcome)
	x.create()
	require.Equal(t, change.Applied, x.apply(upsert("a", 100, 100, "a"))[0].Outcome)
}
