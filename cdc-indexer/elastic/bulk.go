package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/change"
)

// answer is what the server said of one document of a bulk request.
type answer struct {
	status int
	kind   string // the error's type, empty on success
	reason string
}

// bulk writes all items in one request and returns one answer for each.
func (w *Writer) bulk(ctx context.Context, items []*item) ([]answer, error) {
	start := time.Now()
	used, ok := w.bodies.Get().(*[]byte)
	if !ok {
		used = new([]byte)
	}
	body := w.encodeBulk((*used)[:0], items, start)
	requireAlias := true
	response, err := w.client.do(ctx, esapi.BulkRequest{
		Index: w.alias,
		Body:  bytes.NewReader(body),
		// Without it, a write through a missing alias would create an index of that name, with guessed mappings.
		RequireAlias: &requireAlias,
		FilterPath:   []string{"items.*.status", "items.*.error.type", "items.*.error.reason"},
	})
	if err != nil {
		return nil, fmt.Errorf("write %d documents to %s: %w", len(items), w.alias, err)
	}
	w.metrics.bulkSeconds.Observe(time.Since(start).Seconds())
	w.metrics.bulkDocuments.Observe(float64(len(items)))
	w.metrics.bulkBytes.Add(float64(len(body)))
	answers, err := decodeBulk(response, len(items))
	if err != nil {
		return nil, fmt.Errorf("write %d documents to %s: %w", len(items), w.alias, err)
	}
	// There is an answer for every document, so all of the request has been read. After an error somebody may still be
	// reading it, and it is left to the garbage collector.
	*used = body
	w.bodies.Put(used)
	return answers, nil
}

// encodeBulk appends the request to body.
func (w *Writer) encodeBulk(body []byte, items []*item, now time.Time) []byte {
	const perItem = 320 // about what action line and bookkeeping take beside the document
	size := 0
	for _, i := range items {
		size += perItem + len(i.Document)
	}
	body = slices.Grow(body, size)
	indexedAt := now.UTC().Format(time.RFC3339Nano)
	for _, i := range items {
		body = w.appendAction(body, i)
		body = appendDocument(body, &i.Change, indexedAt)
	}
	return body
}

// appendAction appends the line that says where the document goes and under which condition.
func (w *Writer) appendAction(body []byte, i *item) []byte {
	body = append(body, `{"index":{"_id":`...)
	body = appendString(body, i.Key)
	if i.stored == nil {
		body = append(body, `,"version":`...)
		body = strconv.AppendInt(body, i.Order.Version, 10)
		body = append(body, `,"version_type":"`...)
		body = append(body, w.versionType()...)
		body = append(body, '"')
	} else {
		body = append(body, `,"_index":`...)
		body = appendString(body, i.stored.index)
		body = append(body, `,"require_alias":false,"if_seq_no":`...)
		body = strconv.AppendInt(body, i.stored.seqNo, 10)
		body = append(body, `,"if_primary_term":`...)
		body = strconv.AppendInt(body, i.stored.primaryTerm, 10)
	}
	return append(body, "}}\n"...)
}

func (w *Writer) versionType() string {
	if w.equalWins {
		return "external_gte"
	}
	return "external"
}

// appendDocument appends the row's own bytes with the bookkeeping as one more field, or a tombstone. A deleted row
// must leave a document behind: Elasticsearch forgets the versions of documents that are really deleted after a
// minute and at every restart, and an older change that comes later would bring the row back.
func appendDocument(body []byte, c *change.Change, indexedAt string) []byte {
	if c.Op == change.Delete || len(c.Document) <= len("{}") {
		body = append(body, '{')
	} else {
		body = append(body, c.Document[:len(c.Document)-1]...)
		body = append(body, ',')
	}
	body = append(body, `"cdc":{"version":`...)
	body = strconv.AppendInt(body, c.Order.Version, 10)
	body = append(body, `,"lsn":`...)
	body = strconv.AppendInt(body, c.Order.LSN, 10)
	body = append(body, `,"deleted":`...)
	body = strconv.AppendBool(body, c.Op == change.Delete)
	if c.Op != change.Delete {
		body = appendChecksum(body, c.Document)
	}
	body = append(body, `,"committed_at":"`...)
	body = c.CommittedAt.UTC().AppendFormat(body, time.RFC3339Nano)
	body = append(body, `","indexed_at":"`...)
	body = append(body, indexedAt...)
	return append(body, "\"}}\n"...)
}

func appendChecksum(body, document []byte) []byte {
	if len(document) == 0 {
		document = []byte("{}")
	}
	high, low := halves(Checksum(document))
	body = append(body, `,"checksum":{"high":`...)
	body = strconv.AppendInt(body, high, 10)
	body = append(body, `,"low":`...)
	body = strconv.AppendInt(body, low, 10)
	return append(body, '}')
}

// appendString appends s as a JSON string.
func appendString(body []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(body, quoted...)
}

func decodeBulk(response []byte, want int) ([]answer, error) {
	if !gjson.ValidBytes(response) {
		return nil, errors.New("elasticsearch's answer is no JSON")
	}
	answers := make([]answer, 0, want)
	gjson.GetBytes(response, "items").ForEach(func(_, item gjson.Result) bool {
		item.ForEach(func(_, outcome gjson.Result) bool {
			a := answer{status: int(outcome.Get("status").Int())}
			if a.status > 299 {
				a.kind, a.reason = outcome.Get("error.type").String(), outcome.Get("error.reason").String()
			}
			answers = append(answers, a)
			return false
		})
		return true
	})
	if len(answers) != want {
		return nil, fmt.Errorf("elasticsearch answered for %d of %d documents", len(answers), want)
	}
	return answers, nil
}

// verdict groups the items of one bulk by what is to be done with them.
type verdict struct {
	conflicts []*item // the index holds a version as high: compare
	retry     []*item // not now
	rejected  []*item // never
	why       []answer
	trouble   error // why the first of retry has to wait
}

func (w *Writer) sort(items []*item, answers []answer) verdict {
	var v verdict
	for n, i := range items {
		switch a := answers[n]; {
		case a.status <= 299 && i.repeated:
			i.settle(change.Stale)
		case a.status <= 299:
			i.settle(change.Applied)
		case a.status == http.StatusConflict:
			v.conflicts = append(v.conflicts, i)
		case a.status == http.StatusBadRequest || a.status == http.StatusRequestEntityTooLarge:
			v.rejected = append(v.rejected, i)
			v.why = append(v.why, a)
		default:
			// 429 and 5xx pass; 403 is a write block (a full disk, a reindex about to swap) and 404 a missing alias,
			// which an operator mends. None of them is the document's fault, so nothing may be dropped.
			i.stored = nil // by the next try the alias may lead to another index
			v.retry = append(v.retry, i)
			if v.trouble == nil {
				v.trouble = &ServerError{Status: a.status, Type: a.kind, Reason: a.reason}
			}
		}
	}
	return v
}

// reject settles the items that can never be written. It returns those that are to be tried once more: an alias without a
// write index refuses every document with the same words, and may have been mended since.
func (v *verdict) reject() (doubtful []*item) {
	for n, i := range v.rejected {
		if v.why[n].kind == "illegal_argument_exception" && !i.doubted {
			i.doubted = true
			doubtful = append(doubtful, i)
			continue
		}
		i.reject(v.why[n].kind, v.why[n].reason)
	}
	return doubtful
}

// again returns all that was not settled, for the case that rejections are not to be believed.
func (v *verdict) again() []*item { return append(v.retry, v.rejected...) }
