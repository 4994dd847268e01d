package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"ticketing/eventapi/event"
)

// pageBytes bounds the large columns of one page, so that 200 events of the largest size are not held in memory
// at once. The first event of a page is exempt.
const pageBytes = 8 << 20

// List returns one page of the events that pass the filter, in the order of their ids, which never change: a walk
// over all pages meets every event that exists throughout exactly once. A page may be shorter than the limit
// although more follow, when its events are large.
func (s *Store) List(ctx context.Context, query event.Query) (event.Page, error) {
	where, args := conditions(query)
	args["fetch"] = query.Limit + 1
	args["bytes"] = pageBytes
	// octet_length of a plain column reads its size without reading the value
	rows, err := s.pool.Query(ctx, `
		WITH page AS MATERIALIZED (
			SELECT `+columns+`, octet_length(description) AS description_bytes
			FROM public.events WHERE `+where+` ORDER BY id LIMIT @fetch),
		sized AS (
			SELECT page.*, count(*) OVER () AS fetched,
				sum(coalesce(description_bytes, 0) + octet_length(attributes)) OVER (ORDER BY id)
					- coalesce(description_bytes, 0) - octet_length(attributes) AS bytes_before
			FROM page)
		SELECT `+names+`, fetched FROM sized WHERE bytes_before < @bytes ORDER BY id`, args)
	if err != nil {
		return event.Page{}, classify(err, "list events")
	}
	var fetched int
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Event, error) {
		return scan(row, &fetched)
	})
	if err != nil {
		return event.Page{}, classify(err, "list events")
	}
	events = events[:min(len(events), query.Limit)]
	return event.Page{Events: events, More: fetched > len(events)}, nil
}

// conditions returns the WHERE clause of a query and its arguments.
func conditions(query event.Query) (string, pgx.NamedArgs) {
	clauses := []string{"true"}
	args := pgx.NamedArgs{}
	add := func(name, clause string, value any) {
		clauses = append(clauses, fmt.Sprintf(clause, "@"+name))
		args[name] = value
	}
	if query.After != nil {
		add("after", "id > %s", [16]byte(*query.After))
	}
	filter := query.Filter
	if filter.Status != "" {
		add("status", "status = %s", string(filter.Status))
	}
	if filter.Category != "" {
		add("category", "category = %s", filter.Category)
	}
	if filter.City != "" {
		add("city", "city = %s", filter.City)
	}
	if !filter.StartsFrom.IsZero() {
		add("starts_from", "starts_at >= %s", filter.StartsFrom)
	}
	if !filter.StartsBefore.IsZero() {
		add("starts_before", "starts_at < %s", filter.StartsBefore)
	}
	return strings.Join(clauses, " AND "), args
}

// Check says what keeps the store from working: whether the database answers, and whether it has the schema.
func (s *Store) Check(ctx context.Context) (database, schema error) {
	var missing []string
	err := s.pool.QueryRow(ctx, `
		SELECT coalesce(array_agg(name), '{}') FROM unnest(ARRAY['public.events', 'public.idempotency_keys']) AS name
		WHERE to_regclass(name) IS NULL`).Scan(&missing)
	if err != nil {
		return classify(err, "ask the database"), nil
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("table %s is missing: apply init-sql to the database", strings.Join(missing, ", "))
	}
	return nil, nil
}
