package elastic_test

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// buildBehaviours are those that building an index beside the live one relies on.
var buildBehaviours = map[string]func(*contract){
	"an item may name its own index": func(c *contract) {
		c.bulk(put("a", external(1), `{"key":"1"}`))
		stored := c.get("a")
		require.Equal(c.t, c.names.Replace("INDEX"), stored.Get("_index").String(), "the index behind the alias")
		condition := `,"_index":"INDEX","require_alias":false` + ifSeqNo(stored.Get("_seq_no").Int(), stored.Get("_primary_term").Int())
		require.Equal(c.t, []string{"200", versionConflict}, c.bulk(put("a", condition, `{"key":"2"}`), put("a", condition, `{"key":"3"}`)))
		require.Equal(c.t, "2", c.key())
		require.Equal(c.t, []string{"404 index_not_found_exception"}, c.bulk(put("a", `,"_index":"INDEX"`, `{}`)), "require_alias holds for an item's index too")
	},
	"a pattern finds aliases": func(c *contract) {
		c.must(http.MethodPost, "/_aliases", `{"actions":[{"add":{"index":"INDEX","alias":"OTHER-1"}}]}`)
		require.JSONEq(c.t, c.names.Replace(`{"INDEX":{"aliases":{"OTHER-1":{}}}}`), c.must(http.MethodGet, "/_alias/OTHER-*", "").Raw)
		require.JSONEq(c.t, `{}`, c.must(http.MethodGet, "/_alias/OTHER-none-*", "").Raw)
		all := c.must(http.MethodGet, "/INDEX*/_alias", "")
		require.Len(c.t, all.Map(), 1)
		require.Len(c.t, all.Get(c.names.Replace("INDEX.aliases")).Map(), 3)
		require.JSONEq(c.t, `{}`, c.must(http.MethodGet, "/OTHER-none-*/_alias", "").Raw)
	},
	"an alias that must exist stops all of the request": func(c *contract) {
		c.must(http.MethodPut, "/OTHER", `{"settings":{"number_of_replicas":0}}`)
		c.refused(http.StatusNotFound, "aliases_not_found_exception", http.MethodPost, "/_aliases", `{"actions":[
			{"remove":{"index":"OTHER","alias":"OTHER-1","must_exist":true}},
			{"remove":{"index":"INDEX","alias":"WRITE","must_exist":true}},
			{"add":{"index":"OTHER","alias":"WRITE","is_write_index":true}}]}`)
		require.JSONEq(c.t, c.names.Replace(`{"INDEX":{"aliases":{"WRITE":{"is_write_index":true}}}}`), c.must(http.MethodGet, "/_alias/WRITE", "").Raw)
	},
	"notes in the mapping": func(c *contract) {
		require.False(c.t, c.must(http.MethodGet, "/INDEX/_mapping", "").Get("*.mappings._meta").Exists())
		c.must(http.MethodPut, "/INDEX/_block/write", "")
		c.must(http.MethodPut, "/INDEX/_mapping", `{"_meta":{"cdc":{"a":{"n":9007199254740993},"b":1}}}`)
		require.JSONEq(c.t, `{"cdc":{"a":{"n":9007199254740993},"b":1}}`, c.must(http.MethodGet, "/INDEX/_mapping", "").Get("*.mappings._meta").Raw)
		c.must(http.MethodPut, "/INDEX/_mapping", `{"_meta":{"cdc":{"b":2}}}`)
		require.JSONEq(c.t, `{"cdc":{"b":2}}`, c.must(http.MethodGet, "/INDEX/_mapping", "").Get("*.mappings._meta").Raw, "replaced, not merged")
		c.must(http.MethodPut, "/INDEX/_settings", `{"index.blocks.write":null}`)
		require.Equal(c.t, []string{unknownField}, c.bulk(put("a", "", `{"unknown":1}`)), "the mapping is as strict as it was")
		c.refused(http.StatusNotFound, "index_not_found_exception", http.MethodGet, "/OTHER/_mapping", "")
	},
	"a block that is there already is not confirmed": func(c *contract) {
		require.True(c.t, c.must(http.MethodPut, "/INDEX/_block/write", "").Get("shards_acknowledged").Bool())
		again := c.must(http.MethodPut, "/INDEX/_block/write", "")
		require.JSONEq(c.t, `{"acknowledged":true,"shards_acknowledged":false,"indices":[]}`, again.Raw)
		c.must(http.MethodPut, "/INDEX/_settings", `{"index.blocks.write":null}`)
		require.Equal(c.t, []string{"201"}, c.bulk(put("a", "", `{}`)))
		require.True(c.t, c.must(http.MethodPut, "/INDEX/_block/write", "").Get("shards_acknowledged").Bool())
	},
	"the cluster's state tells of blocks": func(c *contract) {
		blocks := func() string { // the answer may tell of other indices, too, whatever was asked for
			return c.must(http.MethodGet, "/_cluster/state/blocks/INDEX?filter_path=blocks.indices", "").Get(c.names.Replace("blocks.indices.INDEX")).Raw
		}
		require.Empty(c.t, blocks())
		c.must(http.MethodPut, "/INDEX/_block/write", "")
		require.JSONEq(c.t, `{"8":{"description":"index write (api)","retryable":false,"levels":["write"]}}`, blocks())
	},
	"sequence numbers tell what was written later": func(c *contract) {
		written := func() int64 {
			return c.must(http.MethodGet, "/INDEX/_stats/docs?level=shards&filter_path=indices.*.shards.*.seq_no.global_checkpoint", "").
				Get("indices.*.shards.0.0.seq_no.global_checkpoint").Int()
		}
		require.Equal(c.t, int64(-1), written())
		c.bulk(put("a", "", `{"key":"a","cdc":{"deleted":true}}`), put("b", "", `{"key":"b","cdc":{"deleted":true}}`), put("c", "", `{"key":"c","cdc":{"deleted":false}}`))
		mark := written()
		require.Equal(c.t, int64(2), mark)
		c.bulk(put("a", "", `{"key":"again","cdc":{"deleted":true}}`), put("d", "", `{"key":"d","cdc":{"deleted":true}}`))
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		deleted := func(above int64) string {
			query := fmt.Sprintf(`{"sort":[{"key":"asc"}],"query":{"bool":{"filter":[{"term":{"cdc.deleted":true}},{"range":{"_seq_no":{"gt":%d}}}]}}}`, above)
			return c.must(http.MethodPost, "/INDEX/_search", query).Get("hits.hits.#._source.key").Raw
		}
		require.Equal(c.t, `["again","b","d"]`, deleted(-1))
		require.Equal(c.t, `["again","d"]`, deleted(mark))
		require.Equal(c.t, `[]`, deleted(written()))
	},
	"sequence numbers tell what is done, in an index that has a name of its own": func(c *contract) {
		stats := func() gjson.Result {
			return c.must(http.MethodGet, "/WRITE/_stats/docs?level=shards&filter_path=indices.*.uuid,indices.*.shards.*.seq_no.global_checkpoint", "").Get("indices")
		}
		require.Equal(c.t, int64(-1), stats().Get("*.shards.0.0.seq_no.global_checkpoint").Int())
		c.bulk(put("a", "", `{}`), put("b", "", `{}`))
		require.Equal(c.t, int64(1), stats().Get("*.shards.0.0.seq_no.global_checkpoint").Int())
		uuid := stats().Get("*.uuid").String()
		require.NotEmpty(c.t, uuid)
		c.must(http.MethodDelete, "/INDEX", "")
		c.must(http.MethodPut, "/INDEX", `{"settings":{"number_of_replicas":0},"aliases":{"WRITE":{}}}`)
		require.NotEqual(c.t, uuid, stats().Get("*.uuid").String())
	},
	"fields are added to a mapping": func(c *contract) {
		change := `{"properties":{"cdc":{"dynamic":"strict","properties":{"deleted":{"type":"boolean"},"added":{"properties":{"n":{"type":"long","index":false}}}}}}}`
		document := put("a", "", `{"cdc":{"deleted":false,"added":{"n":1}}}`)
		c.must(http.MethodPut, "/OTHER", `{"settings":{"number_of_replicas":0},"mappings":{"dynamic":false,"properties":{"cdc":{"dynamic":"strict","properties":{"deleted":{"type":"boolean"}}}}}}`)
		refused := c.must(http.MethodPost, "/OTHER/_bulk", document+"\n")
		require.Len(c.t, outcomes(refused), 1)
		require.Contains(c.t, outcomes(refused)[0], "400 strict_dynamic_mapping_exception")
		for range 2 {
			c.must(http.MethodPut, "/OTHER/_mapping", change)
			require.Len(c.t, outcomes(c.must(http.MethodPost, "/OTHER/_bulk", document+"\n")), 1)
		}
		require.Equal(c.t, []string{"200"}, outcomes(c.must(http.MethodPost, "/OTHER/_bulk", document+"\n")))
	},
	"sums": func(c *contract) {
		for n, id := range []string{"a", "b", "c", "d"} {
			c.bulk(put(id, "", fmt.Sprintf(`{"key":%q,"long":%d}`, id, 4_294_967_295-n)))
		}
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		sums := func(query string) string {
			answer := c.must(http.MethodPost, "/INDEX/_search", `{"size":0,"track_total_hits":false,"query":`+query+`,"aggs":{
				"before":{"filter":{"range":{"_seq_no":{"lte":1}}},"aggs":{"sum":{"sum":{"field":"long"}}}},"later":{"filter":{"range":{"_seq_no":{"gt":1}}}}}}`).Get("aggregations")
			return fmt.Sprint(answer.Get("before.doc_count"), answer.Get("before.sum.value").Int(), answer.Get("later.doc_count"))
		}
		require.Equal(c.t, "2 8589934589 2", sums(`{"match_all":{}}`))
		require.Equal(c.t, "1 4294967294 2", sums(`{"range":{"key":{"gte":"b"}}}`))
		require.Equal(c.t, "0 0 0", sums(`{"range":{"key":{"gt":"d"}}}`))
	},
	"ranges": func(c *contract) {
		for n, id := range []string{"a", "b", "c", "d"} {
			c.bulk(put(id, "", fmt.Sprintf(`{"key":%q,"long":%d,"cdc":{"deleted":false}}`, id, n*10)))
		}
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		for query, want := range map[string]string{
			`{"range":{"key":{"gte":"b","lt":"d"}}}`:                                                         `["b","c"]`,
			`{"range":{"key":{"lt":"b"}}}`:                                                                   `["a"]`,
			`{"range":{"key":{"gt":"b","lte":"d"}}}`:                                                         `["c","d"]`,
			`{"range":{"long":{"gte":10,"lt":"30"}}}`:                                                        `["b","c"]`,
			`{"bool":{"must_not":[{"range":{"key":{"gte":"c"}}}]}}`:                                          `["a","b"]`,
			`{"bool":{"filter":[{"range":{"key":{"gte":"b"}}}],"must_not":[{"range":{"key":{"gte":"d"}}}]}}`: `["b","c"]`,
			`{"bool":{"filter":[]}}`:                                                                         `["a","b","c","d"]`,
		} {
			require.Equal(c.t, want, c.search(`{"sort":[{"key":"asc"}],"query":`+query+`}`).Get("hits.#._id").Raw, query)
		}
	},
	"a conditional delete names its index": func(c *contract) {
		c.bulk(put("a", external(5), `{}`), put("b", external(5), `{}`))
		stored := c.get("a")
		condition := `,"_index":"INDEX"` + ifSeqNo(stored.Get("_seq_no").Int(), stored.Get("_primary_term").Int())
		c.bulk(put("b", external(6), `{}`))
		answer := c.must(http.MethodPost, "/_bulk", `{"delete":{"_id":"a"`+condition+"}}\n"+`{"delete":{"_id":"b"`+condition+"}}\n"+`{"delete":{"_id":"a"`+condition+"}}\n")
		require.Equal(c.t, []string{"200", versionConflict, versionConflict}, outcomes(answer))
		require.False(c.t, c.get("a").Get("found").Bool())
	},
	"ranges of dates": func(c *contract) {
		c.bulk(
			put("a", "", `{"key":"a","date":"2026-01-02T03:04:05Z","cdc":{"deleted":false}}`),
			put("b", "", `{"key":"b","date":"2026-01-02T03:04:05.1Z","cdc":{"deleted":false}}`),
			put("c", "", `{"key":"c","date":"2026-01-02T03:04:06Z","cdc":{"deleted":false}}`),
		)
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		require.Equal(c.t, `["a","b"]`, c.search(`{"sort":[{"key":"asc"}],"query":{"range":{"date":{"lt":"2026-01-02T03:04:05.5Z"}}}}`).Get("hits.#._id").Raw)
	},
	"a point in time of the read alias hides tombstones": func(c *contract) {
		c.bulk(put("alive", "", `{"cdc":{"deleted":false}}`), put("dead", "", `{"cdc":{"deleted":true}}`))
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		pit := c.must(http.MethodPost, "/READ/_pit?keep_alive=1m", "").Get("id").String()
		page := c.must(http.MethodPost, "/_search", `{"size":5,"sort":[{"_shard_doc":"asc"}],"pit":{"id":"`+pit+`","keep_alive":"1m"}}`)
		require.Equal(c.t, `["alive"]`, page.Get("hits.hits.#._id").Raw)
		c.must(http.MethodDelete, "/_pit", `{"id":"`+page.Get("pit_id").String()+`"}`)
	},
	"a point in time stays as it was": func(c *contract) {
		for _, id := range []string{"d", "a", "c", "b", "e"} {
			c.bulk(put(id, external(7), `{"key":"`+id+`","long":1,"cdc":{"deleted":false}}`))
		}
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		pit := c.must(http.MethodPost, "/INDEX/_pit?keep_alive=1m", "").Get("id").String()
		c.must(http.MethodPost, "/INDEX/_bulk?refresh=true", put("f", "", `{"key":"f"}`)+"\n"+put("a", "", `{"key":"changed"}`)+"\n")
		var found []string
		after := ""
		for {
			page := c.must(http.MethodPost, "/_search", `{"size":2,"version":true,"sort":[{"_shard_doc":"asc"}],"pit":{"id":"`+pit+`","keep_alive":"1m"}`+after+`}`)
			hits := page.Get("hits.hits").Array()
			if len(hits) == 0 {
				break
			}
			pit = page.Get("pit_id").String()
			for _, hit := range hits {
				require.Equal(c.t, int64(7), hit.Get("_version").Int())
				found = append(found, hit.Get("_source.key").String())
			}
			after = `,"search_after":` + hits[len(hits)-1].Get("sort").Raw
		}
		require.ElementsMatch(c.t, strings.Split("abcde", ""), found)
		_, closed, _ := c.do(c.t.Context(), http.MethodDelete, "/_pit", `{"id":"`+pit+`"}`)
		require.True(c.t, closed.Get("succeeded").Bool())
		status, answer, _ := c.do(c.t.Context(), http.MethodPost, "/_search", `{"pit":{"id":"`+pit+`"}}`)
		require.Equal(c.t, http.StatusNotFound, status, answer.Raw)
	},
}
