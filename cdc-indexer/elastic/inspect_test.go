package elastic_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/health"
	"ticketing/internal/testenv"
)

func (x *index) inspect() health.Index {
	x.t.Helper()
	answer, err := elastic.Inspect(x.ctx(), x.client, x.names)
	require.NoError(x.t, err)
	return answer
}

// findings returns what is said of the index: states and texts.
func (x *index) findings() (found []string) {
	x.t.Helper()
	answer := x.inspect()
	report := health.Judge(health.Facts{At: time.Now(), Index: &answer},
		health.About{ReadAlias: x.names.ReadAlias, WriteAlias: x.names.WriteAlias}, health.Limits{ClockSkew: time.Minute})
	for _, f := range report.Findings {
		if f.Part == health.PartIndex {
			found = append(found, string(f.State)+" "+f.Summary)
		}
	}
	return found
}

// must sends a request that is to succeed.
func (x *index) must(method, path, body string) {
	x.t.Helper()
	status, answer := x.request(x.ctx(), method, path, body)
	require.Equal(x.t, http.StatusOK, status, answer)
}

// second creates another index of the same prefix.
func (x *index) second() string {
	x.t.Helper()
	name := x.names.Prefix + "-000002"
	x.must(http.MethodPut, "/"+name, `{"settings":{"number_of_replicas":0}}`)
	x.t.Cleanup(func() { x.request(context.Background(), http.MethodDelete, "/"+name, "") })
	return name
}

func (x *index) aliases(actions string, args ...any) {
	x.t.Helper()
	x.must(http.MethodPost, "/_aliases", fmt.Sprintf(`{"actions":[`+actions+`]}`, args...))
}

func TestInspectWhatEnsureMakes(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	answer := x.inspect()
	first := x.names.First()
	require.Equal(t, []health.AliasTarget{{Index: first, Written: true, HidesTombstones: true}}, answer.ReadAlias)
	require.Equal(t, []health.AliasTarget{{Index: first, Written: true}}, answer.WriteAlias)
	require.Equal(t, []health.IndexState{{Name: first, Health: "green"}}, answer.Indices)
	require.Equal(t, []string{"cdc", "price", "title"}, answer.Mapped)
	require.Zero(t, answer.CommittedAt)
	require.Less(t, answer.Skew.Abs(), time.Second)
	require.Less(t, answer.Uncertainty, time.Second)

	// A tombstone is news too.
	newest := remove("b", 20, 20)
	newest.CommittedAt = time.Date(2026, 5, 6, 7, 8, 9, 123_000_000, time.UTC)
	x.apply(upsert("a", 10, 8, "a"), newest)
	x.visible() // refreshes
	answer = x.inspect()
	require.Equal(t, newest.CommittedAt, answer.CommittedAt)
	require.WithinDuration(t, time.Now(), answer.IndexedAt, time.Minute)
}

func TestInspectNothing(t *testing.T) {
	t.Parallel()
	x := newIndex(t)
	answer := x.inspect()
	require.Empty(t, answer.ReadAlias)
	require.Empty(t, answer.WriteAlias)
	require.Empty(t, answer.Indices)
	require.Nil(t, answer.Mapped)
	require.Len(t, x.findings(), 2)
}

func TestInspectFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(x *index, first, second string)
		want  []string // with FIRST, SECOND, READ and WRITE for the names
	}{
		"a second index": {
			func(*index, string, string) {},
			[]string{"ok FIRST green behind READ and WRITE; beside it SECOND, kept from before or an unfinished build"},
		},
		"write block": {
			func(x *index, first, _ string) { x.must(http.MethodPut, "/"+first+"/_block/write", "") },
			[]string{"failed index FIRST does not take writes: index.blocks.write"},
		},
		"full disk": {
			func(x *index, first, _ string) {
				x.must(http.MethodPut, "/"+first+"/_settings", `{"index.blocks.read_only_allow_delete":true}`)
				x.t.Cleanup(func() {
					x.request(context.Background(), http.MethodPut, "/"+first+"/_settings", `{"index.blocks.read_only_allow_delete":null}`)
				})
			},
			[]string{"failed index FIRST does not take writes: index.blocks.read_only_allow_delete"},
		},
		"no write index": {
			func(x *index, first, second string) {
				x.aliases(`{"add":{"index":%q,"alias":%[3]q,"is_write_index":false}},{"add":{"index":%[2]q,"alias":%[3]q}}`, first, second, x.names.WriteAlias)
			},
			[]string{"failed write alias WRITE leads to FIRST, SECOND and none of them is its write index"},
		},
		"a second write index": { // the server itself refuses two with the flag
			func(x *index, _, second string) {
				x.aliases(`{"add":{"index":%q,"alias":%q,"is_write_index":false}}`, second, x.names.WriteAlias)
			},
			[]string{"warning write alias WRITE leads to FIRST, SECOND; FIRST is written"},
		},
		"no write alias": {
			func(x *index, first, _ string) {
				x.aliases(`{"remove":{"index":%q,"alias":%q}}`, first, x.names.WriteAlias)
			},
			[]string{"failed there is no write alias WRITE"},
		},
		"no read alias": {
			func(x *index, first, _ string) {
				x.aliases(`{"remove":{"index":%q,"alias":%q}}`, first, x.names.ReadAlias)
			},
			[]string{"failed there is no read alias READ: searches fail"},
		},
		"no filter": {
			func(x *index, first, _ string) {
				x.aliases(`{"remove":{"index":%q,"alias":%[2]q}},{"add":{"index":%[1]q,"alias":%[2]q}}`, first, x.names.ReadAlias)
			},
			[]string{"warning read alias READ on FIRST does not hide tombstones: searches find deleted rows"},
		},
		"the wrong filter": {
			func(x *index, first, _ string) {
				x.aliases(`{"add":{"index":%q,"alias":%q,"filter":{"term":{"cdc.deleted":true}}}}`, first, x.names.ReadAlias)
			},
			[]string{"warning read alias READ on FIRST does not hide tombstones: searches find deleted rows"},
		},
		"the filter with another, and in its long form": {
			func(x *index, first, _ string) {
				x.aliases(`{"add":{"index":%q,"alias":%q,"filter":{"bool":{"filter":[{"term":{"price":1}},{"term":{"cdc.deleted":{"value":false}}}]}}}}`, first, x.names.ReadAlias)
			},
			[]string{"ok FIRST green behind READ and WRITE; beside it SECOND, kept from before or an unfinished build"},
		},
		"aliases apart": {
			func(x *index, first, second string) {
				x.aliases(`{"remove":{"index":%q,"alias":%[3]q}},{"add":{"index":%[2]q,"alias":%[3]q,"filter":{"term":{"cdc.deleted":false}}}}`, first, second, x.names.ReadAlias)
			},
			[]string{"failed read alias READ leads to SECOND, but FIRST is written: searches see no change"},
		},
		"read alias on both": {
			func(x *index, _, second string) {
				x.aliases(`{"add":{"index":%q,"alias":%q,"filter":{"term":{"cdc.deleted":false}}}}`, second, x.names.ReadAlias)
			},
			[]string{"warning read alias READ leads to several indices, FIRST, SECOND: searches find rows twice"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newIndex(t).create()
			second := x.second()
			test.spoil(x, x.names.First(), second)
			want := make([]string, len(test.want))
			for n, text := range test.want {
				want[n] = x.named(text)
			}
			require.Equal(t, want, x.findings())
		})
	}
}

// An index that cannot be where it is told to be has no shard, and is red. It can be looked at all the same.
func TestInspectRedIndex(t *testing.T) {
	t.Parallel()
	x := newIndex(t)
	x.must(http.MethodPut, "/"+x.names.First()+"?wait_for_active_shards=0&timeout=1s", fmt.Sprintf(`{
		"settings": {"number_of_replicas": 0, "index.routing.allocation.require._name": "nobody"},
		"mappings": {"properties": {"title": {"type": "text"}}},
		"aliases": {%q: {"filter": {"term": {"cdc.deleted": false}}}, %q: {"is_write_index": true}}}`, x.names.ReadAlias, x.names.WriteAlias))
	require.Equal(t, []string{x.named("failed index FIRST is red: a primary shard is missing")}, x.findings())
	require.Equal(t, []string{"title"}, x.inspect().Mapped)
}

func TestInspectFailsWithoutAServer(t *testing.T) {
	t.Parallel()
	client, err := elastic.NewClient(elastic.Config{URL: fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))})
	require.NoError(t, err)
	_, err = elastic.Inspect(testenv.Context(t, time.Minute), client, elastic.Names{Prefix: "x", ReadAlias: "x", WriteAlias: "y"})
	require.ErrorContains(t, err, "connection refused")
}

// named puts the test's own names into a text.
func (x *index) named(text string) string {
	return strings.NewReplacer("FIRST", x.names.First(), "SECOND", x.names.Prefix+"-000002",
		"READ", x.names.ReadAlias, "WRITE", x.names.WriteAlias).Replace(text)
}

// ahead is a server whose clock is an hour ahead: the real one, with its time changed on the way.
type ahead struct{ http.RoundTripper }

func (a ahead) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := a.RoundTripper.RoundTrip(request)
	if err != nil || !strings.HasPrefix(request.URL.Path, "/_nodes/") {
		return response, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	changed := regexp.MustCompile(`"timestamp":\d+`).ReplaceAllString(string(body), fmt.Sprintf(`"timestamp":%d`, time.Now().Add(time.Hour).UnixMilli()))
	response.Body = io.NopCloser(strings.NewReader(changed))
	return response, nil
}

func TestInspectClockSkew(t *testing.T) {
	t.Parallel()
	x := newIndex(t).create()
	network := &http.Transport{}
	t.Cleanup(network.CloseIdleConnections)
	client, err := elastic.NewClient(elastic.Config{URL: testenv.Address(t, testenv.ElasticsearchURL), Transport: ahead{network}})
	require.NoError(t, err)
	x.client = client
	require.InDelta(t, 3600, x.inspect().Skew.Seconds(), 10)
}
