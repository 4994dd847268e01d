package event

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Validate checks every rule that an event keeps by itself and returns an *InvalidError naming all fields that
// break one, or nil. The database checks the same rules again.
func (f *Fields) Validate() error {
	v := &validation{}
	f.validateText(v)
	f.validatePlace(v)
	f.validateTimes(v)
	f.validatePrices(v)
	f.validateTickets(v)
	f.validateTags(v)
	if message := checkAttributes(f.Attributes); message != "" {
		v.add("attributes", "%s", message)
	}
	if len(v.errors) == 0 {
		return nil
	}
	return &InvalidError{Fields: v.errors}
}

type validation struct {
	errors []FieldError
}

func (v *validation) add(field, format string, args ...any) {
	v.errors = append(v.errors, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// text checks the length in characters, and that the database can store the text at all.
func (v *validation) text(field, value string, shortest, longest int) {
	switch {
	case !utf8.ValidString(value):
		v.add(field, "must be valid UTF-8")
	case strings.ContainsRune(value, 0):
		v.add(field, "must not contain the NUL character (U+0000)")
	case value == "" && shortest > 0:
		v.add(field, "must not be empty")
	case utf8.RuneCountInString(value) > longest:
		v.add(field, "must have at most %d characters", longest)
	}
}

func (v *validation) optionalText(field string, value *string, longest int) {
	if value != nil {
		v.text(field, *value, 0, longest)
	}
}

// code checks for exactly length capital letters.
func (v *validation) code(field string, value *string, length int, standard string) {
	if value == nil {
		return
	}
	ok := len(*value) == length
	for _, c := range []byte(*value) {
		ok = ok && 'A' <= c && c <= 'Z'
	}
	if !ok {
		v.add(field, "must be %d capital letters (%s)", length, standard)
	}
}

func (f *Fields) validateText(v *validation) {
	v.text("title", f.Title, 1, MaxTitle)
	v.optionalText("description", f.Description, MaxDescription)
	v.text("category", f.Category, 1, MaxCategory)
	v.text("organizer", f.Organizer, 1, MaxOrganizer)
	if !f.Status.Valid() {
		v.add("status", "must be one of draft, published, postponed, cancelled, sold_out")
	}
}

func (f *Fields) validatePlace(v *validation) {
	v.optionalText("venue_name", f.VenueName, MaxVenueName)
	v.optionalText("venue_address", f.VenueAddress, MaxVenueAddress)
	v.optionalText("city", f.City, MaxCity)
	v.code("country", f.Country, 2, "ISO 3166-1 alpha-2")
	v.degrees("latitude", f.Latitude, 90)
	v.degrees("longitude", f.Longitude, 180)
	if f.Latitude == nil && f.Longitude != nil {
		v.add("latitude", "is required with longitude")
	}
	if f.Longitude == nil && f.Latitude != nil {
		v.add("longitude", "is required with latitude")
	}
}

func (v *validation) degrees(field string, value *float64, limit float64) {
	if value != nil && !(math.Abs(*value) <= limit) { // the negation catches NaN
		v.add(field, "must lie between -%g and %g", limit, limit)
	}
}

func (f *Fields) validateTimes(v *validation) {
	starts := v.instant("starts_at", f.StartsAt)
	ends := v.instant("ends_at", f.EndsAt)
	if starts && ends && !f.EndsAt.Truncate(time.Microsecond).After(f.StartsAt.Truncate(time.Microsecond)) {
		v.add("ends_at", "must be after starts_at")
	}
}

// instant checks that both the database and RFC 3339, which has four digits for the year, can carry the time.
func (v *validation) instant(field string, value time.Time) bool {
	if year := value.UTC().Year(); year < 1 || year > 9999 {
		v.add(field, "must lie in the years 0001 to 9999 (UTC)")
		return false
	}
	return true
}

func (f *Fields) validatePrices(v *validation) {
	v.price("price_min", f.PriceMin)
	v.price("price_max", f.PriceMax)
	switch {
	case f.PriceMin == nil && f.PriceMax != nil:
		v.add("price_min", "is required with price_max")
	case f.PriceMax == nil && f.PriceMin != nil:
		v.add("price_max", "is required with price_min")
	case f.PriceMin != nil && *f.PriceMax < *f.PriceMin:
		v.add("price_max", "must be at least price_min")
	}
	v.code("currency", f.Currency, 3, "ISO 4217")
	if f.Currency == nil && (f.PriceMin != nil || f.PriceMax != nil) {
		v.add("currency", "is required with prices")
	}
}

func (v *validation) price(field string, value *Price) {
	if value != nil && (*value < 0 || *value > maxPriceHundreds) {
		v.add(field, "%s", errPrice.Error())
	}
}

func (f *Fields) validateTickets(v *validation) {
	if f.Capacity != nil && *f.Capacity < 0 {
		v.add("capacity", "must not be negative")
	}
	switch {
	case f.TicketsAvailable == nil:
	case *f.TicketsAvailable < 0:
		v.add("tickets_available", "must not be negative")
	case f.Capacity != nil && *f.TicketsAvailable > *f.Capacity:
		v.add("tickets_available", "must be at most capacity")
	}
}

func (f *Fields) validateTags(v *validation) {
	if len(f.Tags) > MaxTags {
		v.add("tags", "must have at most %d elements", MaxTags)
		return
	}
	for i, tag := range f.Tags {
		v.text(fmt.Sprintf("tags[%d]", i), tag, 1, MaxTag)
	}
}
