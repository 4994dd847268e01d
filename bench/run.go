package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// errFailed is returned when something of ours could not be measured. What was measured is in the results.
var errFailed = errors.New("not all could be measured: see above")

// Run measures what was asked for, and writes the report.
func (c *runCommand) Run(ctx context.Context) error {
	at, err := addressesFromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	results, err := readResults(c.Results)
	if err != nil {
		return err
	}
	s, err := open(ctx, c, at, results)
	if err != nil {
		return err
	}
	defer s.close(context.WithoutCancel(ctx))
	if err := s.measure(ctx); err != nil {
		return err
	}
	report := reportPath(c.Report, c.Results)
	if err := writeReport(results, report); err != nil {
		return err
	}
	fmt.Printf("results in %s, report in %s\n", c.Results, report)
	if s.failed {
		return errFailed
	}
	return nil
}

// measure goes from few rows to many.
func (s *system) measure(ctx context.Context) error {
	sizes := slices.Sorted(slices.Values(s.config.Sizes))
	larger, _ := slices.BinarySearch(sizes, s.config.Events+1)
	if err := s.growths(ctx, sizes[:larger]); err != nil {
		return err
	}
	if s.config.wants(ceiling, catchUp, lean, apart, peers, reindex, verify, scaling, freshness) {
		if err := s.atEvents(ctx); err != nil {
			return err
		}
	}
	if err := s.growths(ctx, sizes[larger:]); err != nil {
		return err
	}
	if s.config.wants(growth) {
		if err := s.widths(ctx); err != nil {
			return err
		}
	}
	if s.config.wants(eventAPI) {
		return s.eventAPI(ctx)
	}
	return nil
}

// atEvents is all that is measured with as many rows as the configuration says.
func (s *system) atEvents(ctx context.Context) error {
	documents := s.config.Events
	if err := s.grow(ctx, documents); err != nil {
		return err
	}
	if err := s.allCatchUps(ctx); err != nil {
		return err
	}
	if s.config.wants(reindex) {
		if err := s.ensureCorpus(ctx); err != nil {
			return err
		}
		err := s.rounds(ctx, reindex,
			contestant{name: "ceiling", measure: s.ceiling},
			contestant{name: "reindex", measure: func(ctx context.Context) (values, error) { return s.reindexOnce(ctx, documents) }})
		if err != nil {
			return err
		}
	}
	if s.config.wants(verify) {
		if err := s.verifies(ctx, documents); err != nil {
			return err
		}
	}
	if s.config.wants(scaling) {
		if err := s.scaling(ctx, documents); err != nil {
			return err
		}
	}
	if s.config.wants(freshness) {
		return s.freshness(ctx, documents)
	}
	return nil
}

// allCatchUps measures how a backlog gets into an index: two indices, and with Elasticsearch apart.
func (s *system) allCatchUps(ctx context.Context) error {
	if s.config.wants(ceiling, catchUp, peers) {
		if err := s.catchUps(ctx, catchUp, s.config.wants(peers)); err != nil {
			return err
		}
	}
	if s.config.wants(lean) {
		if err := s.leanCatchUps(ctx); err != nil {
			return err
		}
	}
	if s.config.wants(apart) {
		return s.apartCatchUps(ctx)
	}
	return nil
}

// leanCatchUps is catchUps with peers and an index that gives Elasticsearch little to do.
func (s *system) leanCatchUps(ctx context.Context) error {
	other := *s
	other.definition, other.corpus = filepath.Join("bench", "lean.index.yaml"), nil
	err := other.catchUps(ctx, lean, true)
	s.failed = other.failed
	return err
}

// catchUps are those who bring the backlog into an index, in turns.
func (s *system) catchUps(ctx context.Context, scenario string, withPeers bool) error {
	if err := s.ensureCorpus(ctx); err != nil {
		return err
	}
	all := []contestant{
		{name: "ceiling", measure: s.ceiling},
		{name: "cdc-indexer", measure: func(ctx context.Context) (values, error) { return s.catchUp(ctx, s.config.Events, nil) }},
	}
	for _, build := range s.config.Beside {
		all = append(all, contestant{name: filepath.Base(build), measure: func(ctx context.Context) (values, error) {
			return s.with(build).catchUp(ctx, s.config.Events, nil)
		}})
	}
	if withPeers {
		all = append(all, s.peerContestants(ctx)...)
	}
	return s.rounds(ctx, scenario, all...)
}

// growths measures catch-up and reindex with more and more rows.
func (s *system) growths(ctx context.Context, sizes []int) error {
	if !s.config.wants(growth) {
		return nil
	}
	for _, rows := range sizes {
		if err := s.grow(ctx, rows); err != nil {
			return err
		}
		which := thousands(fmt.Sprint(rows))
		err := s.rounds(ctx, growth,
			contestant{name: "cdc-indexer", which: which, measure: func(ctx context.Context) (values, error) { return s.catchUp(ctx, rows, nil) }},
			contestant{name: "reindex", which: which, measure: func(ctx context.Context) (values, error) { return s.reindexOnce(ctx, rows) }})
		if err != nil {
			return err
		}
	}
	return nil
}

// grow makes the rows that are missing, and tells how fast the connector followed.
func (s *system) grow(ctx context.Context, rows int) error {
	missing := rows - s.backlog.rows
	if missing <= 0 {
		return nil
	}
	fmt.Printf("making %d rows\n", missing)
	begun := time.Now()
	if err := s.backlog.grow(ctx, rows); err != nil {
		return err
	}
	took := time.Since(begun)
	fmt.Printf("%d rows were in Kafka %.0f s after the first was inserted: %s a second\n",
		missing, took.Seconds(), thousands(strconv.Itoa(int(float64(missing)/took.Seconds()))))
	return nil
}

// widthRows is how many rows of each width are made.
const widthRows = 20_000

// widths measures catch-up with documents of several sizes.
func (s *system) widths(ctx context.Context) error {
	for _, bytes := range s.config.Bytes {
		from, err := s.backlog.ends(ctx, createdTopic)
		if err != nil {
			return err
		}
		rows := min(widthRows, s.config.Events)
		fmt.Printf("making %d rows of about %d bytes\n", rows, bytes)
		if err := s.backlog.add(ctx, rows, bytes); err != nil {
			return err
		}
		err = s.rounds(ctx, growth, contestant{
			name: "cdc-indexer", which: thousands(fmt.Sprint(bytes)) + " bytes each",
			measure: func(ctx context.Context) (values, error) { return s.catchUp(ctx, rows, from) },
		})
		if err != nil {
			return err
		}
	}
	return nil
}
