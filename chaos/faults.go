package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ticketing/stack/native"
)

// fault is one way to break the system. The table of them is all that a round knows: another action, such as one of
// cdc-indexer's commands, is another row.
type fault struct {
	name   string
	weight int // how often it is chosen, against the others
	// breaks names the parts that it breaks or needs: components, or links. No other fault touches these meanwhile.
	breaks []string
	// run does it and undoes it. It may return before what it broke works again, but not leave anything broken for good:
	// the waits in between end early when ctx ends, and what undoes it is done all the same.
	run func(ctx context.Context, r *rand.Rand) error
}

// faults returns the table.
func (s *system) faults() []fault {
	var table []fault
	for _, name := range s.components.indexers() {
		table = append(table,
			fault{"kill an indexer", 4, []string{name}, s.kill(name)},
			fault{"stop an indexer", 2, []string{name}, s.stopped(name, time.Second, 8*time.Second)},
			// beyond the session timeout of 10 s its partitions go to others while it still believes to have them
			fault{"pause an indexer", 4, []string{name}, s.paused(name, time.Second, 14*time.Second)},
		)
	}
	for _, name := range []string{native.Elasticsearch, native.Kafka, native.Connect, native.Postgres} {
		table = append(table,
			fault{"kill " + name, 5, []string{name}, s.kill(name)},
			fault{"stop " + name, 3, []string{name}, s.stopped(name, 0, 8*time.Second)},
			fault{"pause " + name, 4, []string{name}, s.paused(name, time.Second, 10*time.Second)},
		)
	}
	table = append(table,
		fault{"shut postgres down at once", 2, []string{native.Postgres}, s.quitPostgres},
		fault{"end Debezium's replication session", 4, []string{native.Postgres}, s.endReplication},
		fault{"block writes to the index", 3, []string{native.Elasticsearch, rebuilding}, s.blockWrites},
		fault{"bad messages", 6, []string{native.Kafka}, s.letters.send},
		fault{"rewind the group's offsets", 4, append(s.components.indexers(), native.Kafka), s.rewind},
	)
	table = append(table, s.commandFaults()...)
	return append(table, s.linkFaults()...)
}

// capturing are the parts whose end makes Debezium start again from where it last noted that it was.
var capturing = []string{native.Postgres, native.Kafka, native.Connect}

// interruptsCapture says whether Debezium starts again because of the fault.
func (f fault) interruptsCapture() bool {
	return slices.ContainsFunc(f.breaks, func(part string) bool { return slices.Contains(capturing, part) })
}

// kill returns a fault that ends a component with SIGKILL. It is started again at once.
func (s *system) kill(name string) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, _ *rand.Rand) error { return s.components.kill(ctx, name) }
}

// stopped returns a fault that stops a component cleanly for a while.
func (s *system) stopped(name string, shortest, longest time.Duration) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, r *rand.Rand) error {
		if err := s.components.stop(ctx, name); err != nil {
			return err
		}
		wait(ctx, between(r, shortest, longest))
		return s.components.start(ctx, name)
	}
}

// paused returns a fault that stops a component where it is for a while.
func (s *system) paused(name string, shortest, longest time.Duration) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, r *rand.Rand) error {
		if err := s.components.pause(ctx, name); err != nil {
			return err
		}
		wait(ctx, between(r, shortest, longest))
		return s.components.unpause(ctx, name)
	}
}

func between(r *rand.Rand, shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(r.Int64N(int64(longest-shortest)+1))
}

// picker hands out faults such that no part is broken twice at a time.
type picker struct {
	table []fault

	mu     sync.Mutex
	broken map[string]bool
}

// take chooses a fault by weight among those that are allowed and whose parts are whole. It says false when there is
// none.
func (p *picker) take(r *rand.Rand, allowed func(fault) bool) (chosen fault, release func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := 0
	free := slices.DeleteFunc(slices.Clone(p.table), func(f fault) bool {
		return !allowed(f) || slices.ContainsFunc(f.breaks, func(part string) bool { return p.broken[part] })
	})
	for _, f := range free {
		total += f.weight
	}
	if total == 0 {
		return fault{}, nil, false
	}
	at := r.IntN(total)
	for _, f := range free {
		if at -= f.weight; at < 0 {
			chosen = f
			break
		}
	}
	p.mark(chosen.breaks, true)
	return chosen, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.mark(chosen.breaks, false)
	}, true
}

func (p *picker) mark(parts []string, broken bool) {
	if p.broken == nil {
		p.broken = map[string]bool{}
	}
	for _, part := range parts {
		p.broken[part] = broken
	}
}
