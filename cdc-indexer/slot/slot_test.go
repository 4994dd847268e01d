package slot_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/slot"
	"ticketing/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a database of a test's own, with a slot in it.
type source struct {
	t      *testing.T
	admin  *pgx.Conn
	config slot.Config
}

func newSource(t *testing.T) *source {
	t.Helper()
	database := testenv.Database(t)
	ctx := testenv.Context(t, time.Minute)
	admin, err := pgx.Connect(ctx, database)
	require.NoError(t, err)
	s := &source{t: t, admin: admin, config: slot.Config{
		URL: testenv.URLAs(t, database, "indexer"), Schema: "public", Table: "events",
		Slot: testenv.Name(t), Publication: "ticketing", Heartbeat: "public.debezium_heartbeat",
	}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := admin.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", s.config.Slot)
		require.NoError(t, err)
		_ = admin.Close(ctx)
	})
	s.run("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", s.config.Slot)
	return s
}

func (s *source) run(sql string, args ...any) {
	s.t.Helper()
	_, err := s.admin.Exec(testenv.Context(s.t, time.Minute), sql, args...)
	require.NoError(s.t, err, sql)
}

func (s *source) inspect() health.Database {
	s.t.Helper()
	d, err := slot.Inspect(testenv.Context(s.t, time.Minute), s.config)
	require.NoError(s.t, err)
	return d
}

// With the rights that init-sql gives the role indexer, all of it can be seen.
func TestWhatInitSQLMakesIsWell(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	d := s.inspect()
	require.Equal(t, health.Table{Exists: true, ReplicaIdentity: "full", TruncateTrigger: true, Columns: d.Table.Columns}, d.Table)
	require.Contains(t, d.Table.Columns, "tickets_available")
	require.Len(t, d.Table.Columns, 24)
	require.Equal(t, &health.Publication{HasTable: true, Withheld: []string{}}, d.Publication)
	require.Equal(t, "reserved", d.Slot.WALStatus)
	require.Empty(t, d.Slot.InvalidationReason)
	require.False(t, d.Slot.OtherDatabase)
	require.InDelta(t, 0, d.HeartbeatAge.Seconds(), 60)
	require.Less(t, d.Skew.Abs(), time.Second)
	require.Less(t, d.Uncertainty, time.Second)
}

func TestSlotThatNobodyReads(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	before := s.inspect().Slot
	require.False(t, before.Active)
	require.WithinDuration(t, time.Now(), before.InactiveSince, time.Minute)
	const size = 1 << 20
	s.run("SELECT pg_logical_emit_message(false, 'test', repeat('x', $1::int), true)", size)
	after := s.inspect().Slot
	require.GreaterOrEqual(t, after.RetainedWAL-before.RetainedWAL, int64(size))
	require.GreaterOrEqual(t, after.Behind-before.Behind, int64(size))
	require.Positive(t, *after.SafeWAL)
	require.Less(t, *after.SafeWAL, *before.SafeWAL)
}

func TestSlotDropped(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.run("SELECT pg_drop_replication_slot($1)", s.config.Slot)
	require.Nil(t, s.inspect().Slot)
}

func TestSlotOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	s, other := newSource(t), newSource(t)
	s.config.Slot = other.config.Slot
	require.True(t, s.inspect().Slot.OtherDatabase)
}

func TestPublication(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.run("ALTER PUBLICATION ticketing SET TABLE public.debezium_heartbeat")
	require.False(t, s.inspect().Publication.HasTable)
	s.run("ALTER PUBLICATION ticketing SET TABLE public.events WHERE (capacity > 7)")
	require.Equal(t, "(capacity > 7)", s.inspect().Publication.RowFilter)
	s.run("ALTER PUBLICATION ticketing SET (publish = 'insert')")
	require.Equal(t, []string{"update", "delete"}, s.inspect().Publication.Withheld)
	s.run("DROP PUBLICATION ticketing; CREATE PUBLICATION ticketing FOR ALL TABLES")
	require.True(t, s.inspect().Publication.HasTable)
	s.run("DROP PUBLICATION ticketing")
	require.Nil(t, s.inspect().Publication)
}

func TestTable(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.run("ALTER TABLE public.events REPLICA IDENTITY DEFAULT, ADD added int, DROP country")
	d := s.inspect()
	require.Equal(t, "default", d.Table.ReplicaIdentity)
	require.Contains(t, d.Table.Columns, "added")
	require.NotContains(t, d.Table.Columns, "country")
	s.run("ALTER TABLE public.events REPLICA IDENTITY NOTHING")
	require.Equal(t, "nothing", s.inspect().Table.ReplicaIdentity)
	s.run("ALTER TABLE public.events DISABLE TRIGGER events_delete_before_truncate")
	require.False(t, s.inspect().Table.TruncateTrigger)
	s.run("DROP TABLE public.events")
	require.False(t, s.inspect().Table.Exists)
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.run("UPDATE public.debezium_heartbeat SET at = now() - interval '1 hour'")
	require.InDelta(t, 3600, s.inspect().HeartbeatAge.Seconds(), 60)
	s.run("REVOKE SELECT ON public.debezium_heartbeat FROM indexer")
	require.Nil(t, s.inspect().HeartbeatAge)
	s.config.Heartbeat = "public.absent"
	require.Nil(t, s.inspect().HeartbeatAge)
}

// The real server with a clock that is an hour ahead: a function that is found before the real one.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.run(`CREATE SCHEMA ahead; GRANT USAGE ON SCHEMA ahead TO indexer;
		CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT pg_catalog.clock_timestamp() + interval '1 hour'$$`)
	u, err := url.Parse(s.config.URL)
	require.NoError(t, err)
	query := u.Query()
	query.Set("search_path", "ahead,pg_catalog")
	u.RawQuery = query.Encode()
	s.config.URL = u.String()
	require.InDelta(t, 3600, s.inspect().Skew.Seconds(), 10)
}

func TestWhatIsNotNamedIsNotAskedFor(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.config.Publication, s.config.Heartbeat = "", ""
	name := s.config.Slot
	s.config.Slot = ""
	defer func() { s.config.Slot = name }()
	d := s.inspect()
	require.Nil(t, d.Slot)
	require.Nil(t, d.Publication)
	require.Nil(t, d.HeartbeatAge)
	require.True(t, d.Table.Exists)
}

func TestPostgresIsDown(t *testing.T) {
	t.Parallel()
	config := slot.Config{URL: fmt.Sprintf("postgres://a:secret@127.0.0.1:%d/b", testenv.FreePort(t))}
	_, err := slot.Inspect(testenv.Context(t, time.Minute), config)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "secret")
}
