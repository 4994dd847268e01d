package event

import "time"

// Filter selects events. A zero field selects all.
type Filter struct {
	Status       Status
	Category     string
	City         string
	StartsFrom   time.Time // starts_at is this or later
	StartsBefore time.Time // starts_at is earlier than this
}

// Validate returns an *InvalidError naming each field that cannot be asked for, by the name of its query
// parameter.
func (f *Filter) Validate() error {
	v := &validation{}
	if f.Status != "" && !f.Status.Valid() {
		v.add("status", "must be one of draft, published, postponed, cancelled, sold_out")
	}
	v.text("category", f.Category, 0, MaxCategory)
	v.text("city", f.City, 0, MaxCity)
	if !f.StartsFrom.IsZero() {
		v.instant("starts_from", f.StartsFrom)
	}
	if !f.StartsBefore.IsZero() {
		v.instant("starts_before", f.StartsBefore)
	}
	if len(v.errors) == 0 {
		return nil
	}
	return &InvalidError{Fields: v.errors}
}

// Query asks for a page of at most Limit events: those that pass the filter and have a greater id than After.
type Query struct {
	Filter Filter
	After  *ID
	Limit  int
}

// Page is part of an answer; More says that further events follow its last one.
type Page struct {
	Events []Event
	More   bool
}
