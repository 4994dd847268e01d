package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
	"ticketing/eventapi/postgres"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a store with the API's own role, and a superuser's URL of its database.
func open(t *testing.T) (*postgres.Store, string) {
	t.Helper()
	database := testenv.Database(t)
	return openURL(t, testenv.URLAs(t, database, "eventapi")), database
}

func openURL(t *testing.T, url string) *postgres.Store {
	t.Helper()
	return openWithin(t, url, 10*time.Second)
}

func openWithin(t *testing.T, url string, statementTimeout time.Duration) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), postgres.Config{
		URL: url, MaxConns: 8, ConnectTimeout: 5 * time.Second, StatementTimeout: statementTimeout,
	})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

func superuser(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func someID() event.ID {
	var id event.ID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

func fields(title string) event.Fields {
	f := event.Defaults()
	f.Title, f.Category, f.Organizer = title, "concert", "Lakeside Arts"
	f.StartsAt = time.Date(2026, 5, 1, 19, 30, 0, 123456000, time.UTC)
	f.EndsAt = f.StartsAt.Add(3 * time.Hour)
	return f
}

func create(t *testing.T, store *postgres.Store, title string) event.Event {
	t.Helper()
	created, _, err := store.Create(t.Context(), []event.New{{Fields: fields(title)}})
	require.NoError(t, err)
	return created[0]
}

func retitle(title string) func(event.Event) (event.Fields, error) {
	return func(current event.Event) (event.Fields, error) {
		current.Title = title
		return current.Fields, nil
	}
}

func only(version int64) func(int64) bool { return func(v int64) bool { return v == version } }

func TestEveryFieldSurvives(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	f := fields("Jazz <by> the \"lake\" 🎷")
	f.Description, f.VenueName, f.VenueAddress, f.City = new("d\x01"), new("v"), new(""), new("Genève")
	f.Status, f.Country, f.Currency = event.SoldOut, new("CH"), new("CHF")
	f.Latitude, f.Longitude = new(46.20439100000001), new(-6.1431)
	f.PriceMin, f.PriceMax = new(event.Price(1)), new(event.Price(999_999_999_999))
	f.Capacity, f.TicketsAvailable = new(int32(2147483647)), new(int32(0))
	f.Tags = []string{"a,b", `"`, "{}"}
	f.Attributes = event.Attributes{
		"n": json.RawMessage("9007199254740993"), "long": json.RawMessage("123456789012345678901234567890.10"),
		"tiny": json.RawMessage("0.000000000000000000000000000001"), "text": json.RawMessage(`"<é🎷>"`),
	}
	id := someID()
	created, _, err := store.Create(t.Context(), []event.New{{ID: &id, Fields: f}})
	require.NoError(t, err)
	require.Equal(t, f, created[0].Fields)
	require.Equal(t, id, created[0].ID)
	require.EqualValues(t, 1, created[0].Version)

	found, err := store.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, created[0], found)
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	id := someID()
	_, err := store.Get(t.Context(), id)
	require.ErrorIs(t, err, event.ErrNotFound)
	_, _, err = store.Update(t.Context(), id, nil, retitle("x"))
	require.ErrorIs(t, err, event.ErrNotFound)
	require.ErrorIs(t, deleted(store.Delete(t.Context(), id, nil)), event.ErrNotFound)
}

// Creates that are written in one transaction are each other's in nothing else.
func TestConcurrentCreates(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	var group sync.WaitGroup
	for n := range 200 {
		group.Go(func() {
			f := fields(fmt.Sprint(n))
			if n%10 == 0 {
				f.Capacity = new(int32(-1))
			}
			created, _, err := store.Create(t.Context(), []event.New{{Fields: f}})
			if n%10 == 0 {
				assert.ErrorAs(t, err, new(*event.InvalidError))
				return
			}
			if assert.NoError(t, err) {
				assert.Equal(t, f, created[0].Fields)
				found, err := store.Get(t.Context(), created[0].ID)
				assert.NoError(t, err)
				assert.Equal(t, created[0], found)
			}
		})
	}
	group.Wait()
	page, err := store.List(t.Context(), event.Query{Limit: 300})
	require.NoError(t, err)
	require.Len(t, page.Events, 180)
}

func TestCreateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	existing := create(t, store, "first")
	wanted := []event.New{{Fields: fields("a")}, {ID: &existing.ID, Fields: fields("b")}, {Fields: fields("c")}}
	_, _, err := store.Create(t.Context(), wanted)
	require.ErrorIs(t, err, event.ErrExists)
	var item *event.ItemError
	require.ErrorAs(t, err, &item)
	require.Equal(t, 1, item.Index)
	page, err := store.List(t.Context(), event.Query{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
}

// Of many writers that all saw one version exactly one may write.
func TestConditionalWritesAreAtomic(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	created := create(t, store, "first")
	const writers = 16
	errs := make([]error, writers)
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			if i%4 == 0 {
				_, errs[i] = store.Delete(t.Context(), created.ID, only(99)) // never right
				return
			}
			_, _, errs[i] = store.Update(t.Context(), created.ID, only(1), retitle(fmt.Sprint(i)))
		})
	}
	group.Wait()
	written := 0
	for _, err := range errs {
		if err == nil {
			written++
			continue
		}
		require.ErrorIs(t, err, event.ErrVersionMismatch)
	}
	require.Equal(t, 1, written)
	found, err := store.Get(t.Context(), created.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, found.Version)
}

