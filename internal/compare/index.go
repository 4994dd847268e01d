package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"

	"ticketing/internal/exactjson"
)

const (
	requestTimeout = time.Minute
	keepAlive      = "5m" // of the point in time, from one page to the next

	// Pages grow and shrink with the size of the documents, so that no answer takes much memory.
	firstPage  = 100
	maxPage    = 1000
	smallBytes = 1 << 20
	largeBytes = 8 << 20
)

// searchClient talks to Elasticsearch.
type searchClient struct {
	*elastictransport.Client
	network *http.Transport
}

func newSearchClient(address string) (*searchClient, error) {
	server, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch url: %w", err)
	}
	network := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	client, err := elastictransport.NewClient(elastictransport.WithURLs(server), elastictransport.WithTransport(network))
	if err != nil {
		return nil, fmt.Errorf("elasticsearch url: %w", err)
	}
	return &searchClient{Client: client, network: network}, nil
}

func (c *searchClient) close() { c.network.CloseIdleConnections() }

// do returns the body of a successful answer.
func (c *searchClient) do(ctx context.Context, request esapi.Request) (gjson.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := request.Do(ctx, c)
	if err != nil {
		return gjson.Result{}, fmt.Errorf("reach elasticsearch: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	if _, err := io.Copy(&body, response.Body); err != nil {
		return gjson.Result{}, fmt.Errorf("read elasticsearch's answer: %w", err)
	}
	answer := gjson.ParseBytes(body.Bytes())
	switch {
	case response.StatusCode > 299:
		return gjson.Result{}, fmt.Errorf("elasticsearch answered %d %s", response.StatusCode, reason(answer))
	case body.Len() > 0 && !gjson.ValidBytes(body.Bytes()):
		return gjson.Result{}, errors.New("elasticsearch's answer is no JSON")
	}
	return answer, nil
}

// reason is the most specific of the reasons that an error has.
func reason(answer gjson.Result) string {
	if cause := answer.Get("error.root_cause.0"); cause.Exists() {
		answer = cause
	} else {
		answer = answer.Get("error")
	}
	return answer.Get("type").String() + ": " + answer.Get("reason").String()
}

// index streams the documents behind an alias in the order of the key, from one point in time.
type index struct {
	client *searchClient
	key    []keyColumn
	pit    string

	page     []gjson.Result
	pageSize int
	after    string // the sort values of the page's last document, as JSON
	last     key
	end      bool
}

// document is a document as it was indexed.
type document struct {
	id     string
	key    key // nil when the document has none
	source gjson.Result
}

func (d *document) name() string {
	if d.key == nil {
		return d.id
	}
	return d.key.String()
}

// hasID says whether the document's _id is the one that belongs to the key.
func (d *document) hasID(k key) bool {
	if len(k) == 1 {
		return d.id == k[0].text
	}
	return gjson.Valid(d.id) && exactjson.Equal(gjson.Parse(d.id), gjson.Parse(k.json()))
}

func openIndex(ctx context.Context, client *searchClient, name string, key []keyColumn) (*index, error) {
	if _, err := client.do(ctx, esapi.IndicesRefreshRequest{Index: []string{name}}); err != nil {
		return nil, fmt.Errorf("refresh: %w", err)
	}
	opened, err := client.do(ctx, esapi.OpenPointInTimeRequest{Index: []string{name}, KeepAlive: keepAlive})
	if err != nil {
		return nil, fmt.Errorf("open a point in time: %w", err)
	}
	return &index{client: client, key: key, pit: opened.Get("id").String(), pageSize: firstPage}, nil
}

func (x *index) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if _, err := x.client.do(ctx, esapi.ClosePointInTimeRequest{Body: strings.NewReader(`{"id":` + quote(x.pit) + `}`)}); err != nil {
		return fmt.Errorf("close the point in time: %w", err)
	}
	return nil
}

// next returns the next document, or nil behind the last one.
func (x *index) next(ctx context.Context) (*document, error) {
	if len(x.page) == 0 && !x.end {
		if err := x.fetch(ctx); err != nil {
			return nil, err
		}
	}
	if len(x.page) == 0 {
		return nil, nil //nolint:nilnil // the end is not an error
	}
	hit := x.page[0]
	x.page = x.page[1:]
	d := &document{id: hit.Get("_id").String(), source: hit.Get("_source")}
	d.key = x.keyOf(d.source)
	if d.key == nil {
		return d, nil
	}
	if x.last != nil && x.last.compare(d.key) > 0 {
		return nil, fmt.Errorf("the documents are not in the order of the key (%s came before %s): map %s as a number when it is one, and as a keyword otherwise",
			x.last, d.key, x.keyFields())
	}
	x.last = d.key
	return d, nil
}

func (x *index) keyFields() string {
	names := make([]string, len(x.key))
	for i, c := range x.key {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// keyOf reads the key's fields. It returns nil when they cannot be those of a row.
func (x *index) keyOf(source gjson.Result) key {
	fields := exactjson.Members(source)
	k := make(key, len(x.key))
	for i, c := range x.key {
		value, want := fields[c.name], gjson.String
		if c.numeric {
			want = gjson.Number
		}
		if value.Type != want {
			return nil
		}
		var err error
		if k[i], err = newKeyValue(literal(value), c.numeric); err != nil {
			return nil
		}
	}
	return k
}

func (x *index) fetch(ctx context.Context) error {
	body, err := x.query()
	if err != nil {
		return err
	}
	answer, err := x.client.do(ctx, esapi.SearchRequest{Body: bytes.NewReader(body)})
	if err != nil {
		return fmt.Errorf("read the documents: %w", err)
	}
	if failed := answer.Get("_shards.failed").Int(); failed > 0 || answer.Get("timed_out").Bool() {
		return fmt.Errorf("read the documents: %d shards did not answer", failed)
	}
	x.pit = answer.Get("pit_id").String() // may change from page to page
	x.page = answer.Get("hits.hits").Array()
	x.end = len(x.page) < x.pageSize
	if len(x.page) > 0 {
		x.after = x.page[len(x.page)-1].Get("sort").Raw
	}
	switch size := len(answer.Raw); {
	case size < smallBytes:
		x.pageSize = min(2*x.pageSize, maxPage)
	case size > largeBytes:
		x.pageSize = max(x.pageSize/2, 1)
	}
	return nil
}

// query asks for the page behind the last one. With a point in time, Elasticsearch adds a tie-breaker to the sort.
func (x *index) query() ([]byte, error) {
	sort := make([]any, len(x.key))
	for i, c := range x.key {
		sort[i] = map[string]any{c.name: map[string]any{"order": "asc", "missing": "_last"}}
	}
	query := map[string]any{
		"size": x.pageSize, "sort": sort, "track_total_hits": false,
		"pit": map[string]any{"id": x.pit, "keep_alive": keepAlive},
	}
	if x.after != "" {
		query["search_after"] = json.RawMessage(x.after)
	}
	body, err := json.Marshal(query)
	if err != nil {
		return nil, fmt.Errorf("encode the search: %w", err)
	}
	return body, nil
}
