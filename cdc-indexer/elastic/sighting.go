package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/change"
)

// Sighting is what was seen of a row in the index.
type Sighting struct {
	Index     string // not an alias
	Order     change.Order
	Deleted   bool // a tombstone
	IndexedAt time.Time
}

// Stored returns what the index holds for a key, searchable or not, tombstones too; nil: nothing.
func (r *Reader) Stored(ctx context.Context, key string) (*Sighting, error) {
	body, err := json.Marshal(map[string][]string{"ids": {key}})
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	response, err := r.client.do(ctx, esapi.MgetRequest{Index: r.names.WriteAlias, Body: bytes.NewReader(body), SourceIncludes: []string{bookkeeping}})
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", r.names.WriteAlias, err)
	}
	document := gjson.GetBytes(response, "docs.0")
	switch {
	case document.Get("error").Exists():
		return nil, fmt.Errorf("look into %s: %s", r.names.WriteAlias, document.Get("error.reason").String())
	case !document.Get("found").Bool():
		return nil, nil //nolint:nilnil // nothing is an answer of its own
	}
	return sighting(document), nil
}

// Found returns what a search through the read alias finds of a key; nil: nothing.
func (r *Reader) Found(ctx context.Context, key string) (*Sighting, error) {
	body, err := json.Marshal(map[string]any{
		"size": 1, "track_total_hits": false, "_source": []string{bookkeeping},
		"query": map[string]any{"ids": map[string]any{"values": []string{key}}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the search of %s: %w", r.names.ReadAlias, err)
	}
	response, err := r.client.do(ctx, esapi.SearchRequest{Index: []string{r.names.ReadAlias}, Body: bytes.NewReader(body)})
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", r.names.ReadAlias, err)
	}
	if hit := gjson.GetBytes(response, "hits.hits.0"); hit.Exists() {
		return sighting(hit), nil
	}
	return nil, nil //nolint:nilnil // nothing is an answer of its own
}

func sighting(hit gjson.Result) *Sighting {
	cdc := hit.Get("_source." + bookkeeping)
	indexed, _ := time.Parse(time.RFC3339Nano, cdc.Get("indexed_at").String()) // only shown
	return &Sighting{
		Index: hit.Get("_index").String(), Order: change.Order{Version: cdc.Get("version").Int(), LSN: cdc.Get("lsn").Int()},
		Deleted: cdc.Get("deleted").Bool(), IndexedAt: indexed,
	}
}

// Arrival is when a change was committed and when it was in the index.
type Arrival struct{ CommittedAt, IndexedAt time.Time }

// Arrivals returns when the newest changes came, the last first; deletes too. Rows that a snapshot has read are left out:
// nobody knows when they were committed. So is what is older than the index: a reindex has brought it over. There may be
// fewer than asked for for these reasons.
func (r *Reader) Arrivals(ctx context.Context, last int) ([]Arrival, error) {
	created, err := indexCreated(ctx, r.client, r.names.WriteAlias)
	if err != nil {
		return nil, err
	}
	// Doc values are read without the documents, which may be large.
	field := func(name string) string { return bookkeeping + "." + name }
	body, err := json.Marshal(map[string]any{
		"size": last, "track_total_hits": false, "_source": false, "stored_fields": "_none_",
		"query": rangeOf(field("committed_at"), "gte", created.UTC().Format(time.RFC3339Nano)),
		"sort":  []any{map[string]any{field("committed_at"): map[string]any{"order": "desc"}}},
		"docvalue_fields": []any{
			field("version"), field("lsn"),
			map[string]string{"field": field("committed_at"), "format": "epoch_millis"},
			map[string]string{"field": field("indexed_at"), "format": "epoch_millis"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the search of %s: %w", r.names.WriteAlias, err)
	}
	response, err := r.client.do(ctx, esapi.SearchRequest{Index: []string{r.names.WriteAlias}, Body: bytes.NewReader(body)})
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", r.names.WriteAlias, err)
	}
	var arrivals []Arrival
	gjson.GetBytes(response, "hits.hits.#.fields").ForEach(func(_, fields gjson.Result) bool {
		value := func(name string) gjson.Result { return fields.Get(gjson.Escape(field(name)) + ".0") }
		order := change.Order{Version: value("version").Int(), LSN: value("lsn").Int()}
		if order.Streamed() {
			arrivals = append(arrivals, Arrival{time.UnixMilli(value("committed_at").Int()).UTC(), time.UnixMilli(value("indexed_at").Int()).UTC()})
		}
		return true
	})
	return arrivals, nil
}
