package sample_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ticketing/demo/sample"
	"ticketing/internal/testenv"
)

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func encode(t require.TestingT, value any) string {
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

func TestSameSeedSameEvents(t *testing.T) {
	t.Parallel()
	one, same, other := sample.New(7, "run", monday), sample.New(7, "run", monday), sample.New(8, "run", monday)
	differ := 0
	for range 200 {
		e := one.Event()
		text := encode(t, e)
		require.Equal(t, text, encode(t, same.Event()))
		require.Equal(t, encode(t, one.Patch(e)), encode(t, same.Patch(e)))
		require.Equal(t, encode(t, one.Revise(e)), encode(t, same.Revise(e)))
		require.Equal(t, text, encode(t, e), "a change leaves the event as it was")
		if text != encode(t, other.Event()) {
			differ++
		}
	}
	require.Greater(t, differ, 190)
}

func TestEventsKeepTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := sample.New(rapid.Uint64().Draw(t, "seed"), "run", monday)
		e := g.Event()
		checkRules(t, e)
		checkRules(t, g.Revise(e))
		checkRules(t, patched(t, e, g.Patch(e)))
	})
}

// patched applies a merge patch, of which only attributes go deeper than one level.
func patched(t require.TestingT, e sample.Event, patch sample.Patch) map[string]any {
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(encode(t, e)), &fields))
	for name, value := range patch {
		if name != "attributes" {
			var decoded any
			require.NoError(t, json.Unmarshal([]byte(encode(t, value)), &decoded))
			fields[name] = decoded
		}
	}
	return fields
}

// checkRules checks what the API and the table ask of an event.
func checkRules(t require.TestingT, event any) {
	var e struct {
		Title, Description, Category, Status, Organizer, Country, Currency *string
		VenueName                                                          *string `json:"venue_name"`
		Latitude, Longitude                                                *float64
		StartsAt                                                           time.Time `json:"starts_at"`
		EndsAt                                                             time.Time `json:"ends_at"`
		PriceMin                                                           *string   `json:"price_min"`
		PriceMax                                                           *string   `json:"price_max"`
		Capacity                                                           *int32
		Available                                                          *int32 `json:"tickets_available"`
		Tags                                                               []string
		Attributes                                                         map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(encode(t, event)), &e))
	for text, longest := range map[*string]int{e.Title: 300, e.Category: 100, e.Organizer: 200} {
		require.NotNil(t, text)
		require.NotEmpty(t, *text)
		require.LessOrEqual(t, utf8.RuneCountInString(*text), longest)
		require.NotContains(t, *text, "{")
	}
	require.NotContains(t, *e.Description, "{")
	require.GreaterOrEqual(t, strings.Count(*e.Description, "."), 2)
	require.Contains(t, []string{"draft", "published", "postponed", "cancelled", "sold_out"}, *e.Status)
	require.True(t, e.EndsAt.After(e.StartsAt))
	require.True(t, e.StartsAt.After(monday))

	require.Equal(t, e.Latitude == nil, e.Longitude == nil)
	require.Equal(t, e.Latitude == nil, e.VenueName == nil)
	if e.Latitude != nil {
		require.Regexp(t, `^[A-Z]{2}$`, *e.Country)
		require.LessOrEqual(t, math.Abs(*e.Latitude), 90.0)
		require.LessOrEqual(t, math.Abs(*e.Longitude), 180.0)
	}
	require.Equal(t, e.PriceMin == nil, e.PriceMax == nil)
	if e.PriceMin != nil {
		require.Regexp(t, `^[A-Z]{3}$`, *e.Currency)
		require.LessOrEqual(t, hundredths(t, *e.PriceMin), hundredths(t, *e.PriceMax))
	}
	require.GreaterOrEqual(t, *e.Available, int32(0))
	require.LessOrEqual(t, *e.Available, *e.Capacity)
	require.LessOrEqual(t, len(e.Tags), 50)
	for _, tag := range e.Tags {
		require.NotEmpty(t, tag)
	}
	require.Equal(t, "run", e.Attributes[sample.RunAttribute])
}

func hundredths(t require.TestingT, price string) int {
	require.Regexp(t, `^(0|[1-9][0-9]{0,9})\.[0-9]{2}$`, price)
	var n int
	require.NoError(t, json.Unmarshal([]byte(strings.TrimLeft(strings.ReplaceAll(price, ".", ""), "0")), &n))
	return n
}

// TestTableTakesTheEvents lets the table's own constraints judge.
func TestTableTakesTheEvents(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, time.Minute)
	conn, err := pgx.Connect(ctx, testenv.Database(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	g := sample.New(1, "run", monday)
	events := make([]sample.Event, 0, 3000)
	for range cap(events) / 2 {
		e := g.Event()
		events = append(events, e, g.Revise(e))
	}
	const columns = `title, description, category, status, organizer, venue_name, venue_address, city, country, latitude, longitude,
		starts_at, ends_at, price_min, price_max, currency, capacity, tickets_available, tags, attributes`
	_, err = conn.Exec(ctx, "INSERT INTO events ("+columns+") SELECT "+columns+" FROM jsonb_populate_recordset(NULL::events, $1::text::jsonb)", encode(t, events))
	require.NoError(t, err)
	var categories, cities, withoutPlace int
	require.NoError(t, conn.QueryRow(ctx, "SELECT count(DISTINCT category), count(DISTINCT city), count(*) FILTER (WHERE city IS NULL) FROM events").
		Scan(&categories, &cities, &withoutPlace))
	require.GreaterOrEqual(t, categories, 10)
	require.GreaterOrEqual(t, cities, 40)
	require.Positive(t, withoutPlace)
}
