package trace

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// mostPending bounds the changes that are waited for at the same time. Of more, the oldest are left out: later ones
// overwrite them.
const mostPending = 1000

// pending is a change that is not searchable yet.
type pending struct {
	Change
	looked  bool // after it was found in its topic
	indexed bool
}

// take notes a change. Those of the past are kept until all are there: their order is not that of the topics.
func (r *run) take(c Change) error {
	if r.caughtUp || len(r.past) == mostPending {
		return r.note(c)
	}
	r.past = append(r.past, c)
	return nil
}

// notePast tells of the past in its order.
func (r *run) notePast() error {
	slices.SortStableFunc(r.past, func(a, b Change) int { return a.Order.Compare(b.Order) })
	for _, c := range r.past {
		if err := r.note(c); err != nil {
			return err
		}
	}
	r.past = nil
	return nil
}

// note tells the steps that lie behind a change when it is found in a topic.
func (r *run) note(c Change) error {
	if c.Unusable != "" { // its time of commit and its order are not known, and nothing of it gets to the index
		r.unusable = true
		return r.each(Step{
			Stage: Kafka, Op: c.Kind, At: c.WrittenAt, Topic: c.Topic, Partition: c.Partition, Offset: c.Offset, Detail: c.Unusable,
		})
	}
	r.seen = true
	if err := r.each(newStep(Postgres, c, c.CommittedAt)); err != nil {
		return err
	}
	if err := r.each(newStep(Kafka, c, c.WrittenAt)); err != nil {
		return err
	}
	if len(r.pending) == mostPending {
		r.pending = r.pending[1:]
	}
	r.pending = append(r.pending, &pending{Change: c})
	return nil
}

func newStep(stage Stage, c Change, at time.Time) Step {
	step := Step{
		Stage: stage, Op: c.Kind, At: at.UTC(), LSN: strconv.FormatInt(c.Order.LSN, 10), Version: strconv.FormatInt(c.Order.Version, 10),
		Topic: c.Topic, Partition: c.Partition, Offset: c.Offset,
	}
	if !c.Read {
		seconds := at.Sub(c.CommittedAt).Seconds()
		step.SinceCommit = &seconds
	}
	return step
}

// look asks the index and tells which changes have got there. An index that does not answer may do so the next time.
func (r *run) look(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	stored, found, err := r.ask(ctx)
	if r.trouble = err; err != nil {
		return nil //nolint:nilerr // it is told if it is so to the end
	}
	for _, p := range r.pending {
		if err := r.tell(p, stored, found); err != nil {
			return err
		}
		p.looked = true
	}
	r.pending = slices.DeleteFunc(r.pending, func(p *pending) bool { return p.searchable(stored, found) })
	return nil
}

// ask returns what the index holds and what a search finds. It searches only for what has got to the index.
func (r *run) ask(ctx context.Context) (stored, found *elastic.Sighting, err error) {
	stored, err = r.Index.Stored(ctx, r.request.Key)
	if err != nil || !slices.ContainsFunc(r.pending, func(p *pending) bool { return has(stored, p.Order) }) {
		return stored, nil, err
	}
	found, err = r.Index.Found(ctx, r.request.Key)
	return stored, found, err
}

// has says whether what was seen in the index is a change, or a newer one.
func has(seen *elastic.Sighting, order change.Order) bool {
	return seen != nil && !order.NewerThan(seen.Order)
}

// searchable says whether searches show a row as it was after a change, or as it became later. What the index holds was
// asked before: what it held then, and what a search found a moment later.
func (p *pending) searchable(stored, found *elastic.Sighting) bool {
	return has(found, p.Order) || found == nil && has(stored, p.Order) && stored.Deleted
}

// tell tells the steps that a look has shown to be done.
func (r *run) tell(p *pending, stored, found *elastic.Sighting) error {
	if has(stored, p.Order) && !p.indexed {
		p.indexed = true
		if err := r.each(inIndex(newStep(Indexer, p.Change, stored.IndexedAt), p, stored)); err != nil {
			return err
		}
	}
	if !p.searchable(stored, found) {
		return nil
	}
	step := newStep(Searchable, p.Change, time.Now())
	if !p.looked && p.WrittenAt.Before(r.began) {
		step.SinceCommit = nil
	}
	step = inIndex(step, p, stored)
	if step.SinceCommit == nil && step.Detail == "" {
		step.Detail = "was so when the trace began"
	}
	return r.each(step)
}

// inIndex adds where the change was seen, and whether it was the change itself.
func inIndex(step Step, p *pending, seen *elastic.Sighting) Step {
	step.Index = seen.Index
	if seen.Order != p.Order {
		step.Detail = fmt.Sprintf("overwritten: the index has version %d", seen.Order.Version)
	}
	return step
}
