// Package table reads the rows of the pipeline's table in Postgres, as documents: byte for byte those that package
// debezium makes out of the connector's messages, so that the two can be told apart by a hash. It is the table's side
// of rebuilding, verifying and repairing an index.
//
// Rows are read from a Snapshot, which has a place in the order of changes: its rows are newer than every change up to
// there, and older than every other.
package table

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ticketing/cdc-indexer/change"
)

const (
	connectTimeout = 10 * time.Second
	closeTimeout   = 5 * time.Second

	defaultMaxConns = 4
	maxMaxConns     = 100
	exactRows       = 10_000 // tables of fewer rows are counted, others estimated
)

// Config says which table to read and how its row becomes a document. All but URL, MaxConns and the table's name is
// that of debezium.Config, and must be equal to it.
type Config struct {
	// URL is that of the primary server, as a role that may read the table: init-sql's role indexer. The connections
	// must be direct ones: a pooler that gives each transaction another session breaks the settings made here.
	URL           string
	Schema, Table string
	Key           []string // columns of the primary key, in their order
	Epoch         uint8    // see change.NewOrder
	// JSONColumns hold json or jsonb, and stand in the document as what they mean.
	JSONColumns []string
	// GeoPoints are fields that a document has beside the row's columns.
	GeoPoints []GeoPoint
	// MaxConns is how many connections read at a time, 0 for 4. A snapshot holds one more.
	MaxConns int
}

// GeoPoint is a field of Elasticsearch's type geo_point made of two columns that are numbers in the document. It is
// left out when one is null.
type GeoPoint struct {
	Field, Latitude, Longitude string
}

// KeyColumn is a column of the primary key.
type KeyColumn struct {
	Name string
	// Numeric says that values are ordered as integers. Others are ordered by their bytes.
	Numeric bool
}

// Table reads one table. It is safe for concurrent use.
type Table struct {
	config Config
	pool   *pgxpool.Pool
	layout *layout // as it was when the table was opened
}

// Open connects, looks up the table's columns and checks the configuration against them. Its error names the option,
// or the column, that is wrong.
func Open(ctx context.Context, config Config) (*Table, error) {
	if config.Epoch > change.MaxEpoch {
		return nil, fmt.Errorf("option Epoch: %d is above %d", config.Epoch, change.MaxEpoch)
	}
	if config.MaxConns < 0 || config.MaxConns > maxMaxConns {
		return nil, fmt.Errorf("option MaxConns: must be 0 to %d, not %d", maxMaxConns, config.MaxConns)
	}
	if config.MaxConns == 0 {
		config.MaxConns = defaultMaxConns
	}
	poolConfig, err := pgxpool.ParseConfig(config.URL)
	if err != nil {
		return nil, fmt.Errorf("option URL: %w", err)
	}
	poolConfig.MaxConns = int32(config.MaxConns)
	poolConfig.ConnConfig.ConnectTimeout = connectTimeout
	setParameters(poolConfig.ConnConfig.RuntimeParams)
	poolConfig.AfterConnect = prepareSession
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("option URL: make the connection pool: %w", err)
	}
	t := &Table{config: config, pool: pool}
	if err := t.describe(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return t, nil
}

// setParameters makes sessions that write values in one way whatever the server's settings are, and that end with us
// and not earlier: a copy may take hours, and the session that holds its snapshot sits idle meanwhile.
func setParameters(parameters map[string]string) {
	if parameters["application_name"] == "" {
		parameters["application_name"] = "cdc-indexer"
	}
	parameters["client_encoding"] = "UTF8"
	parameters["timezone"] = "UTC"
	parameters["datestyle"] = "ISO, MDY"
	parameters["intervalstyle"] = "postgres"
	parameters["bytea_output"] = "hex"
	parameters["extra_float_digits"] = "1"
	parameters["statement_timeout"] = "0"
	parameters["idle_in_transaction_session_timeout"] = "0"
	parameters["default_transaction_read_only"] = "on"
	// A policy that hides rows would make them look deleted: an error is better.
	parameters["row_security"] = "off"
}

// prepareSession makes the settings that older servers do not know.
func prepareSession(ctx context.Context, conn *pgx.Conn) error {
	const query = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'"
	if _, err := conn.Exec(ctx, query); err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	return nil
}

func (t *Table) describe(ctx context.Context) error {
	conn, err := t.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Release()
	t.layout, err = describe(ctx, conn.Conn(), t.config)
	return err
}

// Close waits for the connections in use and closes all. Snapshots must have been closed.
func (t *Table) Close() { t.pool.Close() }

// Key returns the columns of the key, in their order.
func (t *Table) Key() []KeyColumn {
	key := make([]KeyColumn, len(t.layout.key))
	for i, c := range t.layout.key {
		key[i] = KeyColumn{Name: c.name, Numeric: c.keyType.numeric}
	}
	return key
}

// EstimateRows returns about how many rows the table has, for a progress bar: a small table's are counted, a large
// one's are what the planner takes them for.
func (t *Table) EstimateRows(ctx context.Context) (int64, error) {
	var rows int64
	counting := fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s LIMIT %d) AS first", t.layout.from, exactRows)
	if err := t.pool.QueryRow(ctx, counting).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count the rows: %w", err)
	}
	if rows < exactRows {
		return rows, nil
	}
	var text []byte
	if err := t.pool.QueryRow(ctx, "EXPLAIN (FORMAT JSON) SELECT FROM "+t.layout.from).Scan(&text); err != nil {
		return 0, fmt.Errorf("estimate the rows: %w", err)
	}
	var plans []struct {
		Plan struct {
			Rows int64 `json:"Plan Rows"`
		} `json:"Plan"`
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		return 0, fmt.Errorf("estimate the rows: read the plan %.200q: %w", text, err)
	}
	return max(plans[0].Plan.Rows, exactRows), nil
}
