package table

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Split cuts the table into ranges of so many rows; the last may have fewer. The first has no lower bound and the last
// no upper one, so together they cover every key there can be.
//
// It goes through the key's index once, or sorts all keys where there is none in the order of ranges (see Range).
func (s *Snapshot) Split(ctx context.Context, rowsPerRange int) ([]Range, error) {
	if rowsPerRange < 1 {
		return nil, errors.New("rowsPerRange must be positive")
	}
	query := s.layout.boundariesQuery(rowsPerRange)
	ranges := []Range{{}}
	err := s.inside(ctx, func(ctx context.Context, conn *pgconn.PgConn) error {
		result := conn.ExecParams(ctx, query, nil, nil, nil, nil)
		for result.NextRow() {
			boundary := make([]string, len(s.layout.key))
			for i, value := range result.Values() {
				boundary[i] = string(value)
			}
			ranges[len(ranges)-1].To = boundary
			ranges = append(ranges, Range{From: boundary})
		}
		_, err := result.Close()
		return err //nolint:wrapcheck // Split says what was being done
	})
	if err != nil {
		return nil, fmt.Errorf("split the table: %w", err)
	}
	return ranges, nil
}

// boundariesQuery selects the first key of every range but the first.
func (l *layout) boundariesQuery(rowsPerRange int) string {
	texts, named := make([]string, len(l.key)), make([]string, len(l.key))
	for i, c := range l.key {
		texts[i] = fmt.Sprintf("k%d::text", i)
		named[i] = fmt.Sprintf("%s AS k%d", c.quoted, i)
	}
	return fmt.Sprintf(`SELECT %s
		FROM (SELECT %s, row_number() OVER (ORDER BY %s) AS n FROM %s) AS numbered
		WHERE n > 1 AND (n - 1) %% %d = 0
		ORDER BY n`, strings.Join(texts, ", "), strings.Join(named, ", "), l.keyOrder(), l.from, rowsPerRange)
}
