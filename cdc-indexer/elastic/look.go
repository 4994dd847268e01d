package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"ticketing/cdc-indexer/change"
)

// Orders returns the order of what the index holds for each key, tombstones too; keys that it has nothing for are left
// out. Unlike Apply it fails when the server is away.
func (w *Writer) Orders(ctx context.Context, keys []string) (map[string]change.Order, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	items := make([]*item, len(keys))
	for n, key := range keys {
		items[n] = &item{Change: change.Change{Key: key}}
	}
	documents, err := w.lookUp(ctx, items)
	if err != nil {
		return nil, err
	}
	orders := make(map[string]change.Order, len(keys))
	for n, key := range keys {
		if documents[n] != nil {
			orders[key] = documents[n].order
		}
	}
	return orders, nil
}

// Document is what the index holds for a key.
type Document struct {
	Order   change.Order
	Deleted bool            // a tombstone
	Source  json.RawMessage // all of it, with the bookkeeping
}

// Document reads what the index holds for a key, tombstones too, and nil when that is nothing.
func (w *Writer) Document(ctx context.Context, key string) (*Document, error) {
	body, err := json.Marshal(map[string][]string{"ids": {key}})
	if err != nil {
		return nil, fmt.Errorf("encode id: %w", err)
	}
	response, err := w.client.do(ctx, esapi.MgetRequest{Index: w.alias, Body: bytes.NewReader(body)})
	if err != nil {
		return nil, fmt.Errorf("read document %q of %s: %w", key, w.alias, err)
	}
	documents, err := decodeDocuments(response, 1)
	if err != nil {
		return nil, fmt.Errorf("read document %q of %s: %w", key, w.alias, err)
	}
	if documents[0] == nil {
		return nil, nil
	}
	var answer struct {
		Docs []struct {
			Source json.RawMessage `json:"_source"`
		} `json:"docs"`
	}
	var bookkeeping struct {
		CDC struct {
			Deleted bool `json:"deleted"`
		} `json:"cdc"`
	}
	if err := json.Unmarshal(response, &answer); err != nil {
		return nil, fmt.Errorf("read document %q of %s: %w", key, w.alias, err)
	}
	source := answer.Docs[0].Source
	if err := json.Unmarshal(source, &bookkeeping); err != nil {
		return nil, fmt.Errorf("read document %q of %s: %w", key, w.alias, err)
	}
	return &Document{Order: documents[0].order, Deleted: bookkeeping.CDC.Deleted, Source: source}, nil
}

// IndexCreated returns when the index behind the alias was created, of several the youngest.
func (w *Writer) IndexCreated(ctx context.Context) (time.Time, error) {
	flat := true
	response, err := w.client.do(ctx, esapi.IndicesGetSettingsRequest{
		Index: []string{w.alias}, Name: []string{"index.creation_date"}, FlatSettings: &flat,
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read when the index behind %s was created: %w", w.alias, err)
	}
	var indices map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	if err := json.Unmarshal(response, &indices); err != nil {
		return time.Time{}, fmt.Errorf("read when the index behind %s was created: %w", w.alias, err)
	}
	var created time.Time
	for name, index := range indices {
		millis, err := strconv.ParseInt(index.Settings["index.creation_date"], 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("read when index %s was created: %w", name, err)
		}
		if at := time.UnixMilli(millis); at.After(created) {
			created = at
		}
	}
	return created, nil
}
