package elastic_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"ticketing/internal/testenv"
)

const (
	versionConflict = "409 version_conflict_engine_exception"
	badDocument     = "400 document_parsing_exception"
	unknownField    = "400 strict_dynamic_mapping_exception"
)

var behaviours = map[string]func(*contract){
	"external versions: the higher wins": func(c *contract) {
		require.Equal(c.t, []string{"201", versionConflict, versionConflict, "200", "201", "201"}, c.bulk(
			put("a", external(5), `{"key":"5"}`),
			put("a", external(5), `{"key":"equal"}`),
			put("a", external(4), `{"key":"lower"}`),
			put("a", external(6), `{"key":"6"}`),
			put("zero", external(0), `{"key":"0"}`),
			put("max", external(1<<63-1), `{"key":"max"}`),
		))
		require.Equal(c.t, "6", c.key())
		require.Equal(c.t, int64(6), c.get("a").Get("_version").Int())
		require.Equal(c.t, []string{versionConflict}, c.bulk(put("zero", external(0), `{"key":"again"}`)))
	},
	"external_gte: an equal version wins too": func(c *contract) {
		require.Equal(c.t, []string{"201", "200", versionConflict}, c.bulk(
			put("a", externalGTE(5), `{"key":"5"}`),
			put("a", externalGTE(5), `{"key":"equal"}`),
			put("a", externalGTE(4), `{"key":"lower"}`),
		))
		require.Equal(c.t, "equal", c.key())
		require.Equal(c.t, int64(5), c.get("a").Get("_version").Int())
	},
	"a conditional write adds 1 to the version": func(c *contract) {
		c.bulk(put("a", external(100), `{"key":"first"}`))
		stored := c.get("a")
		condition := ifSeqNo(stored.Get("_seq_no").Int(), stored.Get("_primary_term").Int())
		require.Equal(c.t, []string{"200", versionConflict, versionConflict, "200"}, c.bulk(
			put("a", condition, `{"key":"second"}`),
			put("a", condition, `{"key":"the document is another one by now"}`),
			put("a", external(101), `{"key":"no higher"}`),
			put("a", external(102), `{"key":"third"}`),
		))
		require.Equal(c.t, "third", c.key())
	},
	"a conditional write needs the document": func(c *contract) {
		c.bulk(put("a", external(1), `{}`))
		stored := c.get("a")
		seqNo, term := stored.Get("_seq_no").Int(), stored.Get("_primary_term").Int()
		require.Equal(c.t, []string{versionConflict, versionConflict, "200", versionConflict}, c.bulk(
			put("absent", ifSeqNo(seqNo, term), `{}`),
			put("a", ifSeqNo(seqNo, term+1), `{}`),
			`{"delete":{"_id":"a"}}`,
			put("a", ifSeqNo(seqNo, term), `{}`),
		))
	},
	"only what is written takes a sequence number": func(c *contract) {
		c.bulk(put("a", external(1), `{}`))
		before := c.get("a").Get("_seq_no").Int()
		c.bulk(put("a", external(1), `{}`), put("a", "", `{"date":"never"}`), put("b", external(1), `{}`))
		require.Equal(c.t, before+1, c.get("b").Get("_seq_no").Int())
	},
	"the version of a deleted document is forgotten": func(c *contract) {
		require.Equal(c.t, []string{"201", "200", versionConflict}, c.bulk(
			put("a", external(5), `{}`),
			`{"delete":{"_id":"a","version":7,"version_type":"external"}}`,
			put("a", external(6), `{}`),
		))
		require.False(c.t, c.get("a").Get("found").Bool())
		testenv.Eventually(c.t, 30*time.Second, func(context.Context) error {
			c.forgetDeletes()
			if got := c.bulk(put("a", external(1), `{"key":"resurrected"}`))[0]; got != "201" {
				return fmt.Errorf("status %s", got)
			}
			return nil
		})
		require.Equal(c.t, "resurrected", c.key())
	},
	"deletes": func(c *contract) {
		answer := c.must(http.MethodPost, "/WRITE/_bulk", `{"delete":{"_id":"absent"}}`+"\n")
		require.Equal(c.t, "not_found", answer.Get("items.0.delete.result").String())
		require.Equal(c.t, int64(http.StatusNotFound), answer.Get("items.0.delete.status").Int())
		require.False(c.t, answer.Get("errors").Bool())
		require.Equal(c.t, []string{"201", versionConflict, "200", versionConflict, "201", "200"}, c.bulk(
			put("a", external(5), `{}`),
			`{"delete":{"_id":"a","version":5,"version_type":"external"}}`,
			`{"delete":{"_id":"a","version":6,"version_type":"external"}}`,
			put("a", external(6), `{}`),
			put("a", external(7), `{}`),
			`{"delete":{"_id":"a","version":7,"version_type":"external_gte"}}`,
		))
		require.False(c.t, c.get("a").Get("found").Bool())
	},
	"the answer names each item in its place": func(c *contract) {
		answer := c.must(http.MethodPost, "/WRITE/_bulk", strings.Join([]string{
			put("a", external(3), `{}`), put("b", "", `{"int":"x"}`), put("a", external(3), `{}`),
		}, "\n")+"\n")
		require.True(c.t, answer.Get("errors").Bool())
		require.Equal(c.t, `["a","b","a"]`, answer.Get("items.#.index._id").Raw)
		created := answer.Get("items.0.index")
		require.Equal(c.t, "created", created.Get("result").String())
		require.Equal(c.t, int64(3), created.Get("_version").Int())
		require.True(c.t, created.Get("_seq_no").Exists())
		require.Equal(c.t, int64(1), created.Get("_primary_term").Int())
		require.NotEmpty(c.t, answer.Get("items.1.index.error.reason").String())
		require.False(c.t, c.must(http.MethodPost, "/WRITE/_bulk", put("c", "", `{}`)+"\n").Get("errors").Bool())
	},
	"filter_path leaves out the rest": func(c *contract) {
		answer := c.must(http.MethodPost, "/WRITE/_bulk?filter_path=items.*.status,items.*.error.type", put("a", external(1), `{}`)+"\n"+put("a", external(1), `{}`)+"\n")
		require.JSONEq(c.t, `{"items":[{"index":{"status":201}},{"index":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}]}`, answer.Raw)
	},
	"a request with one bad condition is refused as a whole": func(c *contract) {
		const invalid = "action_request_validation_exception"
		for _, bad := range []string{
			put("b", external(1)+ifSeqNo(0, 1), `{}`),
			put("b", external(-1), `{}`),
			put("b", `,"version":1`, `{}`),
			put("b", `,"if_seq_no":1`, `{}`),
			put(strings.Repeat("é", 256)+"x", "", `{}`), // 513 bytes
		} {
			c.refused(http.StatusBadRequest, invalid, http.MethodPost, "/WRITE/_bulk", put("a", "", `{}`)+"\n"+bad+"\n")
		}
		c.refused(http.StatusBadRequest, "illegal_argument_exception", http.MethodPost, "/WRITE/_bulk", put("a", `,"version":1,"version_type":"no such"`, `{}`)+"\n")
		c.refused(http.StatusBadRequest, "illegal_argument_exception", http.MethodPost, "/WRITE/_bulk", put("a", "", `{}`)) // no line end
		c.refused(http.StatusBadRequest, "parse_exception", http.MethodPost, "/WRITE/_bulk", "")
		require.False(c.t, c.get("a").Get("found").Bool())
		require.Equal(c.t, []string{"201", "400 illegal_argument_exception"}, c.bulk(put(strings.Repeat("x", 512), "", `{}`), put("", "", `{}`)))
	},
	"require_alias: nothing is created without the alias": func(c *contract) {
		const missing = "404 index_not_found_exception"
		document := put("a", "", `{}`) + "\n"
		require.Equal(c.t, []string{missing}, outcomes(c.must(http.MethodPost, "/OTHER/_bulk?require_alias=true", document)))
		require.Equal(c.t, []string{missing}, outcomes(c.must(http.MethodPost, "/INDEX/_bulk?require_alias=true", document)))
		require.Equal(c.t, http.StatusNotFound, c.head("/OTHER"))
		require.Equal(c.t, []string{"201"}, outcomes(c.must(http.MethodPost, "/INDEX/_bulk", document)))
	},
	"an alias of two indices needs one to write to": func(c *contract) {
		c.must(http.MethodPut, "/OTHER", `{"settings":{"number_of_replicas":0}}`)
		c.must(http.MethodPost, "/_aliases", `{"actions":[{"add":{"index":"OTHER","alias":"WRITE"}}]}`)
		require.Equal(c.t, []string{"201"}, c.bulk(put("a", "", `{}`)))
		c.must(http.MethodPost, "/_aliases", `{"actions":[{"add":{"index":"INDEX","alias":"WRITE","is_write_index":false}}]}`)
		require.Equal(c.t, []string{"400 illegal_argument_exception"}, c.bulk(put("a", "", `{}`)))
		require.Equal(c.t, "illegal_argument_exception", c.get("a").Get("error.type").String())
	},
	"a write block refuses documents and not reads": func(c *contract) {
		c.bulk(put("a", external(1), `{"key":"before"}`))
		answer := c.must(http.MethodPut, "/INDEX/_block/write", "")
		require.True(c.t, answer.Get("acknowledged").Bool())
		require.True(c.t, answer.Get("shards_acknowledged").Bool())
		require.True(c.t, answer.Get("indices.0.blocked").Bool())
		require.Equal(c.t, []string{"403 cluster_block_exception", "403 cluster_block_exception"}, c.bulk(
			put("a", external(2), `{"key":"blocked"}`), `{"delete":{"_id":"a"}}`,
		))
		require.Equal(c.t, "before", c.key())
		c.must(http.MethodPut, "/INDEX/_settings", `{"index.blocks.write":null}`)
		require.Equal(c.t, []string{"200"}, c.bulk(put("a", external(2), `{"key":"after"}`)))
	},
	"reads by _id are current, searches as of the last refresh": func(c *contract) {
		c.bulk(put("a", "", `{"key":"1","cdc":{"deleted":false}}`))
		require.Equal(c.t, "1", c.key())
		require.Zero(c.t, c.count("READ"))
		c.must(http.MethodPost, "/WRITE/_refresh", "")
		require.Equal(c.t, 1, c.count("READ"))
		c.bulk(put("a", "", `{"key":"2","cdc":{"deleted":false}}`))
		require.Equal(c.t, "2", c.key())
		require.Equal(c.t, `["1"]`, c.search(`{}`).Get("hits.#._source.key").Raw)
		c.must(http.MethodPost, "/WRITE/_bulk?refresh=true", put("b", "", `{"cdc":{"deleted":false}}`)+"\n")
		require.Equal(c.t, 2, c.count("READ"))
	},
	"the read alias hides tombstones": func(c *contract) {
		c.bulk(
			put("alive", "", `{"key":"alive","cdc":{"deleted":false}}`),
			put("dead", "", `{"key":"dead","cdc":{"deleted":true}}`),
			put("foreign", "", `{"key":"foreign"}`),
		)
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		require.Equal(c.t, 1, c.count("READ"))
		require.Equal(c.t, 3, c.count("WRITE"))
		require.Equal(c.t, 3, c.count("INDEX"))
		require.Equal(c.t, `["alive"]`, c.search(`{"query":{"match_all":{}}}`).Get("hits.#._id").Raw)
		require.Equal(c.t, int64(0), c.search(`{"query":{"term":{"key":"dead"}}}`).Get("total.value").Int())
	},
	"pages by search_after": func(c *contract) {
		for _, id := range []string{"d", "a", "c", "b", "e"} {
			c.bulk(put(id, external(7), `{"key":"`+id+`","long":1,"cdc":{"deleted":false}}`))
		}
		c.must(http.MethodPost, "/INDEX/_refresh", "")
		page := `{"size":2,"version":true,"seq_no_primary_term":true,"sort":[{"long":"asc"},{"key":"asc"}]%s}`
		first := c.search(fmt.Sprintf(page, ""))
		require.Equal(c.t, `["a","b"]`, first.Get("hits.#._id").Raw)
		require.Equal(c.t, int64(5), first.Get("total.value").Int())
		require.Equal(c.t, int64(7), first.Get("hits.0._version").Int())
		require.True(c.t, first.Get("hits.0._seq_no").Exists())
		require.Equal(c.t, `[1,"b"]`, first.Get("hits.1.sort").Raw)
		second := c.search(fmt.Sprintf(page, `,"search_after":[1,"b"]`))
		require.Equal(c.t, `["c","d"]`, second.Get("hits.#._id").Raw)
		require.Equal(c.t, `["c","d"]`, c.search(`{"from":2,"size":2,"sort":[{"key":"asc"}]}`).Get("hits.#._id").Raw)
	},
	"values that do not fit the mapping are refused": func(c *contract) {
		good := []string{
			`{"date":"2026-01-02T03:04:05.678Z"}`, `{"date":"2026-01-02T03:04:05.123456+02:00"}`, `{"date":"2026-01-02"}`, `{"date":1767323045000}`,
			`{"long":9007199254740993,"int":"12","double":"1e3"}`, `{"int":1.9}`, `{"int":[1,2]}`, `{"date":null,"long":null,"cdc":null}`,
			`{"loose":{"bool":"true","unknown":{"any":"thing"}}}`, `{"key":5,"text":true}`, `{"cdc":{"deleted":false}}`,
		}
		bad := []string{
			`{"date":"tomorrow"}`, `{"date":true}`, `{"long":"x"}`, `{"long":true}`, `{"int":2147483648}`, `{"double":"NaN"}`, `{"double":{}}`,
			`{"key":{"a":1}}`, `{"cdc":5}`, `{"loose":{"bool":"yes"}}`, `{"long":[1,"x"]}`, `{"key":`, `[]`, `not json`,
		}
		for _, document := range good {
			require.Contains(c.t, []string{"200", "201"}, c.bulk(put("a", "", document))[0], document)
		}
		for _, document := range bad {
			require.Equal(c.t, []string{"201", badDocument, "200"}, c.bulk(put(document, "", `{}`), put("b", "", document), put(document, "", `{}`)), document)
		}
		require.Equal(c.t, []string{unknownField, unknownField}, c.bulk(put("b", "", `{"unknown":1}`), put("b", "", `{"cdc":{"unknown":1}}`)))
		require.False(c.t, c.get("b").Get("found").Bool())
	},
	"numbers keep their digits": func(c *contract) {
		c.bulk(put("a", "", `{"long":9007199254740993,"key":123456789012345678901234567890.12}`))
		require.Equal(c.t, `{"long":9007199254740993,"key":123456789012345678901234567890.12}`, c.get("a").Get("_source").Raw)
	},
	"mget": func(c *contract) {
		c.bulk(put("a", external(4), `{"key":"x","cdc":{"version":4,"lsn":3}}`), put("b", external(1), `{"key":"y"}`))
		docs := c.must(http.MethodPost, "/WRITE/_mget?_source_includes=cdc.version,cdc.lsn", `{"ids":["b","none","a","b"]}`).Get("docs")
		require.Equal(c.t, `["b","none","a","b"]`, docs.Get("#._id").Raw)
		require.Equal(c.t, `[true,false,true,true]`, docs.Get("#.found").Raw)
		require.JSONEq(c.t, `{"cdc":{"version":4,"lsn":3}}`, docs.Get("2._source").Raw)
		require.Equal(c.t, `{}`, docs.Get("0._source").Raw)
		require.Equal(c.t, int64(4), docs.Get("2._version").Int())
		require.Equal(c.t, int64(1), docs.Get("2._primary_term").Int())
		missing := c.must(http.MethodPost, "/OTHER/_mget", `{"ids":["a"]}`)
		require.Equal(c.t, "index_not_found_exception", missing.Get("docs.0.error.type").String())
		c.refused(http.StatusBadRequest, "action_request_validation_exception", http.MethodPost, "/WRITE/_mget", `{"ids":[]}`)
	},
	"creating an index": func(c *contract) {
		require.Equal(c.t, http.StatusOK, c.head("/INDEX"))
		require.Equal(c.t, http.StatusOK, c.head("/READ"))
		require.Equal(c.t, http.StatusNotFound, c.head("/OTHER"))
		c.refused(http.StatusBadRequest, "resource_already_exists_exception", http.MethodPut, "/INDEX", `{}`)
		c.refused(http.StatusBadRequest, "invalid_index_name_exception", http.MethodPut, "/READ", `{}`)
		c.refused(http.StatusNotFound, "index_not_found_exception", http.MethodPost, "/OTHER/_refresh", "")
		c.refused(http.StatusNotFound, "index_not_found_exception", http.MethodPost, "/OTHER/_search", "{}")
		c.refused(http.StatusNotFound, "index_not_found_exception", http.MethodPut, "/OTHER/_block/write", "")
		c.must(http.MethodDelete, "/INDEX", "")
		c.refused(http.StatusNotFound, "index_not_found_exception", http.MethodDelete, "/INDEX", "")
	},
	"looking up aliases": func(c *contract) {
		require.JSONEq(c.t, c.names.Replace(`{"INDEX":{"aliases":{"WRITE":{"is_write_index":true}}}}`), c.must(http.MethodGet, "/_alias/WRITE", "").Raw)
		require.JSONEq(c.t, c.names.Replace(`{"INDEX":{"aliases":{"READ":{"filter":{"term":{"cdc.deleted":false}}}}}}`), c.must(http.MethodGet, "/_alias/READ", "").Raw)
		status, _, header := c.do(c.t.Context(), http.MethodGet, "/_alias/OTHER", "")
		require.Equal(c.t, http.StatusNotFound, status)
		require.Equal(c.t, "Elasticsearch", header.Get("X-Elastic-Product"))
	},
	"swapping aliases": func(c *contract) {
		c.must(http.MethodPut, "/OTHER", `{"settings":{"number_of_replicas":0}}`)
		const add, remove = `{"add":{"index":"OTHER","alias":"WRITE","is_write_index":true}}`, `{"remove":{"index":"INDEX","alias":"WRITE"}}`
		c.refused(http.StatusInternalServerError, "illegal_state_exception", http.MethodPost, "/_aliases", `{"actions":[`+add+`]}`)
		c.refused(http.StatusNotFound, "aliases_not_found_exception", http.MethodPost, "/_aliases", `{"actions":[{"remove":{"index":"OTHER","alias":"WRITE"}}]}`)
		c.refused(http.StatusNotFound, "index_not_found_exception", http.MethodPost, "/_aliases", `{"actions":[`+remove+`,{"add":{"index":"none","alias":"WRITE"}}]}`)
		require.Equal(c.t, []string{"201"}, c.bulk(put("a", "", `{"key":"old"}`)))
		require.True(c.t, c.must(http.MethodPost, "/_aliases", `{"actions":[`+add+`,`+remove+`]}`).Get("acknowledged").Bool())
		require.False(c.t, c.get("a").Get("found").Bool())
		require.Equal(c.t, []string{"201"}, c.bulk(put("a", "", `{"key":"new"}`)))
		require.JSONEq(c.t, c.names.Replace(`{"OTHER":{"aliases":{"WRITE":{"is_write_index":true}}}}`), c.must(http.MethodGet, "/_alias/WRITE", "").Raw)
	},
}

func (c *contract) head(path string) int {
	c.t.Helper()
	status, _, _ := c.do(c.t.Context(), http.MethodHead, path, "")
	return status
}

func (c *contract) count(target string) int {
	c.t.Helper()
	return int(c.must(http.MethodPost, "/"+target+"/_count", "").Get("count").Int())
}

func (c *contract) search(body string) gjson.Result {
	c.t.Helper()
	return c.must(http.MethodPost, "/READ/_search", body).Get("hits")
}
