package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/eventapi/event"
	"ticketing/internal/testenv"
)

// Every check constraint that a written value can break is reported by its field, even when validation has let the
// value through.
func TestConstraintsNameTheField(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	tests := map[string]struct {
		change func(*event.Fields)
		field  string
	}{
		"title length":      {func(f *event.Fields) { f.Title = "" }, "title"},
		"category length":   {func(f *event.Fields) { f.Category = strings.Repeat("x", 101) }, "category"},
		"organizer length":  {func(f *event.Fields) { f.Organizer = "" }, "organizer"},
		"venue length":      {func(f *event.Fields) { f.VenueName = new(strings.Repeat("x", 201)) }, "venue_name"},
		"city length":       {func(f *event.Fields) { f.City = new(strings.Repeat("x", 201)) }, "city"},
		"status":            {func(f *event.Fields) { f.Status = "gone" }, "status"},
		"country":           {func(f *event.Fields) { f.Country = new("ch") }, "country"},
		"currency":          {func(f *event.Fields) { f.Currency = new("chf") }, "currency"},
		"latitude":          {func(f *event.Fields) { f.Latitude, f.Longitude = new(91.0), new(0.0) }, "latitude"},
		"longitude":         {func(f *event.Fields) { f.Latitude, f.Longitude = new(0.0), new(181.0) }, "longitude"},
		"position complete": {func(f *event.Fields) { f.Latitude = new(1.0) }, "latitude"},
		"end after start":   {func(f *event.Fields) { f.EndsAt = f.StartsAt }, "ends_at"},
		"price order": {func(f *event.Fields) {
			f.PriceMin, f.PriceMax, f.Currency = new(event.Price(2)), new(event.Price(1)), new("CHF")
		}, "price_max"},
		"price complete":    {func(f *event.Fields) { f.PriceMin = new(event.Price(2)) }, "price_min"},
		"capacity":          {func(f *event.Fields) { f.Capacity = new(int32(-1)) }, "capacity"},
		"tickets":           {func(f *event.Fields) { f.TicketsAvailable = new(int32(-1)) }, "tickets_available"},
		"tickets, capacity": {func(f *event.Fields) { f.Capacity, f.TicketsAvailable = new(int32(1)), new(int32(2)) }, "tickets_available"},
		"tags":              {func(f *event.Fields) { f.Tags = make([]string, 51) }, "tags"},
		"no tags":           {func(f *event.Fields) { f.Tags = nil }, "tags"},
		"attributes":        {func(f *event.Fields) { f.Attributes = nil }, "attributes"},
		"price overflow": {func(f *event.Fields) {
			f.PriceMin, f.PriceMax, f.Currency = new(event.Price(1e15)), new(event.Price(1e15)), new("CHF")
		}, ""},
		"NUL":               {func(f *event.Fields) { f.Title = "\x00" }, ""},
		"NUL in attributes": {func(f *event.Fields) { f.Attributes = event.Attributes{"a": json.RawMessage(`"\u0000"`)} }, ""},
		"half a surrogate":  {func(f *event.Fields) { f.Attributes = event.Attributes{"a": json.RawMessage(`"\ud800"`)} }, ""},
		"number overflow":   {func(f *event.Fields) { f.Attributes = event.Attributes{"a": json.RawMessage(`1e400000`)} }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fields("x")
			test.change(&f)
			_, _, err := store.Create(t.Context(), []event.New{{Fields: f}})
			var invalid *event.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, test.field, invalid.Fields[0].Field)
			require.NotEmpty(t, invalid.Fields[0].Message)
		})
	}
}

// A stricter constraint that this program has never heard of is the client's mistake still.
func TestUnknownConstraint(t *testing.T) {
	t.Parallel()
	store, database := open(t)
	_, err := superuser(t, database).Exec(t.Context(), "ALTER TABLE events ADD CONSTRAINT events_new_rule CHECK (title <> 'forbidden')")
	require.NoError(t, err)
	_, _, err = store.Create(t.Context(), []event.New{{Fields: fields("forbidden")}})
	var invalid *event.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Contains(t, invalid.Fields[0].Message, "events_new_rule")
}

// A statement that waits for a lock ends by the server's time limit, and a caller that has gone ends the wait too.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	store := openWithin(t, testenv.URLAs(t, database, "eventapi"), time.Second)
	created := create(t, store, "x")
	tx, err := superuser(t, database).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM events FOR UPDATE")
	require.NoError(t, err)

	_, _, err = store.Update(t.Context(), created.ID, nil, retitle("y"))
	require.ErrorIs(t, err, event.ErrUnavailable)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err = store.Update(ctx, created.ID, nil, retitle("y"))
	require.ErrorIs(t, err, event.ErrUnavailable)

	require.NoError(t, tx.Rollback(t.Context()))
	_, _, err = store.Update(t.Context(), created.ID, nil, retitle("z"))
	require.NoError(t, err)

	store.Close()
	_, err = store.Get(t.Context(), created.ID)
	require.ErrorIs(t, err, event.ErrUnavailable)
}

// The server ends the transaction of a process that pauses inside it, so that others get the row's lock. The write has
// not happened, and its caller may try again.
func TestPausedInsideATransaction(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	store := openWithin(t, testenv.URLAs(t, database, "eventapi"), time.Second)
	created := create(t, store, "x")
	admin := superuser(t, database)
	paused := false
	_, _, err := store.Update(t.Context(), created.ID, nil, func(current event.Event) (event.Fields, error) {
		paused = true
		testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
			var sessions int
			err := admin.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'eventapi' AND datname = current_database() AND xact_start IS NOT NULL").Scan(&sessions)
			if err == nil && sessions > 0 {
				err = errors.New("the transaction goes on")
			}
			return err
		})
		return retitle("y")(current)
	})
	require.True(t, paused)
	require.ErrorIs(t, err, event.ErrUnavailable)
	got, err := store.Get(t.Context(), created.ID)
	require.NoError(t, err)
	require.Equal(t, "x", got.Title)
}

// Connections that the server has cut are replaced.
func TestReconnects(t *testing.T) {
	t.Parallel()
	store, database := open(t)
	created := create(t, store, "x")
	_, err := superuser(t, database).Exec(t.Context(),
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'eventapi' AND datname = current_database()")
	require.NoError(t, err)
	testenv.Eventually(t, time.Minute, func(ctx context.Context) error {
		_, err := store.Get(ctx, created.ID)
		if err != nil {
			require.ErrorIs(t, err, event.ErrUnavailable)
		}
		return err
	})
}
