package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// run goes on round after round until the time is over, and stops at the first that fails: what is there then is
// the evidence. It returns the report, and has written it to the files that the configuration names.
func run(ctx context.Context, config Config, at addresses, out io.Writer, log *slog.Logger) (*Report, error) {
	report := newReport(config)
	s, err := open(ctx, config, at, log)
	if err != nil {
		return report, err
	}
	defer s.close()
	if err := s.begin(ctx, report); err != nil {
		return report, err
	}
	_, _ = fmt.Fprintf(out, "seed %d, for %s, with %d indexers; the beginning is equal: %d rows\n",
		config.Seed, config.Duration, len(s.components.indexers()), report.Beginning.Rows)
	deadline := time.Now().Add(config.Duration)
	for number := 1; time.Now().Before(deadline); number++ {
		round, err := s.round(ctx, number)
		if err != nil {
			return report, err
		}
		report.add(round)
		_, _ = fmt.Fprintln(out, round.say())
		if round.failed() {
			break
		}
	}
	return report, report.finish(config, out)
}

// begin waits for our indexers and makes sure that the index is equal before anything is broken.
func (s *system) begin(ctx context.Context, report *Report) error {
	if err := s.heal(ctx); err != nil {
		return err
	}
	v, err := s.verdict(ctx, fmt.Sprintf("seed %d, beginning, %d", s.config.Seed, time.Now().UnixNano()))
	if err != nil {
		return err
	}
	report.Beginning = newComparison(v.report)
	if !v.report.Equal() {
		return fmt.Errorf("table and index differ before anything was broken: %s", v.report)
	}
	// A connector that has never noted where it is takes another snapshot when it starts again, and rows that changed
	// between the two are not what either says: see "Limits" in the README.
	ctx, cancel := context.WithTimeout(ctx, catchUpPatience)
	defer cancel()
	return s.awaitCaptured(ctx, v.position)
}
