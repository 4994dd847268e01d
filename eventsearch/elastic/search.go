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

	"ticketing/eventsearch/search"
	"ticketing/internal/esclient"
)

// closeTimeout bounds giving back a point in time, which would otherwise go by itself a little later.
const closeTimeout = time.Second

// Search answers a query. A page may be shorter than the limit although more follow, when its events are large.
//
// Further pages are read from a point in time, so that no write moves events between pages. The first page is read from
// the same one, but only a search that has more hits than fit into a page opens it. So the first question is for counts
// alone, which the server remembers until the index changes.
func (i *Index) Search(ctx context.Context, q search.Query) (search.Page, error) {
	if q.Cursor != nil {
		return i.readSnapshot(ctx, q, *q.Cursor)
	}
	counted, err := i.count(ctx, q)
	if err != nil {
		return search.Page{}, err
	}
	var page search.Page
	if counted.Total.Value <= q.Limit {
		page, err = i.read(ctx, q, nil)
	}
	if err == nil && (counted.Total.Value > q.Limit || page.Next != nil) { // by now there may be more
		page, err = i.openSnapshot(ctx, q)
	}
	page.Facets = counted.Facets
	page.Took += counted.Took
	return page, err
}

// count returns a page without hits.
func (i *Index) count(ctx context.Context, q search.Query) (search.Page, error) {
	body := conditions(q)
	body["size"], body["aggs"] = 0, facets(q.Filter)
	answer, err := i.search(ctx, "count", []string{i.config.ReadAlias}, body)
	if err != nil {
		return search.Page{}, err
	}
	return search.Page{Total: total(answer), Facets: readFacets(answer), Took: took(answer)}, nil
}

// openSnapshot reads the first page of a new point in time.
func (i *Index) openSnapshot(ctx context.Context, q search.Query) (search.Page, error) {
	answer, err := i.ask(ctx, "open point in time", esapi.OpenPointInTimeRequest{
		Index: []string{i.config.ReadAlias}, KeepAlive: milliseconds(i.config.CursorTTL),
	})
	if err != nil {
		return search.Page{}, err
	}
	snapshot := answer.Get("id").String()
	page, err := i.readSnapshot(ctx, q, search.Cursor{Snapshot: snapshot})
	if err != nil {
		i.closePointInTime(ctx, snapshot)
	}
	return page, err
}

// readSnapshot reads a page of a point in time, and closes that behind the last one.
func (i *Index) readSnapshot(ctx context.Context, q search.Query, cursor search.Cursor) (search.Page, error) {
	page, err := i.read(ctx, q, &cursor)
	var answer *esclient.ServerError
	switch {
	case err == nil && page.Next == nil:
		i.closePointInTime(ctx, cursor.Snapshot)
	case err == nil || cursor.After == nil:
		// goes on, or fails as any first page may
	case errors.As(err, &answer) && answer.Status == http.StatusNotFound:
		return page, fmt.Errorf("%w: %w", search.ErrExpired, err)
	case errors.As(err, &answer) && answer.Status == http.StatusBadRequest:
		return page, fmt.Errorf("%w: %w", search.ErrCursor, err) // it came from the client
	}
	return page, err
}

func (i *Index) closePointInTime(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	body, err := json.Marshal(object{"id": id})
	if err == nil {
		_, _ = i.ask(ctx, "close point in time", esapi.ClosePointInTimeRequest{Body: bytes.NewReader(body)})
	}
}

// read reads one page: of the index as it is now, or where a cursor says. An answer that is too large is
// asked for again with fewer hits.
func (i *Index) read(ctx context.Context, q search.Query, cursor *search.Cursor) (search.Page, error) {
	const fewer = 4
	for limit := q.Limit; ; limit = max(1, limit/fewer) {
		body, indices := i.body(q, limit, cursor)
		answer, err := i.search(ctx, "search", indices, body)
		if errors.Is(err, esclient.ErrTooLarge) && limit > 1 {
			continue
		}
		if err != nil {
			return search.Page{}, err
		}
		if cursor != nil && answer.Get("_shards.total").Int() == 0 {
			return search.Page{}, fmt.Errorf("%w: it is of no index", search.ErrCursor)
		}
		return page(q, limit, cursor, answer), nil
	}
}

// conditions are what a search asks for, and how exactly it counts.
func conditions(q search.Query) object {
	query := object{"filter": plainFilters(q.Filter)}
	if !q.Text.IsZero() {
		query["must"] = matching(q.Text)
	}
	body := object{"query": object{"bool": query}, "track_total_hits": search.ExactTotal}
	if filters := otherFilters(facetFilters(q.Filter), ""); len(filters) > 0 {
		body["post_filter"] = object{"bool": object{"filter": filters}}
	}
	return body
}

func (i *Index) body(q search.Query, limit int, cursor *search.Cursor) (body object, indices []string) {
	body = conditions(q)
	body["size"], body["sort"] = limit+1, sorting(q)
	if !q.Text.IsZero() {
		body["highlight"] = highlighting(q.Text)
	}
	if cursor == nil {
		return body, []string{i.config.ReadAlias}
	}
	body["pit"] = object{"id": cursor.Snapshot, "keep_alive": milliseconds(i.config.CursorTTL)}
	if cursor.After != nil {
		body["search_after"] = cursor.After
	}
	return body, nil
}

func page(q search.Query, limit int, cursor *search.Cursor, answer gjson.Result) search.Page {
	hits := answer.Get("hits.hits").Array()
	page := search.Page{Total: total(answer), Took: took(answer)}
	more := len(hits) > limit
	hits = hits[:min(len(hits), limit)]
	page.Hits = make([]search.Hit, len(hits))
	for n, found := range hits {
		page.Hits[n] = hit(q, found)
	}
	if cursor == nil {
		cursor = &search.Cursor{}
	}
	if more {
		page.Next = &search.Cursor{
			Snapshot: answer.Get("pit_id").String(), // the server may give it another name
			After:    json.RawMessage(hits[len(hits)-1].Get("sort").Raw),
			Seen:     cursor.Seen + len(hits),
		}
	}
	return page
}

func total(answer gjson.Result) search.Total {
	found := answer.Get("hits.total")
	return search.Total{Value: int(found.Get("value").Int()), Exact: found.Get("relation").Str == "eq"}
}

func took(answer gjson.Result) time.Duration {
	return time.Duration(answer.Get("took").Int()) * time.Millisecond
}

func hit(q search.Query, found gjson.Result) search.Hit {
	h := search.Hit{Document: document(found.Get("_id").String(), found.Get("_source")), Highlights: readHighlights(found)}
	first := found.Get("sort.0")
	value := first.Float()
	switch {
	case first.Type != gjson.Number: // "Infinity" where there is no place
	case q.Sort.By == search.ByRelevance:
		h.Score = &value
	case q.Sort.By == search.ByDistance:
		h.Distance = &value
	}
	return h
}
