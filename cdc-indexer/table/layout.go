package table

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// layout is what must be known of a table to read it.
type layout struct {
	from      string // the table, quoted, for FROM
	columns   []column
	key       []column // in the order of the key
	generated map[string]bool
	points    []point
}

// column is one that the documents have.
type column struct {
	name      string
	quoted    string // as SQL
	field     []byte // as the name of a JSON field, with colon
	expr      string // what is selected of it
	kind      kind
	index     int  // among the columns
	byteOrder bool // the key's index is in the order of the bytes
	keyType   keyType
}

// point is a GeoPoint with its columns' places among the columns.
type point struct {
	name                string
	field               []byte
	latitude, longitude int
}

// describe looks the table up. A publication leaves generated columns out unless told otherwise, so the documents do.
func describe(ctx context.Context, conn *pgx.Conn, config Config) (*layout, error) {
	l := &layout{generated: map[string]bool{}}
	oid, err := l.describeTable(ctx, conn, config)
	if err != nil {
		return nil, err
	}
	if err := l.describeColumns(ctx, conn, oid, config); err != nil {
		return nil, err
	}
	if err := errors.Join(l.chooseKey(config), l.checkJSON(config), l.choosePoints(config)); err != nil {
		return nil, err
	}
	return l, l.checkUnique(ctx, conn, oid, config)
}

func (l *layout) describeTable(ctx context.Context, conn *pgx.Conn, config Config) (oid uint32, err error) {
	name := pgx.Identifier{config.Schema, config.Table}.Sanitize()
	var relkind string
	err = conn.QueryRow(ctx, `
		SELECT c.oid, c.relkind::text
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2`, config.Schema, config.Table).Scan(&oid, &relkind)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, fmt.Errorf("option Table: there is no table %s", name)
	case err != nil:
		return 0, fmt.Errorf("look up table %s: %w", name, err)
	case relkind == "r":
		l.from = "ONLY " + name // Debezium sends the rows of a table that inherits under that table's name
	case relkind == "p":
		l.from = name
	default:
		return 0, fmt.Errorf("option Table: %s is no table", name)
	}
	return oid, nil
}

// columnsQuery finds each column's type, that of the elements of an array, and what a domain is made of. The first
// modifier on the way from a domain to its base is the one that counts.
const columnsQuery = `
	WITH RECURSIVE resolved AS (
		SELECT a.attnum, a.attname, a.attgenerated <> '' AS generated, a.attcollation,
			format_type(a.atttypid, a.atttypmod) AS declared, a.atttypid AS oid, a.atttypmod AS modifier
		FROM pg_attribute a
		WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL
		SELECT r.attnum, r.attname, r.generated, r.attcollation,
			r.declared, t.typbasetype, CASE WHEN r.modifier < 0 THEN t.typtypmod ELSE r.modifier END
		FROM resolved r JOIN pg_type t ON t.oid = r.oid
		WHERE t.typtype = 'd'
	)
	SELECT r.attname, r.generated, r.declared, r.modifier, t.typelem = e.oid,
		e.typname, CASE WHEN n.nspname = 'pg_catalog' THEN 'b' ELSE e.typtype::text END, r.declared <> format_type(r.oid, r.modifier),
		CASE
			WHEN r.attcollation = 0 THEN true
			WHEN c.collprovider = 'd' THEN d.datlocprovider = 'b' OR d.datlocprovider = 'c' AND d.datcollate IN ('C', 'POSIX')
			ELSE c.collprovider = 'b' OR c.collprovider = 'c' AND c.collcollate IN ('C', 'POSIX')
		END
	FROM resolved r
	JOIN pg_type t ON t.oid = r.oid AND t.typtype <> 'd'
	JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' AND t.typname NOT IN ('int2vector', 'oidvector') THEN t.typelem ELSE t.oid END
	JOIN pg_namespace n ON n.oid = e.typnamespace
	LEFT JOIN pg_collation c ON c.oid = r.attcollation
	JOIN pg_database d ON d.datname = current_database()
	ORDER BY r.attnum`

