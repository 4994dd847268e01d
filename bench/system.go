package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// system is what is measured: a private stack, of which everything runs but the indexer.
type system struct {
	config     *runCommand
	at         addresses
	es         *elastic
	backlog    *backlog
	dir        string        // for configuration files, removed at the end
	named      *atomic.Int64 // indexers so far
	indexer    string        // the program
	definition string        // the index's settings and mappings
	commit     string        // the checkout's when the run began: results that it writes change the checkout
	corpus     *corpus
	// pgsyncReady says that pgsync's database is there.
	pgsyncReady bool
	results     *Results
	begun       map[string]*Scenario // by this run
	failed      bool
}

func open(ctx context.Context, config *runCommand, at addresses, results *Results) (*system, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s := &system{
		config: config, at: at, es: newElastic(at.Elasticsearch), dir: dir, results: results, begun: map[string]*Scenario{}, named: new(atomic.Int64),
		indexer: config.program("cdc-indexer"), definition: filepath.Join("cdc-indexer", "pipelines", "events.index.yaml"),
		commit: commit(config.Root),
	}
	if s.backlog, err = newBacklog(ctx, at); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// with returns the same system with another build of cdc-indexer.
func (s *system) with(build string) *system {
	other := *s
	other.indexer = build
	return &other
}

func (s *system) close(ctx context.Context) {
	s.backlog.close(ctx)
	_ = os.RemoveAll(s.dir)
}

// contestant is one of several that do the same work in turns.
type contestant struct {
	name  string
	which string // of what it does: a size, a number of replicas
	peer  bool   // not ours: that it fails is a result
	// measure does the work once.
	measure func(context.Context) (values, error)
}

// values are what was measured, by what it is called in the report.
type values map[string]float64

// rounds lets all contestants do their work in turns, as often as the configuration says, after some rounds that are not
// counted: Elasticsearch has to compile its hot code, and the files have to be in memory. Each round begins with
// another contestant, the first one with the first. One that fails is out; the others go on.
func (s *system) rounds(ctx context.Context, scenario string, contestants ...contestant) error {
	into, warm := s.begun[scenario]
	if !warm {
		envelope, err := s.backlog.envelopeBytes(ctx)
		if err != nil {
			return err
		}
		into = &Scenario{
			Date: time.Now().UTC().Truncate(time.Second), Commit: s.commit, Machine: machine(), Load: loadAverage(),
			Versions: s.versions(ctx),
			Rounds:   s.config.Rounds, Events: s.config.Events, Envelope: round3(envelope),
		}
		s.results.Scenarios[scenario] = into
		s.begun[scenario] = into
	}
	out := map[int]bool{}
	for round := 1 - s.config.WarmUps; round <= s.config.Rounds; round++ { // up to 0 they are not counted
		if round <= 0 && warm {
			continue
		}
		for turn := range contestants {
			at := (turn + max(round-1, 0)) % len(contestants)
			if out[at] {
				continue
			}
			c := contestants[at]
			begun := time.Now()
			measured, err := c.measure(ctx)
			if ctx.Err() != nil {
				return ctx.Err() //nolint:wrapcheck // the user has ended it
			}
			out[at] = err != nil
			say(scenario, c, round, measured, time.Since(begun), err)
			if err != nil {
				into.fail(c, round, err)
				s.failed = s.failed || !c.peer
			} else if round > 0 {
				into.add(c, round, measured)
			}
		}
	}
	return s.results.write(s.config)
}

func say(scenario string, c contestant, round int, measured values, took time.Duration, err error) {
	counted := fmt.Sprintf("round %d", round)
	if round <= 0 {
		counted = "warm-up"
	}
	fmt.Printf("%-9s %-8s %s %s: %s", scenario, counted, c.name, c.which, measured)
	if err != nil {
		fmt.Printf("FAILED: %.600s", err)
	}
	fmt.Printf(" (%.1f s)\n", took.Seconds())
}
