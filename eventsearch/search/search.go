// Package search is what can be asked of the index of events, and what it answers.
package search

import (
	"encoding/json"
	"time"
)

// Limits of a search.
const (
	MaxText   = 200    // characters of a text
	MaxTerms  = 12     // words and phrases of a text
	MaxValues = 20     // values of one filter
	MaxValue  = 300    // characters of a value
	MaxLimit  = 100    // hits of one page
	MaxDepth  = 10_000 // hits of all pages
	MaxWithin = 20_000 // kilometres, about half of the earth's circumference

	// ExactTotal is up to where a total is exact.
	ExactTotal = 10_000
)

// Query asks for one page of the events that pass the filter and match the text.
type Query struct {
	Text   Text
	Filter Filter
	Sort   Sort
	Limit  int
	Cursor *Cursor // of the page before; nil asks for the first
}

// Filter selects events. A zero field selects all; within a list one value is enough.
type Filter struct {
	Categories, Statuses, Cities, Countries, Tags []string

	PriceMin, PriceMax Decimal   // events whose range of prices meets this one
	StartsFrom         time.Time // starts_at is this or later
	StartsTo           time.Time // starts_at is this or earlier
	Near               *Point
	Within             float64 // kilometres around Near
}

// Point is a place on earth, in degrees.
type Point struct{ Lat, Lon float64 }

// Sort is the order of the hits. Relevance has the best first when descending.
type Sort struct {
	By         By
	Descending bool
}

// By is what hits are sorted by.
type By string

// What hits can be sorted by. Events without a price or a place come last when ascending.
const (
	ByRelevance By = "relevance"
	ByDate      By = "date"
	ByPrice     By = "price"
	ByDistance  By = "distance" // from Filter.Near
)

// Cursor says where the next page begins, in the index as it was at the first page.
type Cursor struct {
	Snapshot string          // the server's name for the index of that moment
	After    json.RawMessage // what the last hit was sorted by
	Seen     int             // hits so far
}

// Page is one page of an answer.
type Page struct {
	Hits   []Hit
	Total  Total
	Facets *Facets // of the first page only
	Next   *Cursor // nil on the last page
	Took   time.Duration
}

// Total counts all events that match; beyond ExactTotal it is a lower bound.
type Total struct {
	Value int
	Exact bool
}

// Hit is an event that matches.
type Hit struct {
	Document
	Score      *float64 // when sorted by relevance
	Distance   *float64 // kilometres, when sorted by distance and the event has a place
	Highlights Highlights
}

// Highlights are HTML: escaped text in which <mark> stands around what matches. Empty is nothing to mark.
type Highlights struct{ Title, Description string }

// Document is an event as it is indexed.
type Document struct {
	ID          string
	Version     string          // the row's version, as the row has it
	Event       json.RawMessage // the row's values with all their digits
	CommittedAt time.Time       // when the change was committed in the database
	IndexedAt   time.Time       // when it was written to the index
	Order       Order
}

// Order is where a change stands among all changes of its event.
type Order struct{ Version, LSN int64 }

// Facets count the events that match by their values. The count of one facet disregards its own filter.
type Facets struct {
	Categories, Cities, Months []Bucket
	Prices                     []Band
}

// Bucket counts the events of one value.
type Bucket struct {
	Value string
	Count int
}

// Band counts the events whose prices meet a range. An empty Max has no end.
type Band struct {
	Min, Max Decimal
	Count    int
}

// Suggestions complete a text that is being typed.
type Suggestions struct {
	Completions []Completion
	DidYouMean  string // a text of words that exist, when nothing completes this one; empty for none
}

// Completion is a value that begins like the text, or has a word that does.
type Completion struct {
	Text  string
	Kind  string // title, city, venue or organizer
	Count int    // events that have it, among those looked at
}

// Token names a write: the event, and a position of the log that lies behind every earlier change of the event.
type Token struct {
	ID       string
	Position int64
}
