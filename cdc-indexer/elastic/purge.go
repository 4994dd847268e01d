package elastic

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"
)

// Purger removes tombstones that have become needless. A tombstone is there so that an older change of its row, should
// it come again, finds something newer. Once no such change is left in the topics it may go.
type Purger struct {
	client  *Client
	names   Names
	metrics *Metrics
}

// NewPurger returns a Purger of the index of these names.
func NewPurger(client *Client, names Names, metrics *Metrics) *Purger {
	return &Purger{client: client, names: names, metrics: metrics}
}

// Purge removes the tombstones that were written before a time, and returns how many. A document that changes meanwhile
// is left alone.
//
// The time must be earlier, by RefreshAfter at least, than that of the oldest message left in any of the topics. A delete
// that was indexed at a time had come through the topics by then, and every older change of its row before it. Should
// Debezium send them again later, after a crash, then the delete comes again behind them and makes its tombstone young.
func (p *Purger) Purge(ctx context.Context, before time.Time) (purged int, err error) {
	query := map[string]any{"bool": map[string]any{"filter": []any{
		map[string]any{"term": map[string]any{bookkeeping + ".deleted": true}},
		map[string]any{"range": map[string]any{bookkeeping + ".indexed_at": map[string]any{"lt": before.UTC().Format(time.RFC3339Nano)}}},
	}}}
	s := search{Query: query, Size: tombstonePage, SeqNo: true}
	err = p.client.scan(ctx, p.names.WriteAlias, s, func(hits []gjson.Result) error {
		n, err := p.delete(ctx, hits)
		purged += n
		p.metrics.purged.Add(float64(n))
		return err
	})
	if err != nil {
		return purged, fmt.Errorf("purge tombstones: %w", err)
	}
	return purged, nil
}

// delete removes the documents for good, on the condition that they are still what was found.
func (p *Purger) delete(ctx context.Context, hits []gjson.Result) (deleted int, err error) {
	var body []byte
	for _, hit := range hits {
		body = append(body, `{"delete":{"_index":`...)
		body = appendString(body, hit.Get("_index").String())
		body = append(body, `,"_id":`...)
		body = appendString(body, hit.Get("_id").String())
		body = append(body, `,"if_seq_no":`...)
		body = strconv.AppendInt(body, hit.Get("_seq_no").Int(), 10)
		body = append(body, `,"if_primary_term":`...)
		body = strconv.AppendInt(body, hit.Get("_primary_term").Int(), 10)
		body = append(body, "}}\n"...)
	}
	response, err := p.client.do(ctx, esapi.BulkRequest{Body: bytes.NewReader(body), FilterPath: []string{"items.*.status", "items.*.error.type", "items.*.error.reason"}})
	if err != nil {
		return 0, err
	}
	answers, err := decodeBulk(response, len(hits))
	if err != nil {
		return 0, err
	}
	for _, a := range answers {
		switch {
		case a.status <= 299:
			deleted++
		case a.status == http.StatusConflict, a.status == http.StatusNotFound: // changed or gone meanwhile
		default: // not now: a write block, an overloaded server
			return deleted, &ServerError{Status: a.status, Type: a.kind, Reason: a.reason}
		}
	}
	return deleted, nil
}
