package elastic

import (
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

// Document reads what the index holds for a key, tombstones too, and nil when that is nothing.
func (w *Writer) Document(ctx context.Context, key string) (*Document, error) {
	documents, err := get(ctx, w.client, w.alias, []string{key})
	if err != nil {
		return nil, err
	}
	return documents[0], nil
}

// IndexCreated returns when the index behind the alias was created, of several the youngest.
func (w *Writer) IndexCreated(ctx context.Context) (time.Time, error) {
	return indexCreated(ctx, w.client, w.alias)
}

func indexCreated(ctx context.Context, client *Client, alias string) (time.Time, error) {
	flat := true
	response, err := client.do(ctx, esapi.IndicesGetSettingsRequest{
		Index: []string{alias}, Name: []string{"index.creation_date"}, FlatSettings: &flat,
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read when the index behind %s was created: %w", alias, err)
	}
	var indices map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	if err := json.Unmarshal(response, &indices); err != nil {
		return time.Time{}, fmt.Errorf("read when the index behind %s was created: %w", alias, err)
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
