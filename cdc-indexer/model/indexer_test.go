package model

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ticketing/cdc-indexer/change"
)

// applier is what the model tests: elastic.Writer, or one of the broken ones of rule_test.go.
type applier interface {
	Apply(ctx context.Context, changes []change.Change) ([]change.Result, error)
}

// orderRule makes a change's order from what its message says.
type orderRule func(m message) change.Order

// session is one member of one generation of the consumer group.
type session struct {
	id       int
	owns     []place
	position map[place]int // of the next fetch
	done     chan outcome  // nil: nothing is being applied
	kill     context.CancelFunc
}

type outcome struct {
	results []change.Result
	err     error
}

// group is the indexer's consumer group. Any member may own any places: the real one keeps a row's changes in one
// process, but nothing may depend on it.
type group struct {
	*rand.Rand
	log     func(format string, args ...any)
	kafka   *kafka
	applier applier
	order   orderRule
	batch   int // most messages taken from one place at a time

	members []*session // of the current generation
	old     []*session // of former generations, still applying what they had fetched
	started int
	failure error
}

// rebalance begins a new generation. Its members go on from the committed offsets, whatever the former members had
// fetched. Those that are not dead write what they had in hand.
func (g *group) rebalance(deaths bool) {
	for _, s := range g.members {
		switch {
		case s.done == nil:
		case deaths && g.IntN(2) == 0:
			s.kill()
			g.log("indexer: session %d dies", s.id)
		default:
			g.old = append(g.old, s)
		}
	}
	g.members = nil
	for range 1 + g.IntN(3) {
		g.started++
		g.members = append(g.members, &session{id: g.started, position: map[place]int{}})
	}
	for _, at := range g.kafka.places {
		s := g.members[g.IntN(len(g.members))]
		s.owns = append(s.owns, at)
		s.position[at] = g.kafka.committed[at]
	}
}

// reset moves committed offsets back, which takes a stopped group.
func (g *group) reset() {
	for _, at := range g.kafka.places {
		start := g.kafka.starts[at]
		if kept := g.kafka.committed[at] - start; kept > 0 && g.IntN(2) == 0 {
			g.kafka.committed[at] = start + g.IntN(kept)
		}
	}
	g.log("indexer: offsets reset to %v", g.kafka.committed)
	g.rebalance(true)
}

// step lets one session get on: fetch and begin to apply, or commit what has been applied.
func (g *group) step() {
	all := append(slices.Clone(g.members), g.old...)
	s := all[g.IntN(len(all))]
	switch {
	case s.done == nil:
		g.fetch(s)
	case len(s.done) > 0:
		g.finish(s, <-s.done)
	}
}

func (g *group) fetch(s *session) {
	var changes []change.Change
	g.Shuffle(len(s.owns), func(i, j int) { s.owns[i], s.owns[j] = s.owns[j], s.owns[i] })
	for _, at := range s.owns {
		messages := g.kafka.messages[at][s.position[at]:]
		messages = messages[:min(len(messages), g.IntN(g.batch+1))]
		for _, m := range messages {
			changes = append(changes, g.decode(m))
		}
		s.position[at] += len(messages)
	}
	if len(changes) == 0 {
		return
	}
	ctx, kill := context.WithCancel(context.WithValue(context.Background(), sessionKey{}, s.id))
	done := make(chan outcome, 1)
	s.done, s.kill = done, kill
	for _, c := range changes {
		g.log("indexer: session %d applies %s %v %s %s", s.id, c.Key, c.Order, c.Op, c.Document)
	}
	go func() {
		results, err := g.applier.Apply(ctx, changes)
		done <- outcome{results, err}
	}()
}

func (g *group) decode(m message) change.Change {
	c := change.Change{Key: m.key, Order: g.order(m), Op: change.Upsert, CommittedAt: time.Unix(0, 0)}
	if m.op == 'd' {
		c.Op = change.Delete
	} else {
		c.Document = fmt.Appendf(nil, `{"id":%q,"value":%q}`, m.key, m.value)
	}
	return c
}

// finish commits, if s is still a member.
func (g *group) finish(s *session, o outcome) {
	s.kill()
	s.done = nil
	switch {
	case o.err != nil:
		g.failure = fmt.Errorf("apply: %w", o.err)
	case slices.ContainsFunc(o.results, func(r change.Result) bool { return r.Outcome == change.Rejected }):
		g.failure = fmt.Errorf("a change was rejected: %+v", o.results)
	}
	if !slices.Contains(g.members, s) {
		g.old = slices.DeleteFunc(g.old, func(other *session) bool { return other == s })
		return
	}
	for at, position := range s.position {
		g.kafka.committed[at] = position
	}
}

// pausing says whether a session neither waits for an answer nor is done: it waits to try again.
func (g *group) pausing(n *network) bool {
	return slices.ContainsFunc(append(slices.Clone(g.members), g.old...), func(s *session) bool {
		return s.done != nil && len(s.done) == 0 && !n.waitsFor(s.id)
	})
}

// idle says whether nothing is being applied.
func (g *group) idle() bool {
	return len(g.old) == 0 && !slices.ContainsFunc(g.members, func(s *session) bool { return s.done != nil })
}

// stop kills all that is still at work, in a history that failed.
func (g *group) stop() {
	for _, s := range append(slices.Clone(g.members), g.old...) {
		if s.done != nil {
			s.kill()
		}
	}
}