// Changes that build on what is there lose nothing, without any condition.
func TestUpdatesAreSerialized(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	created := create(t, store, "x")
	const writers = 12
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			_, _, err := store.Update(t.Context(), created.ID, nil, func(current event.Event) (event.Fields, error) {
				current.Title += "+"
				return current.Fields, nil
			})
			require.NoError(t, err)
		})
	}
	group.Wait()
	found, err := store.Get(t.Context(), created.ID)
	require.NoError(t, err)
	require.Equal(t, "x"+strings.Repeat("+", writers), found.Title)
	require.EqualValues(t, writers+1, found.Version)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	created := create(t, store, "x")
	require.ErrorIs(t, deleted(store.Delete(t.Context(), created.ID, only(2))), event.ErrVersionMismatch)
	require.NoError(t, deleted(store.Delete(t.Context(), created.ID, only(1))))
	require.ErrorIs(t, deleted(store.Delete(t.Context(), created.ID, nil)), event.ErrNotFound)
}

// A caller's own error ends the transaction and comes back as it is.
func TestUpdateRollsBack(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	created := create(t, store, "x")
	refused := &event.InvalidError{Fields: []event.FieldError{{Field: "title", Message: "no"}}}
	_, _, err := store.Update(t.Context(), created.ID, nil, func(event.Event) (event.Fields, error) { return event.Fields{}, refused })
	require.ErrorIs(t, err, refused)
	found, err := store.Get(t.Context(), created.ID)
	require.NoError(t, err)
	require.Equal(t, created, found)
}

func render(created []event.Event, _ event.Position) (idempotency.Answer, error) {
	body := make([]string, len(created))
	for i, e := range created {
		body[i] = e.ID.String()
	}
	return idempotency.Answer{Status: 201, Headers: map[string]string{"ETag": `"1"`}, Body: []byte(strings.Join(body, "\n"))}, nil
}

func TestCreateOnceUnderConcurrency(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	request := idempotency.Request{Key: "k", Hash: []byte("hash")}
	const callers = 12
	answers := make([]idempotency.Answer, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			var err error
			answers[i], err = store.CreateOnce(t.Context(), request, []event.New{{Fields: fields("once")}, {Fields: fields("too")}}, render)
			require.NoError(t, err)
		})
	}
	group.Wait()
	first := 0
	for _, answer := range answers {
		require.Equal(t, answers[0].Body, answer.Body)
		require.Equal(t, answers[0].Headers, answer.Headers)
		require.Equal(t, 201, answer.Status)
		if !answer.Replayed {
			first++
		}
	}
	require.Equal(t, 1, first)
	page, err := store.List(t.Context(), event.Query{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Events, 2)

	_, err = store.CreateOnce(t.Context(), idempotency.Request{Key: "k", Hash: []byte("other")}, []event.New{{Fields: fields("x")}}, render)
	require.ErrorIs(t, err, idempotency.ErrKeyReused)
}

