package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

const (
	shortestRound = 20 * time.Second
	longestRound  = 40 * time.Second
	// lanes is how many faults may be under way at a time.
	lanes       = 3
	faultLimit  = 2 * time.Minute
	longestCalm = 3 * time.Second // between two faults of a lane
)

// round writes and breaks for a while, heals, and compares. The error is for a run that cannot go on; what the round
// found is in the result.
func (s *system) round(ctx context.Context, number int) (*Round, error) {
	result := &Round{Number: number}
	began := time.Now()
	lap := func(into *float64) {
		*into = time.Since(began).Seconds()
		began = time.Now()
	}
	if err := s.breakUnderWrites(ctx, result); err != nil {
		return result, err
	}
	lap(&result.WritingSeconds)
	s.restarts = nil
	err := s.heal(ctx)
	lap(&result.HealingSeconds)
	if err == nil {
		err = s.judge(ctx, result)
		lap(&result.CatchUpSeconds)
	}
	result.ConnectorRestarts = s.restarts
	if ctx.Err() != nil {
		return result, ctx.Err() //nolint:wrapcheck // the user has ended it
	}
	if err != nil {
		result.Problems = append(result.Problems, err.Error())
	}
	return result, nil
}

// breakUnderWrites returns when all writers have stopped and all faults are undone.
func (s *system) breakUnderWrites(ctx context.Context, result *Round) error {
	random := s.config.random(stream(result.Number, 0xffff))
	ctx, cancel := context.WithTimeout(ctx, between(random, shortestRound, longestRound))
	defer cancel()
	var writes, faults tally
	var breaking sync.WaitGroup
	choices := &picker{table: s.faults()}
	for lane := range lanes {
		breaking.Go(func() { s.breakThings(ctx, choices, stream(result.Number, 0x1000+lane), &faults) })
	}
	err := s.runWriters(ctx, result.Number, &writes)
	cancel()
	breaking.Wait()
	result.Writes, result.Faults = writes.counts, faults.counts
	return err
}

// breakThings does one fault after the other until ctx ends.
func (s *system) breakThings(ctx context.Context, choices *picker, stream uint64, counts *tally) {
	random := s.config.random(stream)
	for wait(ctx, between(random, 0, longestCalm)) {
		chosen, release, ok := s.take(choices, random)
		if !ok {
			continue // everything is broken
		}
		limited, cancel := context.WithTimeout(ctx, faultLimit)
		err := chosen.run(limited, random)
		cancel()
		release()
		counts.add(chosen.name, 0, err)
		s.log.DebugContext(ctx, "fault", "name", chosen.name, "breaks", chosen.breaks, "error", err)
	}
}

// take chooses a fault, and none that interrupts Debezium while a COPY must not be cut.
func (s *system) take(choices *picker, random *rand.Rand) (chosen fault, release func(), ok bool) {
	mayInterrupt := s.copying.TryRLock()
	chosen, done, ok := choices.take(random, func(f fault) bool { return mayInterrupt || !f.interruptsCapture() })
	switch {
	case !mayInterrupt:
		return chosen, done, ok
	case !ok || !chosen.interruptsCapture():
		s.copying.RUnlock()
		return chosen, done, ok
	}
	return chosen, func() {
		done()
		s.copying.RUnlock()
	}, true
}

// judge compares, and looks for whatever else went wrong.
func (s *system) judge(ctx context.Context, result *Round) error {
	v, err := s.verdict(ctx, fmt.Sprintf("seed %d, round %d, %d", s.config.Seed, result.Number, time.Now().UnixNano()))
	result.Comparison = newComparison(v.report)
	if err != nil {
		return err
	}
	if result.Evidence, err = s.evidence(ctx, v.report); err != nil {
		return err
	}
	found, problems, err := s.letters.check(ctx)
	result.DeadLetters, result.Problems = found, append(result.Problems, problems...)
	result.Warnings = s.warnings(ctx)
	return err
}

// say returns the round in a line or more for people.
func (r *Round) say() string {
	var text strings.Builder
	writes, faults := sum(r.Writes), sum(r.Faults)
	fmt.Fprintf(&text, "round %d: %.0f s of writes (%d, %d rows; %d failed) and %d faults, healed in %.0f s, caught up in %.0f s: ",
		r.Number, r.WritingSeconds, writes.Done, writes.Rows, writes.Failed, faults.Done, r.HealingSeconds, r.CatchUpSeconds)
	if r.failed() {
		text.WriteString("FAILED\n  " + r.Comparison.say())
	} else {
		fmt.Fprintf(&text, "equal, %d rows", r.Comparison.Rows)
	}
	for _, line := range r.Evidence {
		text.WriteString("\n  " + line)
	}
	for _, problem := range r.Problems {
		text.WriteString("\n  " + problem)
	}
	for _, restart := range r.ConnectorRestarts {
		text.WriteString("\n  the connector had failed and was restarted: " + restart)
	}
	for _, warning := range r.Warnings {
		text.WriteString("\n  an indexer warns: " + warning)
	}
	return text.String()
}

// errRoundFailed says that a round found a difference, or that the system did not come back.
var errRoundFailed = errors.New("a round failed")
