package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"ticketing/eventapi/event"
)

// A group is one transaction of at most groupRows events. No event is added to one that has groupBytes of JSON.
const (
	groupRows  = 64
	groupBytes = 1 << 20
)

var errClosed = fmt.Errorf("insert event: the store is closed: %w", event.ErrUnavailable)

// gatherer writes single events of several requests in one transaction: those that came while the group before was under
// way. Nobody waits for company, and when there is any, it shares what a small write costs Postgres most: the commit, and
// reading the table's CHECK constraints, which every INSERT does again. A second group at the same time makes both
// smaller, and dearer by a quarter for each event.
//
// An event gets its id here. So none can be in another's way: what Postgres refuses in a group, it would refuse alone.
type gatherer struct {
	insert  func(context.Context, rows) ([]event.Event, event.Position, error)
	waiting chan *ungathered
	closing <-chan struct{}
	stop    context.CancelFunc
	writer  sync.WaitGroup
}

// ungathered is an event that a request waits for.
type ungathered struct {
	id     event.ID
	row    []byte
	gone   <-chan struct{} // closed when the request does not wait any more
	answer chan<- outcome  // takes one without being received from
}

type outcome struct {
	event event.Event
	at    event.Position
	err   error
}

// newGatherer makes a gatherer that writes rows with insert, until ctx ends or close.
func newGatherer(ctx context.Context, insert func(context.Context, rows) ([]event.Event, event.Position, error)) *gatherer {
	open, stop := context.WithCancel(ctx)
	g := &gatherer{insert: insert, waiting: make(chan *ungathered, groupRows), closing: open.Done(), stop: stop}
	g.writer.Go(func() { g.run(ctx) })
	return g
}

// close waits for the group under way. Whoever still waits for one is told that the store is closed.
func (g *gatherer) close() {
	g.stop()
	g.writer.Wait()
}

// create does what Store.Create does, for one event without an id.
func (g *gatherer) create(ctx context.Context, fields event.Fields) (event.Event, event.Position, error) {
	made, err := uuid.NewV7()
	if err != nil {
		return event.Event{}, 0, fmt.Errorf("make an id: %w", err)
	}
	id := event.ID(made)
	row, err := encode(event.New{ID: &id, Fields: fields})
	if err != nil {
		return event.Event{}, 0, err
	}
	answer := make(chan outcome, 1)
	select {
	case g.waiting <- &ungathered{id: id, row: row, gone: ctx.Done(), answer: answer}:
	case <-g.closing:
		return event.Event{}, 0, errClosed
	case <-ctx.Done():
		return event.Event{}, 0, classify(ctx.Err(), "insert event")
	}
	select {
	case got := <-answer:
		return got.event, got.at, got.err
	case <-g.closing:
		return event.Event{}, 0, errClosed
	case <-ctx.Done():
		return event.Event{}, 0, classify(ctx.Err(), "insert event")
	}
}

// run writes groups until the gatherer is closed.
func (g *gatherer) run(ctx context.Context) {
	for {
		select {
		case <-g.closing: // also when somebody waits
			return
		default:
		}
		select {
		case first := <-g.waiting:
			g.write(ctx, g.group(first))
		case <-g.closing:
			return
		}
	}
}

// group returns the first event and those that wait already.
func (g *gatherer) group(first *ungathered) []*ungathered {
	group, size := []*ungathered{first}, len(first.row)
	for len(group) < groupRows && size < groupBytes {
		select {
		case next := <-g.waiting:
			group, size = append(group, next), size+len(next.row)
		default:
			return group
		}
	}
	return group
}

// write inserts a group and answers everybody in it. When Postgres refuses one, nothing is written, and each is tried alone.
func (g *gatherer) write(ctx context.Context, group []*ungathered) {
	group = stillWanted(group)
	if len(group) == 0 {
		return
	}
	all := make(rows, len(group))
	for i, one := range group {
		all[i] = one.row
	}
	inserted, at, err := g.insert(ctx, all)
	if refused := (*event.InvalidError)(nil); len(group) > 1 && errors.As(err, &refused) {
		for i := range group {
			g.write(ctx, group[i:i+1])
		}
		return
	}
	byID := make(map[event.ID]event.Event, len(inserted)) // in which order RETURNING answers is nowhere promised
	for _, e := range inserted {
		byID[e.ID] = e
	}
	for _, one := range group {
		one.answer <- outcome{event: byID[one.id], at: at, err: err}
	}
}

// stillWanted leaves out events that nobody waits for any more: their requests were answered that they failed.
func stillWanted(group []*ungathered) []*ungathered {
	wanted := group[:0:0]
	for _, one := range group {
		select {
		case <-one.gone:
		default:
			wanted = append(wanted, one)
		}
	}
	return wanted
}