// A write that failed leaves its key free.
func TestCreateOnceKeepsNoFailure(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	existing := create(t, store, "x")
	request := idempotency.Request{Key: "k", Hash: []byte("hash")}
	wanted := []event.New{{ID: &existing.ID, Fields: fields("x")}}
	_, err := store.CreateOnce(t.Context(), request, wanted, render)
	require.ErrorIs(t, err, event.ErrExists)
	require.NoError(t, deleted(store.Delete(t.Context(), existing.ID, nil)))
	answer, err := store.CreateOnce(t.Context(), request, wanted, render)
	require.NoError(t, err)
	require.False(t, answer.Replayed)
}

func TestPurgeIdempotencyKeys(t *testing.T) {
	t.Parallel()
	store, database := open(t)
	for i := range 5 {
		_, err := store.CreateOnce(t.Context(), idempotency.Request{Key: fmt.Sprint(i), Hash: []byte{0}}, []event.New{{Fields: fields("x")}}, render)
		require.NoError(t, err)
	}
	conn := superuser(t, database)
	_, err := conn.Exec(t.Context(), "UPDATE idempotency_keys SET created_at = now() - interval '25 h' WHERE key < '4'")
	require.NoError(t, err)

	deleted, err := store.PurgeIdempotencyKeys(t.Context(), 24*time.Hour, 3)
	require.NoError(t, err)
	require.EqualValues(t, 3, deleted)

	// while another program purges, this one leaves it to that
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1)", 0x6964656d)
	require.NoError(t, err)
	deleted, err = store.PurgeIdempotencyKeys(t.Context(), 24*time.Hour, 3)
	require.NoError(t, err)
	require.Zero(t, deleted)
	require.NoError(t, tx.Rollback(t.Context()))

	deleted, err = store.PurgeIdempotencyKeys(t.Context(), 24*time.Hour, 3)
	require.NoError(t, err)
	require.EqualValues(t, 1, deleted)
	_, err = store.CreateOnce(t.Context(), idempotency.Request{Key: "4", Hash: []byte{1}}, nil, render)
	require.ErrorIs(t, err, idempotency.ErrKeyReused, "a young key stays")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	store, database := open(t)
	databaseErr, schemaErr := store.Check(t.Context())
	require.NoError(t, databaseErr)
	require.NoError(t, schemaErr)

	_, err := superuser(t, database).Exec(t.Context(), "ALTER TABLE events RENAME TO elsewhere")
	require.NoError(t, err)
	databaseErr, schemaErr = store.Check(t.Context())
	require.NoError(t, databaseErr)
	require.ErrorContains(t, schemaErr, "public.events")

	away := openURL(t, fmt.Sprintf("postgres://eventapi:x@127.0.0.1:%d/x", testenv.FreePort(t)))
	databaseErr, _ = away.Check(t.Context())
	require.ErrorIs(t, databaseErr, event.ErrUnavailable)
}

// The role can do what the program does, and not what it does not.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	conn := superuser(t, testenv.URLAs(t, database, "eventapi"))
	for _, statement := range []string{
		"TRUNCATE events", "DROP TABLE events", "CREATE TABLE mine ()", "ALTER TABLE events DISABLE TRIGGER ALL",
		"UPDATE idempotency_keys SET status = 500", "SELECT * FROM debezium_heartbeat", "CREATE ROLE mine",
		"SELECT pg_create_logical_replication_slot('mine', 'pgoutput')", "COPY events TO '/tmp/events'",
	} {
		_, err := conn.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, statement)
		require.Equal(t, "42501", refused.Code, statement)
	}
}
