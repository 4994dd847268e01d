package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ticketing/internal/compare"
)

// catchUpPatience is how long the index may take to catch up once everything works.
const catchUpPatience = 6 * time.Minute

// markerID is the row that is written behind all others and waited for.
const markerID = "c4a05000-0000-4000-8000-ffffffffffff"

// verdict is what a comparison found, and the log position up to which all was written before.
type verdict struct {
	report   compare.Report
	position string
}

// verdict waits until everything that was written has been consumed, and compares. What differs then is looked at
// again when Postgres has been told that Kafka has all there is: only that counts.
func (s *system) verdict(ctx context.Context, marker string) (v verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, catchUpPatience)
	defer cancel()
	if v.position, err = s.mark(ctx, marker); err != nil {
		return v, err
	}
	if err := s.awaitMarker(ctx, marker); err != nil {
		return v, err
	}
	for _, last := range []bool{false, true} {
		if err := s.awaitNoLag(ctx); err != nil {
			return v, err
		}
		if v.report, err = s.compare(ctx); err != nil || v.report.Equal() || last {
			return v, err
		}
		if err := s.awaitCaptured(ctx, v.position); err != nil {
			return v, err
		}
	}
	return v, nil
}

// compare compares all of the table with all of the index.
func (s *system) compare(ctx context.Context) (compare.Report, error) {
	began := time.Now()
	defer func() { s.log.DebugContext(ctx, "compared", "seconds", time.Since(began).Seconds()) }()
	return compare.Table(ctx, compare.Options{
		DatabaseURL: s.at.Postgres, Table: table, Key: []string{"id"},
		ElasticsearchURL: s.at.Elasticsearch, Index: readAlias, JSONColumns: []string{"attributes"},
		GeoPoints: []compare.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
		Samples:   samples,
	})
}

// mark ends what is left of the writers' transactions, writes the marker and returns the log position behind it.
func (s *system) mark(ctx context.Context, marker string) (position string, err error) {
	err = s.onDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// A writer that has given up may have left a session that works on.
		const others = `FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()
			AND (application_name = $1 OR usename = 'eventapi')`
		for left := 1; left > 0; {
			if err := conn.QueryRow(ctx, "SELECT count(pg_terminate_backend(pid)) "+others, applicationName).Scan(&left); err != nil {
				return fmt.Errorf("end the writers' sessions: %w", err)
			}
			if left > 0 && !wait(ctx, 100*time.Millisecond) {
				return fmt.Errorf("end the writers' sessions: %d are left: %w", left, ctx.Err())
			}
		}
		_, err := conn.Exec(ctx, `INSERT INTO public.events (id, title, category, organizer, starts_at, ends_at)
			VALUES ($1, $2, 'chaos', 'chaos', '2030-01-01', '2030-01-02') ON CONFLICT (id) DO UPDATE SET title = excluded.title`, markerID, marker)
		if err != nil {
			return fmt.Errorf("write the marker: %w", err)
		}
		return conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&position)
	})
	return position, err
}

// awaitMarker waits until the marker has come through, and with it, into Kafka at least, all that was written before.
func (s *system) awaitMarker(ctx context.Context, marker string) error {
	return s.await(ctx, "the marker to arrive in the index", func(ctx context.Context) error {
		if err := s.reviveConnector(ctx); err != nil { // it may fail late
			return err
		}
		body, err := get(ctx, s.at.Elasticsearch+"/"+readAlias+"/_source/"+markerID)
		if err != nil {
			return err
		}
		var document struct{ Title string }
		if err := json.Unmarshal(body, &document); err != nil {
			return fmt.Errorf("read the marker: %w", err)
		}
		if document.Title != marker {
			return fmt.Errorf("the marker is still %q", document.Title)
		}
		return nil
	})
}

// awaitNoLag waits until the group has done everything that is in Kafka.
func (s *system) awaitNoLag(ctx context.Context) error {
	return s.await(ctx, "the indexers to catch up", func(ctx context.Context) error {
		positions, err := s.positions(ctx)
		if err != nil {
			return err
		}
		if behind := lag(positions); behind > 0 {
			return fmt.Errorf("%d messages are not consumed yet", behind)
		}
		return nil
	})
}

// awaitCaptured waits until Debezium has told Postgres that Kafka has all up to a position.
func (s *system) awaitCaptured(ctx context.Context, position string) error {
	return s.await(ctx, "Debezium to catch up", func(ctx context.Context) error {
		return s.onDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			var confirmed string
			var behind int64
			err := conn.QueryRow(ctx, `SELECT confirmed_flush_lsn::text, ($1::pg_lsn - confirmed_flush_lsn)::bigint
				FROM pg_replication_slots WHERE slot_name = $2`, position, slot).Scan(&confirmed, &behind)
			if err == nil && behind > 0 {
				err = fmt.Errorf("it is at %s, %d bytes behind", confirmed, behind)
			}
			return err
		})
	})
}

// errLate is what a wait for the pipeline ends with.
var errLate = errors.New("did not catch up")

// await calls check until it returns nil or ctx ends.
func (s *system) await(ctx context.Context, what string, check func(context.Context) error) error {
	began := time.Now()
	for {
		err := check(ctx)
		if err == nil {
			s.log.DebugContext(ctx, "waited", "for", what, "seconds", time.Since(began).Seconds())
			return nil
		}
		if !wait(ctx, 200*time.Millisecond) {
			return fmt.Errorf("waited for %s: %w: %w: %w", what, errLate, ctx.Err(), err)
		}
	}
}
