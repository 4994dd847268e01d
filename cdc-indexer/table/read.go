package table

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"ticketing/cdc-indexer/change"
)

// Read calls yield with each row of a range, in no particular order, and returns its error if it returns one. Changes
// are yield's to keep. Memory is that of a few rows. Reads may run at the same time, each on a connection of its own.
//
// The key of a row may be empty or longer than an _id may be. Such a row has no document.
func (s *Snapshot) Read(ctx context.Context, r Range, yield func(change.Change) error) error {
	condition, parameters, err := s.layout.where(r)
	if err != nil {
		return err
	}
	query := "SELECT " + s.layout.selected("") + " FROM " + s.layout.from + " WHERE " + condition
	return s.inside(ctx, func(ctx context.Context, conn *pgconn.PgConn) error {
		return s.rows(ctx, conn, query, parameters, yield)
	})
}

// selected lists what is selected of each column.
func (l *layout) selected(of string) string {
	expressions := make([]string, len(l.columns))
	for i, c := range l.columns {
		expressions[i] = of + c.expr
	}
	return strings.Join(expressions, ", ")
}

// rows runs a query that selects the columns.
func (s *Snapshot) rows(ctx context.Context, conn *pgconn.PgConn, query string, parameters [][]byte, yield func(change.Change) error) error {
	// The rows that are left when yield fails are not read: the query is cancelled.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := conn.ExecParams(ctx, query, parameters, nil, nil, s.layout.formats())
	renderer := s.renderer()
	for result.NextRow() {
		row, err := renderer.change(result.Values(), s)
		if err == nil {
			err = yield(row)
		}
		if err != nil {
			cancel()
			_, _ = result.Close() // says that it was cancelled
			return err
		}
	}
	if _, err := result.Close(); err != nil {
		return fmt.Errorf("read the rows: %w", err)
	}
	return nil
}

// formats are those of the columns on the wire.
func (l *layout) formats() []int16 {
	formats := make([]int16, len(l.columns))
	for i, c := range l.columns {
		if !c.kind.asText {
			formats[i] = 1
		}
	}
	return formats
}

// Fetch returns what the snapshot has for each document _id, in their order: the row, or a Delete when there is none,
// or can be none. All of it is held in memory.
func (s *Snapshot) Fetch(ctx context.Context, ids []string) ([]change.Change, error) {
	columns := make([][]string, len(s.layout.key))
	found := make(map[string]change.Change, len(ids))
	for _, id := range ids {
		values, ok := s.layout.parseID(id)
		if _, again := found[id]; again || !ok {
			continue
		}
		found[id] = change.Change{}
		for i, value := range values {
			columns[i] = append(columns[i], value)
		}
	}
	if len(columns[0]) > 0 {
		query, parameters := s.layout.fetchQuery(columns)
		err := s.inside(ctx, func(ctx context.Context, conn *pgconn.PgConn) error {
			return s.rows(ctx, conn, query, parameters, func(c change.Change) error {
				if _, asked := found[c.Key]; asked { // and not only equal to one that was, as 7 to "07"
					found[c.Key] = c
				}
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	changes := make([]change.Change, len(ids))
	for i, id := range ids {
		changes[i] = found[id]
		if changes[i].Op != change.Upsert {
			changes[i] = change.Change{Key: id, Order: s.order, Op: change.Delete, CommittedAt: s.takenAt, Read: true}
		}
	}
	return changes, nil
}

// fetchQuery selects the rows with the keys whose values are in the columns.
func (l *layout) fetchQuery(columns [][]string) (query string, parameters [][]byte) {
	var arrays, names, equal []string
	for i, c := range l.key {
		parameters = append(parameters, arrayLiteral(columns[i]))
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, c.keyType.cast))
		names = append(names, fmt.Sprintf("k%d", i))
		equal = append(equal, fmt.Sprintf("t.%s = k%d", c.quoted, i))
	}
	return fmt.Sprintf("SELECT %s FROM unnest(%s) AS keys (%s) JOIN %s AS t ON %s", l.selected("t."),
		strings.Join(arrays, ", "), strings.Join(names, ", "), l.from, strings.Join(equal, " AND ")), parameters
}

var arrayEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayLiteral writes an array as Postgres reads it.
func arrayLiteral(values []string) []byte {
	literal := []byte{'{'}
	for i, value := range values {
		if i > 0 {
			literal = append(literal, ',')
		}
		literal = append(literal, '"')
		literal = append(literal, arrayEscapes.Replace(value)...)
		literal = append(literal, '"')
	}
	return append(literal, '}')
}
