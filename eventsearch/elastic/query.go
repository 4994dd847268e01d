package elastic

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"ticketing/eventsearch/search"
)

// Where a text is looked for, and how much a match counts. A title says best what an event is; in a description
// almost any word may stand.
var (
	exactFields  = []string{"title^4", "venue_name^2.5", "city^2.5", "organizer^1.5", "tags.text^2", "description^0.7"}
	typoFields   = []string{"title^1.2", "venue_name^0.8", "city^0.8", "organizer^0.5", "tags.text^0.6", "description^0.1"}
	prefixFields = []string{"title^1.5", "venue_name", "city", "organizer^0.6", "tags.text^0.8"}
)

const (
	// Words of fewer letters are taken as they are: a third of a short word is no typo.
	minTypoLetters = 4
	typoDistances  = "AUTO:4,8" // one edit from four letters on, two from eight
	typoExpansions = 20         // words of the index tried for one that was typed
)

// matching is the query of a text: all of two words must be found, three quarters of more, and every phrase.
func matching(text search.Text) object {
	var words, phrases, better []object
	for n, word := range text.Words {
		words = append(words, wordQuery(word, text.Open && n == len(text.Words)-1))
	}
	for _, phrase := range text.Phrases {
		phrases = append(phrases, object{"multi_match": object{"query": phrase, "type": "phrase", "fields": exactFields}})
	}
	if len(text.Words) > 1 {
		together := object{"query": strings.Join(text.Words, " "), "slop": 1, "boost": 3}
		better = append(better, object{"match_phrase": object{"title": together}})
	}
	must := phrases
	if len(words) > 0 {
		must = append(must, object{"bool": object{"should": words, "minimum_should_match": "2<75%"}})
	}
	return object{"bool": object{"must": must, "should": better}}
}

// wordQuery finds a word as it is, with a typo, and as the beginning of another one when it is open.
func wordQuery(word string, open bool) object {
	ways := []object{{"multi_match": object{"query": word, "operator": "and", "fields": exactFields}}}
	if utf8.RuneCountInString(word) >= minTypoLetters {
		ways = append(ways, object{"multi_match": object{
			"query": word, "operator": "and", "fields": typoFields,
			"fuzziness": typoDistances, "prefix_length": 1, "max_expansions": typoExpansions,
		}})
	}
	if open {
		ways = append(ways, object{"multi_match": object{"query": word, "type": "bool_prefix", "operator": "and", "fields": prefixFields}})
	}
	return object{"dis_max": object{"queries": ways, "tie_breaker": 0.1}}
}

// A facet's own filter must not narrow its counts. So the filters of facets are applied behind the query, and to each
// facet but their own.
const (
	categoryFacet = "category"
	cityFacet     = "city"
	monthFacet    = "month"
	priceFacet    = "price"
)

func facetFilters(f search.Filter) map[string][]object {
	filters := map[string][]object{}
	if len(f.Categories) > 0 {
		filters[categoryFacet] = []object{terms("category", f.Categories)}
	}
	if len(f.Cities) > 0 {
		filters[cityFacet] = []object{terms("city.keyword", f.Cities)}
	}
	starts := object{}
	setTime(starts, "gte", f.StartsFrom)
	setTime(starts, "lte", f.StartsTo)
	if len(starts) > 0 {
		filters[monthFacet] = []object{{"range": object{"starts_at": starts}}}
	}
	if prices := pricesMeet(f.PriceMin, f.PriceMax); len(prices) > 0 {
		filters[priceFacet] = prices
	}
	return filters
}

// otherFilters returns the filters of all facets but one.
func otherFilters(filters map[string][]object, but string) []object {
	others := []object{}
	for _, facet := range []string{categoryFacet, cityFacet, monthFacet, priceFacet} {
		if facet != but {
			others = append(others, filters[facet]...)
		}
	}
	return others
}

// plainFilters are those of no facet. Deleted events are hidden by the alias already, but a cursor's snapshot comes back
// from the client, and what it shows should not depend on that.
func plainFilters(f search.Filter) []object {
	filters := []object{{"term": object{bookkeeping + ".deleted": false}}}
	for field, values := range map[string][]string{"status": f.Statuses, "country": f.Countries} {
		if len(values) > 0 {
			filters = append(filters, terms(field, values))
		}
	}
	if len(f.Tags) > 0 {
		filters = append(filters, terms("tags", f.Tags))
	}
	if f.Near != nil && f.Within > 0 {
		filters = append(filters, object{"geo_distance": object{
			"distance": number(f.Within) + "km", "location": point(*f.Near),
		}})
	}
	return filters
}

func terms(field string, values []string) object { return object{"terms": object{field: values}} }

func setTime(bounds object, operator string, t time.Time) {
	if !t.IsZero() {
		bounds[operator] = t.Format(time.RFC3339Nano)
	}
}

// pricesMeet selects the events whose prices, from price_min to price_max, meet a range.
func pricesMeet(least, most search.Decimal) []object {
	var filters []object
	if least != "" {
		filters = append(filters, object{"range": object{"price_max": object{"gte": json.Number(least)}}})
	}
	if most != "" {
		filters = append(filters, object{"range": object{"price_min": object{"lte": json.Number(most)}}})
	}
	return filters
}

func point(p search.Point) object { return object{"lat": p.Lat, "lon": p.Lon} }

func number(value float64) string {
	text, _ := json.Marshal(value) // a finite number always marshals
	return string(text)
}

// sorting ends with the id, so that there is one order only.
func sorting(q search.Query) []object {
	order := "asc"
	if q.Sort.Descending {
		order = "desc"
	}
	id := object{"id": object{"order": "asc", "missing": "_last"}}
	switch q.Sort.By {
	case search.ByRelevance:
		return []object{{"_score": object{"order": order}}, {"starts_at": object{"order": "asc"}}, id}
	case search.ByPrice:
		return []object{{"price_min": object{"order": order, "missing": "_last"}}, id}
	case search.ByDistance:
		return []object{{"_geo_distance": object{"location": point(*q.Filter.Near), "order": order, "unit": "km"}}, id}
	case search.ByDate:
		return []object{{"starts_at": object{"order": order}}, id}
	}
	return []object{id}
}
