package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidwall/gjson"
)

// verifies are the comparisons of all rows with all documents, and what they are held against: reading the rows once.
func (s *system) verifies(ctx context.Context, rows int) error {
	live, _, err := s.caughtUp(ctx, rows, nil)
	if err != nil {
		return err
	}
	compare := func(ctx context.Context, flags ...string) (values, error) {
		used, said, err := s.command(live, append([]string{"verify", "--json"}, flags...)...).run(ctx)
		if err == nil && gjson.Get(said, "rows").Int() != int64(rows) {
			err = fmt.Errorf("verify compared other than %d rows: %s", rows, said)
		}
		return values{seconds: used.Seconds, "CPU s": used.CPU, memory: used.RSS}, err
	}
	err = s.rounds(ctx, verify,
		contestant{name: "COPY to nowhere", measure: s.copyRows},
		// The round that is not counted has read all documents; this one goes by their checksums.
		contestant{name: "verify", measure: func(ctx context.Context) (values, error) { return compare(ctx) }},
		contestant{name: "verify --full", which: number(float64(rows)) + " rows", measure: func(ctx context.Context) (values, error) { return compare(ctx, "--full") }},
	)
	return errors.Join(err, s.es.remove(ctx, live.name))
}

// copyRows reads the whole table by COPY and throws the bytes away.
func (s *system) copyRows(ctx context.Context) (values, error) {
	conn, err := pgx.Connect(ctx, s.at.IndexerURL)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	begun := time.Now()
	if _, err := conn.PgConn().CopyTo(ctx, io.Discard, "COPY public.events TO STDOUT"); err != nil {
		return nil, fmt.Errorf("copy the rows: %w", err)
	}
	return values{seconds: time.Since(begun).Seconds()}, nil
}
