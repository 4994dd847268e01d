package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/eventsearch/search"
	"ticketing/internal/rest"
)

// How long answers may be kept by whom. A search may not be kept: after one that showed a write, no kept answer may hide
// it again, and a new cursor and time in each leave no tag that could ever match. An event is asked for again with its
// tag. What completes a text may be a little old.
const (
	dontKeep      = "no-store"
	askAgain      = "private, no-cache"
	forAShortTime = "private, max-age=10"
)

type searchInput struct {
	AfterInput
	Q          string   `query:"q" maxLength:"200" doc:"Words to find in title, description, venue, city, organizer and tags, with small typos; \"words in quotes\" stand together; the last word may be the beginning of one. At most 12 words and phrases"`
	Category   []string `query:"category,explode" maxItems:"20" minLength:"1" maxLength:"1000" doc:"One of these; may be repeated, or a list with commas, in which \\, is a comma of a value"`
	Status     []string `query:"status,explode" maxItems:"20" minLength:"1" maxLength:"1000" doc:"One of draft, published, postponed, cancelled, sold_out, or several"`
	City       []string `query:"city,explode" maxItems:"20" minLength:"1" maxLength:"1000" doc:"One of these"`
	Country    []string `query:"country,explode" maxItems:"20" minLength:"1" maxLength:"1000" doc:"One of these, ISO 3166-1 alpha-2"`
	Tags       []string `query:"tags,explode" maxItems:"20" minLength:"1" maxLength:"1000" doc:"One of these"`
	PriceMin   string   `query:"price_min" pattern:"^(0|[1-9][0-9]{0,9})([.][0-9]{1,2})?$" doc:"Events that have tickets at this price or more, whatever the currency"`
	PriceMax   string   `query:"price_max" pattern:"^(0|[1-9][0-9]{0,9})([.][0-9]{1,2})?$" doc:"Events that have tickets at this price or less"`
	StartsFrom string   `query:"starts_from" format:"date-time" doc:"Events that start then or later, to the millisecond"`
	StartsTo   string   `query:"starts_to" format:"date-time" doc:"Events that start then or earlier"`
	Near       string   `query:"near" maxLength:"50" pattern:"^-?[0-9]{1,2}([.][0-9]{1,15})?,-?[0-9]{1,3}([.][0-9]{1,15})?$" doc:"latitude,longitude in degrees, such as 48.2,16.37"`
	Within     float64  `query:"within" exclusiveMinimum:"0" maximum:"20000" doc:"Kilometres around near"`
	Sort       string   `query:"sort" enum:"relevance,date,price,distance" doc:"relevance when there is a q, otherwise date"`
	Order      string   `query:"order" enum:"asc,desc" doc:"desc for relevance, otherwise asc"`
	Limit      int      `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"At most this many events; a page of large events may have fewer"`
	Cursor     string   `query:"cursor" minLength:"1" maxLength:"8192" doc:"next_cursor of the page before, with the same parameters"`
}

// parser collects what is wrong with the parameters.
type parser struct{ errs []*huma.ErrorDetail }

// parse reads a parameter that is there.
func parse[T any](p *parser, name, text string, read func(string) (T, error)) (value T) {
	if text == "" {
		return value
	}
	value, err := read(text)
	if err != nil {
		p.errs = append(p.errs, rest.At("query."+name, err.Error()))
	}
	return value
}

func (p *parser) list(name string, parts []string) []string {
	values, err := search.ParseList(parts)
	if err != nil {
		p.errs = append(p.errs, rest.At("query."+name, err.Error()))
	}
	return values
}

func (in *searchInput) query() (search.Query, error) {
	p := &parser{}
	query := search.Query{
		Text: parse(p, "q", in.Q, search.ParseText),
		Filter: search.Filter{
			Categories: p.list("category", in.Category), Statuses: p.list("status", in.Status), Cities: p.list("city", in.City),
			Countries: p.list("country", in.Country), Tags: p.list("tags", in.Tags),
			PriceMin: parse(p, "price_min", in.PriceMin, search.ParseDecimal), PriceMax: parse(p, "price_max", in.PriceMax, search.ParseDecimal),
			StartsFrom: parse(p, "starts_from", in.StartsFrom, search.ParseTime), StartsTo: parse(p, "starts_to", in.StartsTo, search.ParseTime),
			Near: parse(p, "near", in.Near, parsePoint), Within: in.Within,
		},
		Limit: in.Limit,
	}
	query.Sort = in.sorting(query.Text)
	if len(p.errs) > 0 {
		return query, rest.Unprocessable(p.errs...)
	}
	query.Cursor = parse(p, "cursor", in.Cursor, func(text string) (*search.Cursor, error) { return decodeCursor(text, query) })
	if len(p.errs) > 0 {
		return query, rest.Unprocessable(p.errs...)
	}
	return query, query.Validate()
}

