// Package slot asks Postgres how the changes of a table get out of it: the table itself, its publication, the
// replication slot that the connector reads, and the clock. It reads catalogs only, and the heartbeat's row.
package slot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ticketing/cdc-indexer/health"
)

// Config says where to ask, and about what. An empty Slot, Publication or Heartbeat is not asked about.
type Config struct {
	URL           string // of the database; a member of pg_monitor sees all there is to see
	Schema, Table string
	Slot          string
	Publication   string
	Heartbeat     string // schema.table, with a column "at"
}

// Inspect asks. Each call makes a connection of its own.
func Inspect(ctx context.Context, config Config) (health.Database, error) {
	conn, err := pgx.Connect(ctx, config.URL)
	if err != nil {
		return health.Database{}, fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(limited)
	}()
	var d health.Database
	for _, look := range []struct {
		at string
		by func(context.Context, *pgx.Conn, Config, *health.Database) error
	}{
		{"the clock", clock}, {"the table", table}, {"the publication", publication}, {"the slot", slot}, {"the heartbeat", heartbeat},
	} {
		if err := look.by(ctx, conn, config, &d); err != nil {
			return health.Database{}, fmt.Errorf("look at %s: %w", look.at, err)
		}
	}
	return d, nil
}

// clock compares the clocks: Postgres read its own at some moment between question and answer.
func clock(ctx context.Context, conn *pgx.Conn, _ Config, d *health.Database) error {
	var theirs time.Time
	asked := time.Now()
	if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&theirs); err != nil {
		return err //nolint:wrapcheck // Inspect says what it was looking at
	}
	d.Uncertainty = time.Since(asked) / 2
	d.Skew = theirs.Sub(asked.Add(d.Uncertainty))
	return nil
}

func table(ctx context.Context, conn *pgx.Conn, config Config, d *health.Database) error {
	const beforeTruncate = 2 | 32 // bits of pg_trigger.tgtype
	err := conn.QueryRow(ctx, `
		SELECT CASE c.relreplident WHEN 'f' THEN 'full' WHEN 'd' THEN 'default' WHEN 'n' THEN 'nothing' ELSE 'index' END,
			EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & $3::int = $3 AND t.tgenabled IN ('O', 'A')),
			ARRAY (SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
		config.Schema, config.Table, beforeTruncate,
	).Scan(&d.Table.ReplicaIdentity, &d.Table.TruncateTrigger, &d.Table.Columns)
	d.Table.Exists = err == nil
	return unlessNone(err)
}

func publication(ctx context.Context, conn *pgx.Conn, config Config, d *health.Database) error {
	if config.Publication == "" {
		return nil
	}
	var p health.Publication
	// By way of JSON, since older servers have no column rowfilter.
	err := conn.QueryRow(ctx, `
		SELECT t.pubname IS NOT NULL, coalesce(to_jsonb(t) ->> 'rowfilter', ''),
			array_remove(ARRAY [CASE WHEN NOT p.pubinsert THEN 'insert' END, CASE WHEN NOT p.pubupdate THEN 'update' END,
				CASE WHEN NOT p.pubdelete THEN 'delete' END], NULL)
		FROM pg_publication p
		LEFT JOIN pg_publication_tables t ON t.pubname = p.pubname AND t.schemaname = $2 AND t.tablename = $3
		WHERE p.pubname = $1`,
		config.Publication, config.Schema, config.Table,
	).Scan(&p.HasTable, &p.RowFilter, &p.Withheld)
	if err == nil {
		d.Publication = &p
	}
	return unlessNone(err)
}

func slot(ctx context.Context, conn *pgx.Conn, config Config, d *health.Database) error {
	if config.Slot == "" {
		return nil
	}
	var s health.Slot
	var inactiveSince *time.Time
	// By way of JSON, since servers before 17 have no columns inactive_since and invalidation_reason. A slot that is
	// lost has no positions any more.
	err := conn.QueryRow(ctx, `
		SELECT active, coalesce(wal_status, ''), coalesce(database, ''), coalesce(database, '') <> current_database(),
			coalesce(to_jsonb(s) ->> 'invalidation_reason', ''), (to_jsonb(s) ->> 'inactive_since')::timestamptz,
			coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint,
			coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::bigint, safe_wal_size
		FROM pg_replication_slots s WHERE slot_name = $1`,
		config.Slot,
	).Scan(&s.Active, &s.WALStatus, &s.Database, &s.OtherDatabase, &s.InvalidationReason, &inactiveSince, &s.RetainedWAL, &s.Behind, &s.SafeWAL)
	if err == nil {
		if inactiveSince != nil && !s.Active {
			s.InactiveSince = *inactiveSince
		}
		d.Slot = &s
	}
	return unlessNone(err)
}

// heartbeat leaves the age unknown when the server does not tell it: it is one sign of life among others.
func heartbeat(ctx context.Context, conn *pgx.Conn, config Config, d *health.Database) error {
	if config.Heartbeat == "" {
		return nil
	}
	var seconds *float64
	var refused *pgconn.PgError
	err := conn.QueryRow(ctx, "SELECT extract(epoch FROM clock_timestamp() - max(at))::float8 FROM "+quoted(config.Heartbeat)).Scan(&seconds)
	switch {
	case errors.As(err, &refused): // no such table or column, or none of our business
		return nil
	case err != nil:
		return err //nolint:wrapcheck // Inspect says what it was looking at
	case seconds != nil:
		age := time.Duration(*seconds * float64(time.Second))
		d.HeartbeatAge = &age
	}
	return nil
}

func unlessNone(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// quoted returns schema.table for use in SQL.
func quoted(name string) string {
	return pgx.Identifier(strings.SplitN(name, ".", 2)).Sanitize()
}
