package initsql_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	initsql "ticketing/init-sql"
	"ticketing/internal/testenv"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(testenv.Context(t, time.Minute), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) error {
	t.Helper()
	_, err := conn.Exec(testenv.Context(t, time.Minute), sql)
	return err
}

// insert returns an INSERT of a sound row with some columns set otherwise.
func insert(columns map[string]string) string {
	row := map[string]string{
		"title": "'t'", "category": "'c'", "organizer": "'o'", "starts_at": "'2027-01-01'", "ends_at": "'2027-01-02'", "price_min": "1", "price_max": "2",
		"currency": "'EUR'", "capacity": "10", "tickets_available": "5", "latitude": "1", "longitude": "2", "country": "'AT'",
	}
	for name, value := range columns {
		row[name] = value
	}
	var names, values []string
	for name, value := range row {
		names, values = append(names, name), append(values, value)
	}
	return fmt.Sprintf("INSERT INTO public.events (%s) VALUES (%s)", strings.Join(names, ", "), strings.Join(values, ", "))
}

func TestConstraintsHold(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Database(t))
	require.NoError(t, exec(t, conn, insert(nil)))
	tests := map[string]map[string]string{
		"events_title_length":       {"title": "''"},
		"events_status_known":       {"status": "'open'"},
		"events_country_iso3166":    {"country": "'at'"},
		"events_currency_iso4217":   {"currency": "'EURO'"},
		"events_latitude_range":     {"latitude": "90.1"},
		"events_longitude_range":    {"longitude": "-181"},
		"events_position_complete":  {"longitude": "NULL"},
		"events_times_range":        {"starts_at": "'-infinity'"},
		"events_ends_after_start":   {"ends_at": "'2027-01-01'"},
		"events_price_range":        {"price_max": "'NaN'"},
		"events_price_order":        {"price_min": "3"},
		"events_price_complete":     {"price_min": "NULL"},
		"events_capacity_range":     {"capacity": "-1", "tickets_available": "NULL"},
		"events_available_range":    {"tickets_available": "-1"},
		"events_available_capacity": {"tickets_available": "11"},
		"events_tags_no_null":       {"tags": "ARRAY[NULL]::text[]"},
		"events_attributes_object":  {"attributes": "'[]'"},
		"events_version_positive":   {"version": "0"},
	}
	for constraint, columns := range tests {
		err := exec(t, conn, insert(columns))
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, constraint)
		require.Equal(t, constraint, refused.ConstraintName)
	}
}

func TestIdsAreOrderedByTimeAndVersionsCountUpdates(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Database(t))
	ctx := testenv.Context(t, time.Minute)
	require.NoError(t, exec(t, conn, insert(map[string]string{"title": "'first'"})))
	require.NoError(t, exec(t, conn, insert(map[string]string{"title": "'second'"})))
	var title string
	require.NoError(t, conn.QueryRow(ctx, "SELECT title FROM public.events ORDER BY id LIMIT 1").Scan(&title))
	require.Equal(t, "first", title)
	require.NoError(t, exec(t, conn, "UPDATE public.events SET version = 77, created_at = now() - interval '1 day'"))
	var version int64
	var createdBefore bool
	require.NoError(t, conn.QueryRow(ctx, "SELECT version, created_at <= updated_at AND created_at > now() - interval '1 hour' FROM public.events LIMIT 1").Scan(&version, &createdBefore))
	require.Equal(t, int64(2), version, "the database counts, not the writer")
	require.True(t, createdBefore, "created_at must not change")
}

// A TRUNCATE deletes the rows first, one by one, so that each of them is in the log.
func TestTruncateDeletesTheRows(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Database(t))
	require.NoError(t, exec(t, conn, insert(nil)+";"+insert(nil)))
	require.NoError(t, exec(t, conn, `
		CREATE TABLE deleted (id uuid);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO deleted VALUES (OLD.id); RETURN OLD; END';
		CREATE TRIGGER note AFTER DELETE ON public.events FOR EACH ROW EXECUTE FUNCTION note()`))
	require.NoError(t, exec(t, conn, "TRUNCATE public.events"))
	var rows, deletes int
	require.NoError(t, conn.QueryRow(testenv.Context(t, time.Minute),
		"SELECT (SELECT count(*) FROM public.events), (SELECT count(*) FROM deleted)").Scan(&rows, &deletes))
	require.Zero(t, rows)
	require.Equal(t, 2, deletes)
}

func TestRunningItAgainIsHarmless(t *testing.T) {
	t.Parallel()
	conn := connect(t, testenv.Database(t))
	require.NoError(t, exec(t, conn, insert(nil)))
	script, err := initsql.SQL()
	require.NoError(t, err)

	err = exec(t, conn, script)
	require.ErrorContains(t, err, "no password for role", "a password that is not set must be named")

	// roles are the whole server's: see testenv.Database
	server := connect(t, testenv.Address(t, testenv.PostgresURL))
	require.NoError(t, exec(t, server, "SELECT pg_advisory_lock(4711)"))
	ctx := testenv.Context(t, time.Minute)
	tx, err := conn.Begin(ctx)
	require.NoError(t, err)
	for _, role := range []string{"eventapi", "debezium", "indexer"} {
		_, err = tx.Exec(ctx, fmt.Sprintf("SET LOCAL ticketing.%s_password = '%s'", role, testenv.RolePassword(role)))
		require.NoError(t, err)
	}
	_, err = tx.Exec(ctx, script)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(ctx))
	var rows int
	require.NoError(t, conn.QueryRow(ctx, "SELECT count(*) FROM public.events").Scan(&rows))
	require.Equal(t, 1, rows)
}

func TestRolesCanDoWhatTheyMustAndNoMore(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	tests := []struct {
		role, sql string
		allowed   bool
	}{
		{"eventapi", insert(nil), true},
		{"eventapi", "UPDATE public.events SET title = 'u'", true},
		{"eventapi", "DELETE FROM public.events", true},
		{"eventapi", "TRUNCATE public.events", false},
		{"eventapi", "ALTER TABLE public.events ADD x int", false},
		{"eventapi", "CREATE TABLE public.x ()", false},
		{"eventapi", "UPDATE public.debezium_heartbeat SET at = now()", false},
		{"indexer", "SELECT * FROM public.events", true},
		{"indexer", "SELECT * FROM pg_replication_slots", true},
		{"indexer", "SELECT at FROM public.debezium_heartbeat", true},
		{"indexer", "DELETE FROM public.events", false},
		{"indexer", "SELECT * FROM public.idempotency_keys", false},
		{"debezium", "SELECT * FROM public.events", true},
		{"debezium", "UPDATE public.debezium_heartbeat SET at = now() WHERE id = 1", true},
		{"debezium", "DELETE FROM public.events", false},
		{"debezium", "SELECT * FROM public.idempotency_keys", false},
	}
	for _, test := range tests {
		err := exec(t, connect(t, testenv.URLAs(t, database, test.role)), test.sql)
		if test.allowed {
			require.NoError(t, err, "%s: %s", test.role, test.sql)
		} else {
			require.Error(t, err, "%s: %s", test.role, test.sql)
		}
	}
}