func parsePoint(text string) (*search.Point, error) {
	point, err := search.ParsePoint(text)
	return &point, err
}

func (in *searchInput) sorting(text search.Text) search.Sort {
	by := search.By(in.Sort)
	switch {
	case by == "" && text.IsZero():
		by = search.ByDate
	case by == "":
		by = search.ByRelevance
	}
	return search.Sort{By: by, Descending: in.Order == "desc" || in.Order == "" && by == search.ByRelevance}
}

type searchOutput struct {
	ContentType  string `header:"Content-Type" hidden:"true"`
	CacheControl string `header:"Cache-Control" hidden:"true"`
	Body         []byte
}

func (a *API) search(ctx context.Context, in *searchInput) (*searchOutput, error) {
	query, err := in.query()
	if err != nil {
		return nil, err
	}
	after, err := a.await(ctx, in.AfterInput)
	if err != nil {
		return nil, err
	}
	page, err := through(a.searches, func() (search.Page, error) { return a.searcher.Search(ctx, query) })
	if err != nil {
		return nil, err
	}
	answer, err := newPage(query, page, after)
	if err != nil {
		return nil, err
	}
	text, err := encode(answer)
	return &searchOutput{ContentType: jsonType, CacheControl: dontKeep, Body: text}, err
}

const jsonType = "application/json"

type getInput struct {
	AfterInput
	ID          string `path:"id" format:"uuid" doc:"The event's id"`
	IfNoneMatch string `header:"If-None-Match" minLength:"1" pattern:"^([*]|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$" patternDescription:"* or a list of entity tags in double quotes" doc:"Answers 304 when the event's ETag is among these"`
}

type getOutput struct {
	Status       int
	ContentType  string `header:"Content-Type" hidden:"true"`
	CacheControl string `header:"Cache-Control" hidden:"true"`
	ETag         string `header:"ETag" hidden:"true"`
	Body         []byte
}

func (a *API) get(ctx context.Context, in *getInput) (*getOutput, error) {
	id, err := search.ParseID(in.ID)
	if err != nil {
		return nil, rest.Unprocessable(rest.At("path.id", err.Error()))
	}
	tags, err := rest.ParseEntityTags(in.IfNoneMatch)
	if err != nil {
		return nil, rest.Unprocessable(rest.At("header.If-None-Match", err.Error()))
	}
	after, err := a.await(ctx, in.AfterInput)
	if err != nil {
		return nil, err
	}
	found, err := through(a.searches, func() (search.Document, error) { return a.searcher.Get(ctx, id) })
	if errors.Is(err, search.ErrNotFound) && !after.shown() {
		return nil, rest.NewProblem(http.StatusNotFound, "event not found; the write that after names is not searchable yet")
	}
	if err != nil {
		return nil, err
	}
	// The tag is weak: the freshness changes without the version when the index is built anew.
	out := &getOutput{Status: http.StatusOK, ContentType: jsonType, CacheControl: askAgain, ETag: `W/"` + found.Version + `"`}
	if !after.shown() {
		out.CacheControl = dontKeep
	} else if tags.MatchWeak(found.Version) {
		return &getOutput{Status: http.StatusNotModified, CacheControl: askAgain, ETag: out.ETag}, nil
	}
	out.Body, err = encode(eventAnswer{Event: row(found.Event), Freshness: freshnessOf(found), After: after})
	return out, err
}

type suggestInput struct {
	Q string `query:"q" required:"true" minLength:"1" maxLength:"100" doc:"What was typed so far"`
}

func (a *API) suggest(ctx context.Context, in *suggestInput) (*searchOutput, error) {
	text, err := search.ParseText(in.Q)
	if err != nil {
		return nil, rest.Unprocessable(rest.At("query.q", err.Error()))
	}
	answer := suggestAnswer{Completions: []completion{}}
	if !text.IsZero() {
		ctx, cancel := context.WithTimeout(ctx, a.config.SuggestTimeout)
		defer cancel()
		found, err := through(a.suggestions, func() (search.Suggestions, error) { return a.searcher.Suggest(ctx, in.Q) })
		if err != nil {
			return nil, err
		}
		for _, c := range found.Completions {
			answer.Completions = append(answer.Completions, completion(c))
		}
		if found.DidYouMean != "" {
			answer.DidYouMean = &found.DidYouMean
		}
	}
	body, err := encode(answer)
	return &searchOutput{ContentType: jsonType, CacheControl: forAShortTime, Body: body}, err
}
