package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tidwall/gjson"
)

// elastic asks Elasticsearch as plainly as can be: what is measured must not be measured with its own client.
type elastic struct {
	url    string
	client *http.Client
}

func newElastic(url string) *elastic {
	return &elastic{url: url, client: &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

// call sends a request and returns the body of a successful answer. Bodies of more than one line are bulk requests.
func (e *elastic) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, e.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask Elasticsearch: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if bytes.HasSuffix(body, []byte("\n")) {
		request.Header.Set("Content-Type", "application/x-ndjson")
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask Elasticsearch: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read Elasticsearch's answer: %w", err)
	}
	if response.StatusCode > 299 {
		return answer, fmt.Errorf("elasticsearch answers %s to %s %s: %.300s", response.Status, method, path, answer)
	}
	return answer, nil
}

// indexed is how many documents were written into the index, searchable or not; 0 while there is no such index.
func (e *elastic) indexed(ctx context.Context, index string) int64 {
	answer, err := e.call(ctx, http.MethodGet, "/"+index+"/_stats/indexing?filter_path=_all.primaries.indexing.index_total", nil)
	if err != nil {
		return 0
	}
	return gjson.GetBytes(answer, "_all.primaries.indexing.index_total").Int()
}

// count makes everything searchable and counts it.
func (e *elastic) count(ctx context.Context, index string) (int64, error) {
	if _, err := e.call(ctx, http.MethodPost, "/"+index+"/_refresh", nil); err != nil {
		return 0, err
	}
	answer, err := e.call(ctx, http.MethodGet, "/"+index+"/_count", nil)
	return gjson.GetBytes(answer, "count").Int(), err
}

// awaitIndexed waits until so many documents were written into the index, and returns when that was. It looks seldom at
// first: each question costs Elasticsearch something, which would be taken from those who are measured and not from the
// ceiling.
func (e *elastic) awaitIndexed(ctx context.Context, index string, want int, alive func() error) (time.Time, error) {
	const (
		limit         = 15 * time.Minute
		seldom, often = 400 * time.Millisecond, 25 * time.Millisecond
	)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		got := e.indexed(ctx, index)
		if got >= int64(want) {
			return time.Now(), nil
		}
		if err := alive(); err != nil {
			return time.Time{}, err
		}
		pause := often
		if got > 0 && got < int64(want)*9/10 {
			pause = seldom
		}
		look.Reset(pause)
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%d of %d documents are in %s: %w", got, want, index, ctx.Err())
		case <-look.C:
		}
	}
}

// settle waits until no segments are being merged.
func (e *elastic) settle(ctx context.Context) error {
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		answer, err := e.call(ctx, http.MethodGet, "/_stats/merge?filter_path=_all.primaries.merges.current", nil)
		if err != nil {
			return err
		}
		if gjson.GetBytes(answer, "_all.primaries.merges.current").Int() == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for merges: %w", ctx.Err())
		case <-look.C:
		}
	}
}

// check is an error unless the index shows exactly so many documents.
func (e *elastic) check(ctx context.Context, index string, want int) error {
	got, err := e.count(ctx, index)
	if err == nil && got != int64(want) {
		err = fmt.Errorf("%s shows %d documents and not %d", index, got, want)
	}
	return err
}

// checkMade is an error unless documents have what is made of columns: an object of attributes, a location of coordinates.
func (e *elastic) checkMade(ctx context.Context, index string) error {
	answer, err := e.call(ctx, http.MethodGet, "/"+index+"/_search?size=1000&_source=attributes,location,latitude", nil)
	if err != nil {
		return err
	}
	for _, hit := range gjson.GetBytes(answer, "hits.hits").Array() {
		made := hit.Get("_source.attributes").IsObject() &&
			(hit.Get("_source.location.lat").Exists() || hit.Get("_source.latitude").Type == gjson.Null)
		if !made {
			return fmt.Errorf("a document in %s lacks attributes or its location: %s", index, hit.Raw)
		}
	}
	return nil
}

// remove deletes every index whose name has the prefix.
func (e *elastic) remove(ctx context.Context, prefix string) error {
	answer, err := e.call(ctx, http.MethodGet, "/"+prefix+"*?filter_path=*.aliases", nil)
	if err != nil {
		return err
	}
	for name := range gjson.ParseBytes(answer).Map() {
		if _, err := e.call(ctx, http.MethodDelete, "/"+name, nil); err != nil {
			return err
		}
	}
	return nil
}

// cpu is what Elasticsearch has used so far, in seconds.
func (e *elastic) cpu(ctx context.Context) (float64, error) {
	answer, err := e.call(ctx, http.MethodGet, "/_nodes/_local/stats/process?filter_path=nodes.*.process.cpu.total_in_millis", nil)
	if err != nil {
		return 0, err
	}
	total := 0.0
	gjson.GetBytes(answer, "nodes").ForEach(func(_, node gjson.Result) bool {
		total += node.Get("process.cpu.total_in_millis").Float() / 1000
		return true
	})
	return total, nil
}

// likeness returns the body that creates an index with the settings and mappings of another.
func (e *elastic) likeness(ctx context.Context, index string) ([]byte, error) {
	answer, err := e.call(ctx, http.MethodGet, "/"+index, nil)
	if err != nil {
		return nil, err
	}
	var body []byte
	gjson.ParseBytes(answer).ForEach(func(_, found gjson.Result) bool {
		settings := found.Get("settings.index")
		body = fmt.Appendf(nil, `{"settings":{"number_of_shards":%s,"number_of_replicas":%s,"refresh_interval":%s,"analysis":%s},"mappings":%s}`,
			settings.Get("number_of_shards").Raw, settings.Get("number_of_replicas").Raw,
			settings.Get("refresh_interval").Raw, settings.Get("analysis").Raw, found.Get("mappings").Raw)
		return false
	})
	return body, nil
}
