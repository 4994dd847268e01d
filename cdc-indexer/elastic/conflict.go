package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"ticketing/cdc-indexer/change"
)

// storedDocument is what the index holds for a key.
type storedDocument struct {
	index       string // the one that was looked into, behind the alias
	order       change.Order
	seqNo       int64
	primaryTerm int64
	tombstone   bool
	indexedAt   time.Time
}

// RefreshAfter is how old a tombstone must be for a repeated delete to write it again: see Purger.
const RefreshAfter = time.Hour

// outlived says whether the item is the very delete that left this tombstone, and comes again after a long time. Older
// changes of the row may then have come again with it, so the tombstone has to last from now on.
func (i *item) outlived(now time.Time) bool {
	s := i.stored
	return i.Op == change.Delete && s.tombstone && i.Order == s.order && now.Sub(s.indexedAt) >= RefreshAfter
}

// resolve looks at the documents that stood in the way of the items and decides by the full order.
//
// A version conflict alone does not prove that the change is old. Changes of one row in one transaction may share
// their version, and then the lsn in the document decides. Such a rewrite adds 1 to Elasticsearch's version, so
// after many of them it may even stand above the version of the next transaction: the version is the quick filter
// (whatever passes it is newer), and the pair in the document is the truth.
//
// It returns the items to be written again: newer ones, on the condition that the document is still the one that
// was compared. That names the very index: an alias may lead to another one by then, whose sequence numbers say nothing
// about this one's.
func (w *Writer) resolve(ctx context.Context, items []*item) ([]*item, error) {
	if len(items) == 0 {
		return nil, nil
	}
	w.metrics.conflicts.Add(float64(len(items)))
	documents, err := w.lookUp(ctx, items)
	if err != nil {
		return items, err
	}
	var newer []*item
	var trouble error
	now := time.Now()
	for n, i := range items {
		i.stored = documents[n]
		switch {
		case i.stored == nil:
			newer = append(newer, i)
			trouble = fmt.Errorf("document %q was deleted by somebody else; waiting until Elasticsearch has forgotten its version (index.gc_deletes)", i.Key)
		case w.wins(i.Order, i.stored.order):
			newer = append(newer, i)
		case i.outlived(now):
			i.repeated = true
			newer = append(newer, i)
		default:
			i.settle(change.Stale)
		}
	}
	return newer, trouble
}

// wins says whether an order overwrites what is stored.
func (w *Writer) wins(incoming, stored change.Order) bool {
	if w.equalWins {
		return !stored.NewerThan(incoming)
	}
	return incoming.NewerThan(stored)
}

// lookUp reads the order of each item's document, nil where there is none. Reads by _id see every acknowledged
// write at once, without a refresh.
func (w *Writer) lookUp(ctx context.Context, items []*item) ([]*storedDocument, error) {
	ids := make([]string, len(items))
	for n, i := range items {
		ids[n] = i.Key
	}
	body, err := json.Marshal(map[string][]string{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("encode ids: %w", err)
	}
	response, err := w.client.do(ctx, esapi.MgetRequest{
		Index:          w.alias,
		Body:           bytes.NewReader(body),
		SourceIncludes: []string{"cdc.version", "cdc.lsn", "cdc.deleted", "cdc.indexed_at"},
	})
	if err != nil {
		return nil, fmt.Errorf("read %d documents of %s: %w", len(items), w.alias, err)
	}
	documents, err := decodeDocuments(response, len(items))
	if err != nil {
		return nil, fmt.Errorf("read %d documents of %s: %w", len(items), w.alias, err)
	}
	return documents, nil
}

func decodeDocuments(response []byte, want int) ([]*storedDocument, error) {
	var answer struct {
		Docs []struct {
			Index       string          `json:"_index"`
			Found       bool            `json:"found"`
			SeqNo       int64           `json:"_seq_no"`
			PrimaryTerm int64           `json:"_primary_term"`
			Error       json.RawMessage `json:"error"`
			Source      struct {
				// A document without cdc was written by somebody else; its order is zero and any change overwrites it.
				CDC struct {
					Version   int64  `json:"version"`
					LSN       int64  `json:"lsn"`
					Deleted   bool   `json:"deleted"`
					IndexedAt string `json:"indexed_at"`
				} `json:"cdc"`
			} `json:"_source"`
		} `json:"docs"`
	}
	if err := json.Unmarshal(response, &answer); err != nil {
		return nil, fmt.Errorf("decode elasticsearch's answer: %w", err)
	}
	if len(answer.Docs) != want {
		return nil, fmt.Errorf("elasticsearch answered for %d of %d documents", len(answer.Docs), want)
	}
	documents := make([]*storedDocument, want)
	for n, doc := range answer.Docs {
		if doc.Error != nil {
			return nil, errors.New("elasticsearch could not read a document: " + string(doc.Error))
		}
		if doc.Found {
			indexedAt, _ := time.Parse(time.RFC3339Nano, doc.Source.CDC.IndexedAt) // somebody else's document may have none
			documents[n] = &storedDocument{
				index:       doc.Index,
				order:       change.Order{Version: doc.Source.CDC.Version, LSN: doc.Source.CDC.LSN},
				seqNo:       doc.SeqNo,
				primaryTerm: doc.PrimaryTerm,
				tombstone:   doc.Source.CDC.Deleted,
				indexedAt:   indexedAt,
			}
		}
	}
	return documents, nil
}
