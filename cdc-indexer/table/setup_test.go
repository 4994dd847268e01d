package table_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) {
	// Each check of a property takes a snapshot of the real server. More: -rapid.checks=1000.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// database is a test's own, with a superuser's connection.
type database struct {
	url  string
	conn *pgx.Conn
}

func newDatabase(t testing.TB, sql ...string) *database {
	t.Helper()
	d := &database{url: testenv.Database(t)}
	d.conn = d.connect(t)
	for _, statement := range sql {
		d.exec(t, statement)
	}
	return d
}

func (d *database) connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(testenv.Context(t, time.Minute), d.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (d *database) exec(t testing.TB, sql string, arguments ...any) {
	t.Helper()
	_, err := d.conn.Exec(testenv.Context(t, time.Minute), sql, arguments...)
	require.NoError(t, err, "%.200s", sql)
}

// config is that of public.events as the role indexer.
func (d *database) config(t testing.TB) table.Config {
	t.Helper()
	return table.Config{
		URL: testenv.URLAs(t, d.url, "indexer"), Schema: "public", Table: "events", Key: []string{"id"}, JSONColumns: []string{"attributes"},
		GeoPoints: []table.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
	}
}

func open(t testing.TB, config table.Config) *table.Table {
	t.Helper()
	opened, err := table.Open(testenv.Context(t, time.Minute), config)
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	return opened
}

func takeSnapshot(t testing.TB, from *table.Table) *table.Snapshot {
	t.Helper()
	snapshot, err := from.Snapshot(testenv.Context(t, time.Minute), table.WaitFor{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = snapshot.Close(context.Background()) })
	return snapshot
}

// readAll returns all rows by key.
func readAll(t testing.TB, snapshot *table.Snapshot) map[string]change.Change {
	t.Helper()
	rows := map[string]change.Change{}
	err := snapshot.Read(testenv.Context(t, time.Minute), table.Range{}, func(c change.Change) error {
		if _, twice := rows[c.Key]; twice {
			t.Errorf("row %s came twice", c.Key)
		}
		rows[c.Key] = c
		return nil
	})
	require.NoError(t, err)
	return rows
}

// fetch returns what one id has in a snapshot of its own.
func fetch(t testing.TB, from *table.Table, id string) change.Change {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	snapshot, err := from.Snapshot(ctx, table.WaitFor{})
	require.NoError(t, err)
	changes, err := snapshot.Fetch(ctx, []string{id})
	require.NoError(t, err)
	require.NoError(t, snapshot.Close(ctx))
	require.Len(t, changes, 1)
	require.Equal(t, id, changes[0].Key)
	return changes[0]
}
