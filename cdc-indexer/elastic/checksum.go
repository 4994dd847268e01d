package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"
)

// Checksum returns the checksum of a document without its bookkeeping. Writer stores it beside the document, in two
// halves, because Elasticsearch adds in floating point: sums of 32 bits stay exact for two million documents.
func Checksum(document []byte) uint64 { return xxhash.Sum64(document) }

func halves(checksum uint64) (high, low int64) {
	return int64(checksum >> 32), int64(checksum & 0xFFFF_FFFF)
}

// Sums is what the checksums of some documents add up to, in halves, and how many there are.
type Sums struct{ Count, High, Low int64 }

// Add adds one checksum.
func (s *Sums) Add(checksum uint64) {
	high, low := halves(checksum)
	s.Count++
	s.High += high
	s.Low += low
}

// Watermark is a place in the writes to an index: every write with a sequence number up to SeqNo is done. Elasticsearch
// numbers the writes to a shard, by whomever; changing a document in any way gives it a higher number.
type Watermark struct {
	Index string `json:"index"`
	UUID  string `json:"uuid"` // another index of the same name has another one
	SeqNo int64  `json:"seq_no"`
}

// Of says whether a watermark is of the same index as another.
func (w Watermark) Of(other Watermark) bool { return w.UUID != "" && w.UUID == other.UUID }

// Written returns how far the writes to the live index have come: the checkpoint that every copy of a shard has confirmed,
// because numbers above it may be given anew when a primary is lost. Of several shards it is the lowest.
func (r *Reader) Written(ctx context.Context) (Watermark, error) {
	response, err := r.client.do(ctx, esapi.IndicesStatsRequest{
		Index: []string{r.names.WriteAlias}, Metric: []string{"docs"}, Level: "shards",
		FilterPath: []string{"indices.*.uuid", "indices.*.shards.*.seq_no.global_checkpoint"},
	})
	if err != nil {
		return Watermark{}, fmt.Errorf("read the sequence numbers of %s: %w", r.names.WriteAlias, err)
	}
	var found []Watermark
	gjson.GetBytes(response, "indices").ForEach(func(name, index gjson.Result) bool {
		found = append(found, Watermark{Index: name.String(), UUID: index.Get("uuid").String(), SeqNo: lowest(index, "global_checkpoint")})
		return true
	})
	if len(found) != 1 {
		return Watermark{}, fmt.Errorf("write alias %s leads to %d indices: it must be exactly one", r.names.WriteAlias, len(found))
	}
	return found[0], nil
}

// lowest returns the lowest of a sequence number among all copies of all shards of an index: each shard counts by itself.
func lowest(index gjson.Result, number string) int64 {
	found, seen := int64(-1), false
	index.Get("shards").ForEach(func(_, copies gjson.Result) bool {
		for _, n := range copies.Get("#.seq_no." + number).Array() {
			if !seen || n.Int() < found {
				found, seen = n.Int(), true
			}
		}
		return true
	})
	return found
}

// Sums adds up the checksums that are stored with a range's documents, tombstones aside, of those written up to the
// watermark, in the watermark's index. later is how many of the range were written since.
func (r *Reader) Sums(ctx context.Context, keys KeyRange, upTo Watermark) (sums Sums, later int64, err error) {
	sum := func(half string) any {
		return map[string]any{"sum": map[string]any{"field": bookkeeping + ".checksum." + half}}
	}
	body, err := json.Marshal(map[string]any{
		"size": 0, "track_total_hits": false, "query": keys.query(),
		"aggs": map[string]any{
			"before": map[string]any{"filter": Writes{UpTo: &upTo.SeqNo}.condition(), "aggs": map[string]any{"high": sum("high"), "low": sum("low")}},
			"later":  map[string]any{"filter": Writes{After: &upTo.SeqNo}.condition()},
		},
	})
	if err != nil {
		return Sums{}, 0, fmt.Errorf("encode the search of %s: %w", upTo.Index, err)
	}
	response, err := r.client.do(ctx, esapi.SearchRequest{Index: []string{upTo.Index}, Body: bytes.NewReader(body)})
	if err != nil {
		return Sums{}, 0, fmt.Errorf("add up the checksums of %s: %w", upTo.Index, err)
	}
	answer := gjson.ParseBytes(response)
	if answer.Get("_shards.failed").Int() > 0 || answer.Get("timed_out").Bool() {
		return Sums{}, 0, errors.New("add up the checksums of " + upTo.Index + ": the answer is incomplete")
	}
	before := answer.Get("aggregations.before")
	sums = Sums{Count: before.Get("doc_count").Int(), High: before.Get("high.value").Int(), Low: before.Get("low.value").Int()}
	return sums, answer.Get("aggregations.later.doc_count").Int(), nil
}

// Writes are documents by when they were written last: after one sequence number and up to another. Nil is no bound.
type Writes struct{ After, UpTo *int64 }

func (w Writes) condition() any {
	bounds := map[string]any{}
	if w.After != nil {
		bounds["gt"] = *w.After
	}
	if w.UpTo != nil {
		bounds["lte"] = *w.UpTo
	}
	return map[string]any{"range": map[string]any{"_seq_no": bounds}}
}
