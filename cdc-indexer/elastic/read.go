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

// tombstonePage is how many tombstones one request reads. Each is a few dozen bytes.
const tombstonePage = 5000

// pointInTimeFor is how long a point in time outlives the last request to it.
const pointInTimeFor = 5 * time.Minute

// CountLive returns how many documents a search through the read alias would find if it led to index.
func (b *Builder) CountLive(ctx context.Context, index string) (int64, error) {
	if err := refreshAlias(ctx, b.client, index); err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]any{"query": withoutTombstones()})
	if err != nil {
		return 0, fmt.Errorf("encode the query for %s: %w", index, err)
	}
	response, err := b.client.do(ctx, esapi.CountRequest{Index: []string{index}, Body: bytes.NewReader(body)})
	if err != nil {
		return 0, fmt.Errorf("count the documents of %s: %w", index, err)
	}
	return gjson.GetBytes(response, "count").Int(), nil
}

// Written returns a mark for Tombstones: everything up to it is in the index, and everything written later has a sequence
// number above it. The highest number so far would not do: a write that has it, or a lower one, may be still under way.
func (b *Builder) Written(ctx context.Context, index string) (int64, error) {
	response, err := b.client.do(ctx, esapi.IndicesStatsRequest{
		Index: []string{index}, Metric: []string{"docs"}, Level: "shards", FilterPath: []string{"indices.*.shards.*.seq_no.global_checkpoint"},
	})
	if err != nil {
		return 0, fmt.Errorf("read the sequence numbers of %s: %w", index, err)
	}
	// A replica may be a little behind: the lowest is safe.
	return lowest(gjson.GetBytes(response, "indices.*"), "global_checkpoint"), nil
}

// Tombstones hands over the deletes that the index remembers, in pages, as changes of their own order. Only those
// with a sequence number above the mark are read; -1 reads all.
func (b *Builder) Tombstones(ctx context.Context, index string, above int64, each func(context.Context, []change.Change) error) error {
	if err := refreshAlias(ctx, b.client, index); err != nil {
		return err
	}
	query := map[string]any{"bool": map[string]any{"filter": []any{
		map[string]any{"term": map[string]any{bookkeeping + ".deleted": true}},
		map[string]any{"range": map[string]any{"_seq_no": map[string]any{"gt": above}}},
	}}}
	return b.client.scan(ctx, index, search{Query: query, Size: tombstonePage}, func(hits []gjson.Result) error {
		return each(ctx, tombstones(hits))
	})
}

func tombstones(hits []gjson.Result) []change.Change {
	changes := make([]change.Change, len(hits))
	for n, hit := range hits {
		cdc := hit.Get("_source." + bookkeeping)
		committed, _ := time.Parse(time.RFC3339Nano, cdc.Get("committed_at").String()) // only shown, never compared
		changes[n] = change.Change{
			Key:         hit.Get("_id").String(),
			Order:       change.Order{Version: cdc.Get("version").Int(), LSN: cdc.Get("lsn").Int()},
			Op:          change.Delete,
			CommittedAt: committed,
			Read:        true,
		}
	}
	return changes
}

// search is the body of a search that scan pages through.
type search struct {
	Query   any   `json:"query,omitempty"`
	Size    int   `json:"size"`
	Sort    []any `json:"sort"`
	After   any   `json:"search_after,omitempty"`
	Version bool  `json:"version,omitempty"`
	SeqNo   bool  `json:"seq_no_primary_term,omitempty"`
	Total   bool  `json:"track_total_hits"`
	PIT     any   `json:"pit"`
}

// Pages of no given size grow and shrink with the documents, so that no answer takes much memory.
const (
	firstPage   = 500
	largestPage = 5000
	smallBytes  = 2 << 20
	largeBytes  = 8 << 20
)

// nextPage returns the size of the next page after one of that many bytes.
func nextPage(size, bytes int) int {
	switch {
	case bytes < smallBytes:
		return min(size*2, largestPage)
	case bytes > largeBytes:
		return max(size/4, 1)
	default:
		return size
	}
}

// scan reads all documents that match, page by page, as they are at one moment, in the order of the shards.
func (c *Client) scan(ctx context.Context, index string, s search, page func(hits []gjson.Result) error) error {
	id, err := c.openPointInTime(ctx, index)
	if err != nil {
		return err
	}
	defer c.closePointInTime(ctx, &id)
	s.Sort = []any{map[string]string{"_shard_doc": "asc"}}
	adaptive := s.Size == 0
	if adaptive {
		s.Size = firstPage
	}
	for {
		s.PIT = map[string]string{"id": id, "keep_alive": keepAlive()}
		body, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode the search of %s: %w", index, err)
		}
		response, err := c.do(ctx, esapi.SearchRequest{Body: bytes.NewReader(body)})
		if err != nil {
			return fmt.Errorf("read %s: %w", index, err)
		}
		answer := gjson.ParseBytes(response)
		if failed := answer.Get("_shards.failed").Int(); failed > 0 || answer.Get("timed_out").Bool() {
			return fmt.Errorf("read %s: the answer is incomplete: %d shards failed", index, failed)
		}
		if next := answer.Get("pit_id").String(); next != "" {
			id = next
		}
		hits := answer.Get("hits.hits").Array()
		if len(hits) == 0 {
			return nil
		}
		if err := page(hits); err != nil {
			return err
		}
		if len(hits) < s.Size {
			return nil
		}
		if adaptive {
			s.Size = nextPage(s.Size, len(response))
		}
		s.After = json.RawMessage(hits[len(hits)-1].Get("sort").Raw)
	}
}

func keepAlive() string { return fmt.Sprintf("%dm", int(pointInTimeFor.Minutes())) }

func (c *Client) openPointInTime(ctx context.Context, index string) (string, error) {
	response, err := c.do(ctx, esapi.OpenPointInTimeRequest{Index: []string{index}, KeepAlive: keepAlive()})
	if err != nil {
		return "", fmt.Errorf("open a point in time of %s: %w", index, err)
	}
	return gjson.GetBytes(response, "id").String(), nil
}

// closePointInTime gives the server's resources back. Should that fail they go by themselves, a little later.
func (c *Client) closePointInTime(ctx context.Context, id *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]string{"id": *id})
	if err == nil {
		_, _ = c.do(ctx, esapi.ClosePointInTimeRequest{Body: bytes.NewReader(body)})
	}
}
