package postgres

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"ticketing/eventapi/event"
)

// written are the columns that a client writes, and the types that Postgres reads their JSON members as: from JSON's text,
// so that no digit is lost on the way.
var written = []struct{ name, kind string }{
	{"title", "text"},
	{"description", "text"},
	{"category", "text"},
	{"status", "text"},
	{"organizer", "text"},
	{"venue_name", "text"},
	{"venue_address", "text"},
	{"city", "text"},
	{"country", "text"},
	{"latitude", "double precision"},
	{"longitude", "double precision"},
	{"starts_at", "timestamptz"},
	{"ends_at", "timestamptz"},
	{"price_min", "numeric"},
	{"price_max", "numeric"},
	{"currency", "text"},
	{"capacity", "integer"},
	{"tickets_available", "integer"},
	{"tags", "text[]"},
	{"attributes", "jsonb"},
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

// insert and update take events and fields as JSON: one parameter, and one statement for any number of rows. A statement's
// start costs more than its rows, since Postgres reads all CHECK constraints of the table again for each.
var (
	insert = insertStatement()
	update = updateStatement()
)

func insertStatement() string {
	names, definitions := writtenLists()
	return fmt.Sprintf("INSERT INTO public.events (id, %s) SELECT coalesce(id, uuidv7()), %s FROM json_to_recordset($1) AS given (id uuid, %s) RETURNING %s",
		names, names, definitions, columns)
}

// updateStatement has the id as its second parameter. The names in brackets are the table's, those behind SELECT the JSON's.
func updateStatement() string {
	names, definitions := writtenLists()
	return fmt.Sprintf("UPDATE public.events SET (%s) = (SELECT %s FROM json_to_record($1) AS given (%s)) WHERE id = $2 RETURNING %s",
		names, names, definitions, columns)
}

// writtenLists returns the written columns as a list of names, and as one of names with types.
func writtenLists() (names, definitions string) {
	var named, defined []string
	for _, column := range written {
		named = append(named, column.name)
		defined = append(defined, column.name+" "+column.kind)
	}
	return strings.Join(named, ", "), strings.Join(defined, ", ")
}

// encode returns a new event, or fields, as the statements take them.
func encode(written any) ([]byte, error) {
	text, err := json.Marshal(written)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return text, nil
}

// rows are events as JSON objects, to be inserted by one statement.
type rows [][]byte

// parameter is the rows as insert takes them.
func (r rows) parameter() []byte {
	return slices.Concat([]byte("["), bytes.Join(r, []byte(",")), []byte("]"))
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
