package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/eventsearch/search"
)

// row is an event's own JSON. It is answered as it is, so that no number passes through a float.
type row json.RawMessage

// MarshalJSON returns the bytes.
func (r row) MarshalJSON() ([]byte, error) { return r, nil }

// Schema documents the row for huma.
func (row) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "The event as eventapi answers it, as it was when it was indexed"}
}

// freshness says which change of the event this is, and when it came.
type freshness struct {
	CommittedAt time.Time `json:"committed_at" doc:"When the change was committed in the database"`
	IndexedAt   time.Time `json:"indexed_at" doc:"When it was written to the index"`
	Order       order     `json:"order" doc:"Where the change stands among all of the event's"`
}

type order struct {
	Version string `json:"version" doc:"A decimal number, as text: it may be too large for a double"`
	LSN     string `json:"lsn" doc:"A decimal number, as text: the change's position in the database's log"`
}

func freshnessOf(d search.Document) freshness {
	return freshness{d.CommittedAt, d.IndexedAt, order{
		Version: strconv.FormatInt(d.Order.Version, 10), LSN: strconv.FormatInt(d.Order.LSN, 10),
	}}
}

type eventAnswer struct {
	Event     row          `json:"event"`
	Freshness freshness    `json:"freshness"`
	After     *afterAnswer `json:"after,omitempty" doc:"There when the request named a write"`
}

type pageAnswer struct {
	Items      []item        `json:"items" nullable:"false"`
	Total      total         `json:"total"`
	Facets     *facetsAnswer `json:"facets,omitempty" doc:"On the first page only"`
	NextCursor *string       `json:"next_cursor" doc:"Asks for the next page; null on the last one"`
	After      *afterAnswer  `json:"after,omitempty" doc:"There when the request named a write"`
	TookMS     int64         `json:"took_ms" doc:"Milliseconds that Elasticsearch took"`
}

type item struct {
	ID         string    `json:"id"`
	Event      row       `json:"event"`
	Freshness  freshness `json:"freshness"`
	Score      *float64  `json:"score,omitempty" doc:"When sorted by relevance"`
	DistanceKM *float64  `json:"distance_km,omitempty" doc:"When sorted by distance"`
	Highlight  highlight `json:"highlight"`
}

type highlight struct {
	Title       string `json:"title,omitempty" doc:"HTML: the escaped title with <mark> around what matches"`
	Description string `json:"description,omitempty" doc:"HTML: an escaped part of the description with <mark> around what matches"`
}

type total struct {
	Value int  `json:"value"`
	Exact bool `json:"exact" doc:"false: there are at least so many"`
}

type facetsAnswer struct {
	Category []bucket `json:"category" nullable:"false" doc:"The 20 most frequent"`
	City     []bucket `json:"city" nullable:"false" doc:"The 20 most frequent"`
	Month    []bucket `json:"month" nullable:"false" doc:"Of starts_at, in UTC; the first 120 that have events"`
	Price    []band   `json:"price" nullable:"false" doc:"An event counts in every band that its prices meet, whatever its currency"`
}

type bucket struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

type band struct {
	PriceMin string  `json:"price_min" doc:"Ask with these two for the events of the band"`
	PriceMax *string `json:"price_max" doc:"null has no end"`
	Count    int     `json:"count"`
}

type suggestAnswer struct {
	Completions []completion `json:"completions" nullable:"false"`
	DidYouMean  *string      `json:"did_you_mean" doc:"A corrected text, when nothing completes this one"`
}

type completion struct {
	Text  string `json:"text"`
	Kind  string `json:"kind" enum:"title,city,venue,organizer"`
	Count int    `json:"count" doc:"Events that have it, among the first 1000 that match"`
}

func newPage(query search.Query, page search.Page, after *afterAnswer) (pageAnswer, error) {
	answer := pageAnswer{
		Items: make([]item, len(page.Hits)), Total: total(page.Total), Facets: newFacets(page.Facets), After: after,
		TookMS: page.Took.Milliseconds(),
	}
	for n, hit := range page.Hits {
		answer.Items[n] = item{
			ID: hit.ID, Event: row(hit.Event), Freshness: freshnessOf(hit.Document), Score: hit.Score, DistanceKM: hit.Distance,
			Highlight: highlight(hit.Highlights),
		}
	}
	if page.Next != nil {
		cursor, err := encodeCursor(*page.Next, query)
		if err != nil {
			return answer, err
		}
		answer.NextCursor = &cursor
	}
	return answer, nil
}

func newFacets(facets *search.Facets) *facetsAnswer {
	if facets == nil {
		return nil
	}
	buckets := func(found []search.Bucket) []bucket {
		answer := make([]bucket, len(found))
		for n, f := range found {
			answer[n] = bucket(f)
		}
		return answer
	}
	answer := &facetsAnswer{
		Category: buckets(facets.Categories), City: buckets(facets.Cities), Month: buckets(facets.Months),
		Price: make([]band, len(facets.Prices)),
	}
	for n, f := range facets.Prices {
		answer.Price[n] = band{PriceMin: string(f.Min), Count: f.Count}
		if f.Max != "" {
			answer.Price[n].PriceMax = (*string)(&f.Max)
		}
	}
	return answer
}

// encode leaves < > & as they are: the answer is no HTML, and a row's bytes stay its own.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return text.Bytes(), nil
}
