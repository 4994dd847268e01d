package postgres

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"ticketing/eventapi/event"
)

// A column is written from an argument of its own name. The cast makes Postgres read decimals and JSON as text,
// so that no digit is lost on the way.
var written = []struct{ name, cast string }{
	{"title", ""},
	{"description", ""},
	{"category", ""},
	{"status", ""},
	{"organizer", ""},
	{"venue_name", ""},
	{"venue_address", ""},
	{"city", ""},
	{"country", ""},
	{"latitude", ""},
	{"longitude", ""},
	{"starts_at", ""},
	{"ends_at", ""},
	{"price_min", "::text::numeric"},
	{"price_max", "::text::numeric"},
	{"currency", ""},
	{"capacity", ""},
	{"tickets_available", ""},
	{"tags", ""},
	{"attributes", "::text::jsonb"},
}

// columns is what scan reads, and names are what the columns are called.
const (
	columns = `id, title, description, category, status, organizer, venue_name, venue_address, city, country,
	latitude, longitude, starts_at, ends_at, price_min::text, price_max::text, currency,
	capacity, tickets_available, tags, attributes::text, version, created_at, updated_at`
	names = `id, title, description, category, status, organizer, venue_name, venue_address, city, country,
	latitude, longitude, starts_at, ends_at, price_min, price_max, currency,
	capacity, tickets_available, tags, attributes, version, created_at, updated_at`
)

var (
	assignments = setList()
	insert      = insertStatement()
)

func setList() string {
	list := make([]string, len(written))
	for i, column := range written {
		list[i] = fmt.Sprintf("%s = @%s%s", column.name, column.name, column.cast)
	}
	return strings.Join(list, ", ")
}

func insertStatement() string {
	names := make([]string, len(written))
	values := make([]string, len(written))
	for i, column := range written {
		names[i] = column.name
		values[i] = "@" + column.name + column.cast
	}
	return fmt.Sprintf("INSERT INTO public.events (id, %s) VALUES (coalesce(@id, uuidv7()), %s) RETURNING %s",
		strings.Join(names, ", "), strings.Join(values, ", "), columns)
}

// arguments returns the value of every written column.
func arguments(f event.Fields) (pgx.NamedArgs, error) {
	attributes, err := json.Marshal(f.Attributes)
	if err != nil {
		return nil, fmt.Errorf("encode attributes: %w", err)
	}
	return pgx.NamedArgs{
		"title": f.Title, "description": f.Description, "category": f.Category, "status": string(f.Status),
		"organizer": f.Organizer, "venue_name": f.VenueName, "venue_address": f.VenueAddress, "city": f.City,
		"country": f.Country, "latitude": f.Latitude, "longitude": f.Longitude,
		"starts_at": f.StartsAt, "ends_at": f.EndsAt,
		"price_min": decimal(f.PriceMin), "price_max": decimal(f.PriceMax), "currency": f.Currency,
		"capacity": f.Capacity, "tickets_available": f.TicketsAvailable, "tags": f.Tags,
		"attributes": string(attributes),
	}, nil
}

func decimal(price *event.Price) *string {
	if price == nil {
		return nil
	}
	text := price.String()
	return &text
}

func price(text *string) (*event.Price, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // no price is a value of its own
	}
	parsed, err := event.ParsePrice(*text)
	if err != nil {
		return nil, fmt.Errorf("price %q: %w", *text, err)
	}
	return &parsed, nil
}

// scan reads one row of columns, and what follows them into more.
func scan(row pgx.CollectableRow, more ...any) (event.Event, error) {
	var (
		e                  event.Event
		id                 [16]byte
		status, attributes string
		priceMin, priceMax *string
	)
	targets := []any{
		&id, &e.Title, &e.Description, &e.Category, &status, &e.Organizer,
		&e.VenueName, &e.VenueAddress, &e.City, &e.Country, &e.Latitude, &e.Longitude, &e.StartsAt, &e.EndsAt,
		&priceMin, &priceMax, &e.Currency, &e.Capacity, &e.TicketsAvailable, &e.Tags, &attributes,
		&e.Version, &e.CreatedAt, &e.UpdatedAt,
	}
	if err := row.Scan(append(targets, more...)...); err != nil {
		return e, fmt.Errorf("read a row of events: %w", err)
	}
	e.ID = id
	e.Status = event.Status(status)
	var err error
	if e.PriceMin, err = price(priceMin); err != nil {
		return e, err
	}
	if e.PriceMax, err = price(priceMax); err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(attributes), &e.Attributes); err != nil {
		return e, fmt.Errorf("decode attributes: %w", err)
	}
	e.StartsAt, e.EndsAt = e.StartsAt.UTC(), e.EndsAt.UTC()
	e.CreatedAt, e.UpdatedAt = e.CreatedAt.UTC(), e.UpdatedAt.UTC()
	return e, nil
}
