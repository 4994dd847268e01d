package elastic

import (
	"github.com/tidwall/gjson"

	"ticketing/eventsearch/search"
)

const (
	facetValues = 20  // the most frequent categories and cities
	facetMonths = 120 // the first months that have events
)

// bands are the ranges of the price facet. Both ends belong to them, as they do to the filter's.
var bands = []search.Band{
	{Min: "0", Max: "24.99"},
	{Min: "25", Max: "49.99"},
	{Min: "50", Max: "99.99"},
	{Min: "100", Max: "249.99"},
	{Min: "250"},
}

// facets counts by category, city, month and price.
func facets(f search.Filter) object {
	filters := facetFilters(f)
	facet := func(name string, aggregation object) object {
		return object{
			"filter": object{"bool": object{"filter": otherFilters(filters, name)}},
			"aggs":   object{"values": aggregation},
		}
	}
	ranges := make([]object, len(bands))
	for n, band := range bands {
		ranges[n] = object{"bool": object{"filter": pricesMeet(band.Min, band.Max)}}
	}
	// A composite is bounded whatever years there are events of; a date_histogram fails beyond 65,536 months.
	months := object{"composite": object{"size": facetMonths, "sources": []object{{"month": object{
		"date_histogram": object{"field": "starts_at", "calendar_interval": "month", "format": "yyyy-MM"},
	}}}}}
	return object{
		categoryFacet: facet(categoryFacet, object{"terms": object{"field": "category", "size": facetValues}}),
		cityFacet:     facet(cityFacet, object{"terms": object{"field": "city.keyword", "size": facetValues}}),
		monthFacet:    facet(monthFacet, months),
		priceFacet:    facet(priceFacet, object{"filters": object{"filters": ranges}}),
	}
}

func readFacets(answer gjson.Result) *search.Facets {
	buckets := func(facet, key string) []search.Bucket {
		found := []search.Bucket{}
		for _, bucket := range answer.Get("aggregations." + facet + ".values.buckets").Array() {
			found = append(found, search.Bucket{Value: bucket.Get(key).String(), Count: int(bucket.Get("doc_count").Int())})
		}
		return found
	}
	facets := &search.Facets{
		Categories: buckets(categoryFacet, "key"), Cities: buckets(cityFacet, "key"), Months: buckets(monthFacet, "key.month"),
	}
	for n, bucket := range answer.Get("aggregations." + priceFacet + ".values.buckets").Array() {
		band := bands[n]
		band.Count = int(bucket.Get("doc_count").Int())
		facets.Prices = append(facets.Prices, band)
	}
	return facets
}