func (l *layout) describeColumns(ctx context.Context, conn *pgx.Conn, oid uint32, config Config) error {
	rows, err := conn.Query(ctx, columnsQuery, oid)
	if err != nil {
		return fmt.Errorf("look up the columns: %w", err)
	}
	var problems []error
	var found typeOf
	var name string
	var generated, byteOrder bool
	_, err = pgx.ForEachRow(rows, []any{
		&name, &generated, &found.declared, &found.modifier, &found.array, &found.name, &found.class, &found.domain, &byteOrder,
	}, func() error {
		if generated {
			l.generated[name] = true
			return nil
		}
		kind, err := kindOf(found)
		if errors.Is(err, errLeftOut) {
			return nil
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("column %s of %s.%s: %w", name, config.Schema, config.Table, err))
			return nil
		}
		if kind.json && slices.Contains(config.JSONColumns, name) {
			kind.append = appendJSON
		}
		quoted := pgx.Identifier{name}.Sanitize()
		l.columns = append(l.columns, column{
			name: name, quoted: quoted, field: append(appendString(nil, []byte(name)), ':'), expr: quoted + kind.cast,
			kind: kind, index: len(l.columns), byteOrder: byteOrder, keyType: keyTypes[found.name],
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up the columns: %w", err)
	}
	return errors.Join(problems...)
}

func (l *layout) find(name string) (column, bool) {
	at := slices.IndexFunc(l.columns, func(c column) bool { return c.name == name })
	if at < 0 {
		return column{}, false
	}
	return l.columns[at], true
}

func (l *layout) chooseKey(config Config) error {
	if len(config.Key) == 0 {
		return errors.New("option Key: names no column")
	}
	var problems []error
	for n, name := range config.Key {
		c, ok := l.find(name)
		switch {
		case !ok:
			problems = append(problems, fmt.Errorf("option Key: there is no column %s", name))
		case slices.Index(config.Key, name) != n:
			problems = append(problems, fmt.Errorf("option Key: column %s is there twice", name))
		case c.keyType.cast == "" || c.kind.array:
			problems = append(problems, fmt.Errorf("option Key: column %s must be an integer, a uuid, a text or a varchar", name))
		}
		l.key = append(l.key, c)
	}
	return errors.Join(problems...)
}

func (l *layout) checkJSON(config Config) error {
	var problems []error
	for _, name := range config.JSONColumns {
		if c, ok := l.find(name); !ok || !c.kind.json {
			problems = append(problems, fmt.Errorf("option JSONColumns: there is no column %s of type json or jsonb", name))
		}
	}
	return errors.Join(problems...)
}

// choosePoints finds the points' columns. Of a numeric, which is text in the document, the decoder makes no point.
func (l *layout) choosePoints(config Config) error {
	var problems []error
	for _, p := range config.GeoPoints {
		latitude, ok := l.find(p.Latitude)
		longitude, alsoOK := l.find(p.Longitude)
		if !ok || !alsoOK {
			problems = append(problems, fmt.Errorf("option GeoPoints: %s needs columns %s and %s", p.Field, p.Latitude, p.Longitude))
			continue
		}
		field := append(appendQuoted(nil, p.Field), `:{"lat":`...)
		l.points = append(l.points, point{name: p.Field, field: field, latitude: latitude.index, longitude: longitude.index})
	}
	return errors.Join(problems...)
}

// checkUnique makes sure that no two rows have the same document.
func (l *layout) checkUnique(ctx context.Context, conn *pgx.Conn, oid uint32, config Config) error {
	var unique bool
	err := conn.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM pg_index i
			WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = cardinality($2::text[])
			AND (SELECT bool_and(coalesce(a.attname = ANY($2) AND a.attnotnull, false))
				FROM generate_series(0, i.indnkeyatts - 1) AS n
				LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n]))`, oid, config.Key).Scan(&unique)
	if err != nil {
		return fmt.Errorf("look up the key: %w", err)
	}
	if !unique {
		return fmt.Errorf("option Key: (%s) is neither the primary key of %s.%s nor unique and not null", strings.Join(config.Key, ", "), config.Schema, config.Table)
	}
	return nil
}
