// Package elastic searches the index of events in Elasticsearch. It reads what the indexer writes, through the aliases,
// and needs nothing of the server but its core: no scripts and no plugins.
package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"ticketing/eventsearch/search"
	"ticketing/internal/esclient"
)

// Config says where the index is and how long a search may take there. All durations must be positive.
type Config struct {
	ReadAlias     string        // never shows a deleted event
	WriteAlias    string        // shows the tombstones of deleted events, too; only Searchable uses it
	SearchTimeout time.Duration // after which the server ends a search
	CursorTTL     time.Duration // for which the server keeps the index as it was for the next page

	Traces trace.TracerProvider // gets a span of every request to the server; nil: none are made
}

// Index answers searches. Its errors are those of package search, or another one that is a defect.
type Index struct {
	client  *esclient.Client
	config  Config
	metrics *Metrics
	tracer  trace.Tracer
}

// NewIndex returns the index behind the aliases.
func NewIndex(client *esclient.Client, config Config, metrics *Metrics) *Index {
	traces := config.Traces
	if traces == nil {
		traces = noop.NewTracerProvider()
	}
	return &Index{client: client, config: config, metrics: metrics, tracer: traces.Tracer("ticketing/eventsearch/elastic")}
}

type object = map[string]any

// ask sends a request and returns the answer. The operation names it in metrics, errors and traces.
func (i *Index) ask(ctx context.Context, operation string, request esapi.Request) (gjson.Result, error) {
	ctx, span := i.tracer.Start(ctx, operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "elasticsearch")))
	defer span.End()
	start := time.Now()
	body, err := i.client.Do(ctx, request)
	i.metrics.observe(operation, time.Since(start), err)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		return gjson.Result{}, fmt.Errorf("%s: %w", operation, classify(err))
	}
	return gjson.ParseBytes(body), nil
}

// search asks for documents. No index is named where a point in time says it.
func (i *Index) search(ctx context.Context, operation string, indices []string, body object) (gjson.Result, error) {
	body["timeout"] = milliseconds(i.config.SearchTimeout)
	encoded, err := json.Marshal(body)
	if err != nil {
		return gjson.Result{}, fmt.Errorf("%s: encode the search: %w", operation, err)
	}
	partial := false
	answer, err := i.ask(ctx, operation, esapi.SearchRequest{
		Index: indices, Body: bytes.NewReader(encoded), AllowPartialSearchResults: &partial,
	})
	if err == nil && answer.Get("timed_out").Bool() {
		err = fmt.Errorf("%s: %w: it took longer than %s", operation, search.ErrUnavailable, i.config.SearchTimeout)
	}
	return answer, err
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", max(1, d.Milliseconds())) }

// classify turns what the client says into an error of package search where there is one.
func classify(err error) error {
	var answer *esclient.ServerError
	switch {
	case errors.Is(err, esclient.ErrTooLarge):
		return err
	case !errors.As(err, &answer):
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err) // no answer, or not in time
	case answer.Status == http.StatusNotFound && answer.Type == "index_not_found_exception":
		return fmt.Errorf("%w: %w", search.ErrNoIndex, err)
	case answer.Status == http.StatusTooManyRequests || answer.Status >= http.StatusInternalServerError:
		return fmt.Errorf("%w: %w", search.ErrUnavailable, err)
	default:
		return err
	}
}

// Check says what keeps searches from being answered, if anything: the server, or that there is no index.
func (i *Index) Check(ctx context.Context) error {
	_, err := i.search(ctx, "check", []string{i.config.ReadAlias}, object{"size": 0, "terminate_after": 1, "track_total_hits": false})
	return err
}

// Get returns an event by its id, or search.ErrNotFound. It sees what was written a moment ago, searchable or not yet.
func (i *Index) Get(ctx context.Context, id string) (search.Document, error) {
	answer, err := i.ask(ctx, "get", esapi.GetRequest{Index: i.config.ReadAlias, DocumentID: id})
	if esclient.HasStatus(err, http.StatusNotFound) && !errors.Is(err, search.ErrNoIndex) {
		return search.Document{}, search.ErrNotFound
	}
	if err != nil {
		return search.Document{}, err
	}
	source := answer.Get("_source")
	if source.Get("cdc.deleted").Bool() { // the alias filters searches only
		return search.Document{}, search.ErrNotFound
	}
	return document(id, source), nil
}

// Searchable says whether searches see the write, or a newer one of the event. A tombstone, too, is one.
func (i *Index) Searchable(ctx context.Context, token search.Token) (bool, error) {
	answer, err := i.search(ctx, "searchable", []string{i.config.WriteAlias}, object{
		"size": 0, "track_total_hits": 1,
		"query": object{"bool": object{"filter": []object{
			{"ids": object{"values": []string{token.ID}}},
			{"range": object{"cdc.lsn": object{"gte": token.Position}}},
		}}},
	})
	return answer.Get("hits.total.value").Int() > 0, err
}
