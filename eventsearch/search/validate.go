package search

import (
	"fmt"
	"slices"
)

var statuses = []string{"cancelled", "draft", "postponed", "published", "sold_out"}

// Validate returns an *InvalidError naming each parameter that does not go with the others, by its name.
func (q *Query) Validate() error {
	var invalid InvalidError
	check := func(ok bool, field, message string) {
		if !ok {
			invalid.Fields = append(invalid.Fields, FieldError{field, message})
		}
	}
	f := q.Filter
	for _, status := range f.Statuses {
		check(slices.Contains(statuses, status), "status", "must be one of draft, published, postponed, cancelled, sold_out")
	}
	check(!f.PriceMin.above(f.PriceMax), "price_max", "must be at least price_min")
	check(f.StartsFrom.IsZero() || f.StartsTo.IsZero() || !f.StartsFrom.After(f.StartsTo), "starts_to", "must not be before starts_from")
	check(f.Within == 0 || f.Near != nil, "near", "is required with within")
	check(f.Within >= 0 && f.Within <= MaxWithin, "within", fmt.Sprintf("must be above 0 and at most %d", MaxWithin))
	check(q.Sort.By != ByDistance || f.Near != nil, "near", "is required with sort=distance")
	check(q.Sort.By != ByRelevance || !q.Text.IsZero(), "q", "is required with sort=relevance")
	check(q.Limit >= 1 && q.Limit <= MaxLimit, "limit", fmt.Sprintf("must be from 1 to %d", MaxLimit))
	check(q.Cursor == nil || q.Cursor.Seen < MaxDepth, "cursor", fmt.Sprintf("leads beyond the first %d hits: narrow the search by filters", MaxDepth))
	if len(invalid.Fields) > 0 {
		return &invalid
	}
	return nil
}
