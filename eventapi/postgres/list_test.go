package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/eventapi/event"
	"ticketing/eventapi/postgres"
)

// walk reads all pages and calls between after each.
func walk(t *testing.T, store *postgres.Store, query event.Query, between func()) []event.Event {
	t.Helper()
	var all []event.Event
	for {
		page, err := store.List(t.Context(), query)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Events), query.Limit)
		all = append(all, page.Events...)
		if !page.More {
			return all
		}
		require.NotEmpty(t, page.Events)
		query.After = &page.Events[len(page.Events)-1].ID
		between()
	}
}

// Writes between two pages neither hide an event nor show one twice.
func TestPagesUnderWrites(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	var created []event.Event
	for i := range 20 {
		created = append(created, create(t, store, fmt.Sprint(i)))
	}
	turn := 0
	seen := walk(t, store, event.Query{Limit: 3}, func() {
		_, _, err := store.Update(t.Context(), created[turn].ID, nil, retitle("changed"))
		require.NoError(t, err)
		_, _, err = store.Update(t.Context(), created[19-turn].ID, nil, retitle("changed"))
		require.NoError(t, err)
		create(t, store, "new")
		turn++
	})
	times := map[event.ID]int{}
	for i, e := range seen {
		times[e.ID]++
		require.Equal(t, 1, times[e.ID])
		if i > 0 {
			require.Less(t, seen[i-1].ID.String(), e.ID.String())
		}
	}
	for _, e := range created {
		require.Equal(t, 1, times[e.ID], e.Title)
	}
}

// A page of large events ends early and says so.
func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	const events = 12
	for range events {
		f := fields("large")
		f.Description = new(strings.Repeat("é", 500_000))
		f.Attributes = event.Attributes{"a": []byte(`"` + strings.Repeat("x", 900_000) + `"`)}
		_, _, err := store.Create(t.Context(), []event.New{{Fields: f}})
		require.NoError(t, err)
	}
	first, err := store.List(t.Context(), event.Query{Limit: 200})
	require.NoError(t, err)
	require.True(t, first.More)
	require.Less(t, len(first.Events), events)
	require.Len(t, walk(t, store, event.Query{Limit: 200}, func() {}), events)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 12 {
		f := fields(fmt.Sprint(i))
		f.Status = []event.Status{event.Draft, event.Published}[i%2]
		f.Category = []string{"concert", "match", "talk"}[i%3]
		f.City = []*string{nil, new("Geneva"), new("Bern"), new("Basel")}[i%4]
		f.StartsAt = start.Add(time.Duration(i) * time.Hour)
		f.EndsAt = f.StartsAt.Add(time.Hour)
		_, _, err := store.Create(t.Context(), []event.New{{Fields: f}})
		require.NoError(t, err)
	}
	tests := map[string]struct {
		filter event.Filter
		want   string
	}{
		"none":      {event.Filter{}, "0 1 2 3 4 5 6 7 8 9 10 11"},
		"status":    {event.Filter{Status: event.Published}, "1 3 5 7 9 11"},
		"category":  {event.Filter{Category: "talk"}, "2 5 8 11"},
		"city":      {event.Filter{City: "Geneva"}, "1 5 9"},
		"from":      {event.Filter{StartsFrom: start.Add(10 * time.Hour)}, "10 11"},
		"before":    {event.Filter{StartsBefore: start.Add(2 * time.Hour)}, "0 1"},
		"all":       {event.Filter{Status: event.Published, Category: "talk", City: "Geneva", StartsFrom: start, StartsBefore: start.Add(11 * time.Hour)}, "5"},
		"nowhere":   {event.Filter{City: "Chur"}, ""},
		"injection": {event.Filter{City: "' OR true --"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, limit := range []int{1, 2, 12} {
				var titles []string
				for _, e := range walk(t, store, event.Query{Filter: test.filter, Limit: limit}, func() {}) {
					titles = append(titles, e.Title)
				}
				require.Equal(t, test.want, strings.Join(titles, " "))
			}
		})
	}
}
