package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/change"
)

// Document is a document of the index and what is known of it.
type Document struct {
	ID      string
	Order   change.Order
	Deleted bool // a tombstone
	// Touched says that Elasticsearch's version is not the one the indexer has given: somebody else has written the
	// document since, or a tie was decided in it.
	Touched bool
	// Checksum is the one that was stored with the document; 0 without one. See Proven.
	Checksum uint64
	Source   json.RawMessage // all of it, with the bookkeeping
}

// Row returns the document without the bookkeeping, byte for byte as it was written where the indexer has written it.
// In a document that somebody else has written the bookkeeping may be left in, and make it different from any row.
func (d Document) Row() []byte {
	tail := []byte(`"` + bookkeeping + `":` + gjson.GetBytes(d.Source, bookkeeping).Raw + "}")
	before, found := bytes.CutSuffix(d.Source, tail)
	if !found {
		return d.Source
	}
	before = bytes.TrimSuffix(before, []byte(","))
	return append(before[:len(before):len(before)], '}')
}

// Proven says whether the document is the one that its stored checksum was made of, and returns the checksum of what it is.
func (d Document) Proven() (checksum uint64, ok bool) {
	checksum = Checksum(d.Row())
	return checksum, checksum == d.Checksum
}

// KeyRange is a half-open range of keys, from From up to and without To, given by the values of the key's columns as
// text. An empty bound is open.
type KeyRange struct {
	Columns  []string // the fields that hold the key
	From, To []string
}

// Reader reads the documents of the live index.
type Reader struct {
	client *Client
	names  Names
}

// NewReader returns a Reader of the index of these names.
func NewReader(client *Client, names Names) *Reader { return &Reader{client: client, names: names} }

// Refresh makes all that was written so far visible to Documents.
func (r *Reader) Refresh(ctx context.Context) error {
	return refreshAlias(ctx, r.client, r.names.WriteAlias)
}

// Documents hands over the documents of a range of keys that are no tombstones, in pages and in no particular order, out of
// those writes. Those without a key belong to the range without a lower bound. Documents that somebody else has put there, and that the
// read alias may hide, are among them.
func (r *Reader) Documents(ctx context.Context, keys KeyRange, writes Writes, each func([]Document) error) error {
	s := search{Query: keys.query(), Version: true}
	if writes != (Writes{}) {
		s.Query = map[string]any{"bool": map[string]any{"filter": []any{s.Query, writes.condition()}}}
	}
	return r.client.scan(ctx, r.names.WriteAlias, s, func(hits []gjson.Result) error {
		documents := make([]Document, len(hits))
		for n, hit := range hits {
			documents[n] = document(hit)
		}
		return each(documents)
	})
}

// query of the first range takes everything that does not belong behind it.
func (k KeyRange) query() any {
	not := []any{map[string]any{"term": map[string]any{bookkeeping + ".deleted": true}}}
	if len(k.To) > 0 {
		not = append(not, k.atLeast(k.To))
	}
	clauses := map[string]any{"must_not": not}
	if len(k.From) > 0 {
		clauses["filter"] = []any{k.atLeast(k.From)}
	}
	return map[string]any{"bool": clauses}
}

// atLeast holds for keys at or behind a bound, compared column by column.
func (k KeyRange) atLeast(bound []string) any {
	condition := rangeOf(k.Columns[len(bound)-1], "gte", bound[len(bound)-1])
	for n := len(bound) - 2; n >= 0; n-- {
		equal := map[string]any{"term": map[string]any{k.Columns[n]: bound[n]}}
		condition = map[string]any{"bool": map[string]any{"should": []any{
			rangeOf(k.Columns[n], "gt", bound[n]),
			map[string]any{"bool": map[string]any{"filter": []any{equal, condition}}},
		}}}
	}
	return condition
}

func rangeOf(field, operator, value string) map[string]any {
	return map[string]any{"range": map[string]any{field: map[string]any{operator: value}}}
}

// Get reads documents by their ids, tombstones included, as they are at this moment; nil where there is none.
func (r *Reader) Get(ctx context.Context, ids []string) ([]*Document, error) {
	return get(ctx, r.client, r.names.WriteAlias, ids)
}

func get(ctx context.Context, client *Client, alias string, ids []string) ([]*Document, error) {
	body, err := json.Marshal(map[string][]string{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("encode ids: %w", err)
	}
	response, err := client.do(ctx, esapi.MgetRequest{Index: alias, Body: bytes.NewReader(body)})
	if err != nil {
		return nil, fmt.Errorf("read %d documents of %s: %w", len(ids), alias, err)
	}
	found := gjson.GetBytes(response, "docs").Array()
	if len(found) != len(ids) {
		return nil, fmt.Errorf("read %d documents of %s: elasticsearch answered for %d", len(ids), alias, len(found))
	}
	documents := make([]*Document, len(ids))
	for n, doc := range found {
		if failure := doc.Get("error"); failure.Exists() {
			return nil, errors.New("elasticsearch could not read a document: " + failure.Raw)
		}
		if doc.Get("found").Bool() {
			d := document(doc)
			documents[n] = &d
		}
	}
	return documents, nil
}

func document(hit gjson.Result) Document {
	source := hit.Get("_source")
	cdc := source.Get(bookkeeping)
	d := Document{
		ID:       hit.Get("_id").String(),
		Order:    change.Order{Version: cdc.Get("version").Int(), LSN: cdc.Get("lsn").Int()},
		Deleted:  cdc.Get("deleted").Bool(),
		Checksum: cdc.Get("checksum.high").Uint()<<32 | cdc.Get("checksum.low").Uint(),
		Source:   json.RawMessage(source.Raw),
	}
	d.Touched = hit.Get("_version").Int() != d.Order.Version
	return d
}
