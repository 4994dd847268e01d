package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidwall/gjson"
)

const (
	connectTimeout = 10 * time.Second
	closeTimeout   = 5 * time.Second
)

// table streams the rows of a table in the order of the key, from one snapshot.
type table struct {
	conn    *pgx.Conn
	rows    pgx.Rows
	columns []column
	key     []keyColumn
}

type keyColumn struct {
	name    string
	numeric bool
}

// row is a row as row_to_json writes it, in which no value loses a digit.
type row struct {
	key    key
	values gjson.Result
}

func openTable(ctx context.Context, options Options) (*table, error) {
	config, err := pgx.ParseConfig(options.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("database url: %w", err)
	}
	config.ConnectTimeout = connectTimeout
	// How values are written must not depend on the server's settings.
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["bytea_output"] = "hex"
	config.RuntimeParams["extra_float_digits"] = "1"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	t := &table{conn: conn}
	if err := t.open(ctx, options); err != nil {
		t.close(ctx)
		return nil, err
	}
	return t, nil
}

func (t *table) open(ctx context.Context, options Options) error {
	name := pgx.Identifier(strings.Split(options.Table, ".")).Sanitize()
	if err := t.describe(ctx, name, options); err != nil {
		return err
	}
	selected := []string{"row_to_json(t)::text"}
	var order []string
	for _, c := range t.key {
		column := "t." + pgx.Identifier{c.name}.Sanitize()
		selected = append(selected, column+"::text")
		if !c.numeric {
			column += `::text COLLATE "C"`
		}
		order = append(order, column)
	}
	rows, err := t.conn.Query(ctx, "SELECT "+strings.Join(selected, ", ")+" FROM "+name+" AS t ORDER BY "+strings.Join(order, ", "))
	if err != nil {
		return fmt.Errorf("read the rows: %w", err)
	}
	t.rows = rows
	return nil
}

// describe looks up the columns that changes of the table carry: all but generated ones, which a publication leaves
// out unless told otherwise.
func (t *table) describe(ctx context.Context, name string, options Options) error {
	rows, err := t.conn.Query(ctx, `
		SELECT a.attname, element.typname, base.typcategory = 'A', a.atttypmod BETWEEN 0 AND 3
		FROM pg_attribute a
		JOIN pg_type declared ON declared.oid = a.atttypid
		JOIN pg_type base ON base.oid = CASE declared.typtype WHEN 'd' THEN declared.typbasetype ELSE declared.oid END
		JOIN pg_type element ON element.oid = CASE base.typcategory WHEN 'A' THEN base.typelem ELSE base.oid END
		WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY a.attnum`, name)
	if err != nil {
		return fmt.Errorf("look up the columns: %w", err)
	}
	types := map[string]string{}
	var c column
	var typeName string
	_, err = pgx.ForEachRow(rows, []any{&c.name, &typeName, &c.array, &c.milliseconds}, func() error {
		c.kind = kinds[typeName]
		if c.kind == jsonText && !c.array && slices.Contains(options.JSONColumns, c.name) {
			c.kind = jsonValue
		}
		types[c.name] = typeName
		if c.array {
			types[c.name] += "[]"
		}
		t.columns = append(t.columns, c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look up the columns: %w", err)
	}
	return errors.Join(t.describeKey(options, types), checkColumns(options, types))
}

func (t *table) describeKey(options Options, types map[string]string) error {
	var problems []error
	for _, name := range options.Key {
		switch types[name] {
		case "int2", "int4", "int8":
			t.key = append(t.key, keyColumn{name: name, numeric: true})
		case "uuid", "text", "varchar":
			t.key = append(t.key, keyColumn{name: name})
		case "":
			problems = append(problems, fmt.Errorf("option Key: there is no column %s", name))
		default:
			problems = append(problems, fmt.Errorf("option Key: column %s is of type %s: it must be an integer, a uuid or text", name, types[name]))
		}
	}
	return errors.Join(problems...)
}

func checkColumns(options Options, types map[string]string) error {
	var problems []error
	for _, name := range options.JSONColumns {
		if types[name] != "json" && types[name] != "jsonb" {
			problems = append(problems, fmt.Errorf("option JSONColumns: there is no column %s of type json or jsonb", name))
		}
	}
	for _, point := range options.GeoPoints {
		if types[point.Latitude] == "" || types[point.Longitude] == "" {
			problems = append(problems, fmt.Errorf("option GeoPoints: there are no columns %s and %s", point.Latitude, point.Longitude))
		}
	}
	return errors.Join(problems...)
}

// next returns the next row, or nil behind the last one.
func (t *table) next() (*row, error) {
	if !t.rows.Next() {
		if err := t.rows.Err(); err != nil {
			return nil, fmt.Errorf("read the rows: %w", err)
		}
		return nil, nil //nolint:nilnil // the end is not an error
	}
	var values string
	texts := make([]string, len(t.key))
	into := []any{&values}
	for i := range texts {
		into = append(into, &texts[i])
	}
	if err := t.rows.Scan(into...); err != nil {
		return nil, fmt.Errorf("read a row: %w", err)
	}
	r := &row{key: make(key, len(t.key)), values: gjson.Parse(values)}
	for i, c := range t.key {
		var err error
		if r.key[i], err = newKeyValue(texts[i], c.numeric); err != nil {
			return nil, fmt.Errorf("read a row: column %s: %w", c.name, err)
		}
	}
	return r, nil
}

func (t *table) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	// Closing the rows would read all that are left first; closing the connection under them does not.
	_ = t.conn.Close(ctx)
	if t.rows != nil {
		t.rows.Close()
	}
}
