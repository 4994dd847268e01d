package consumer

import (
	"context"
	"time"

	"ticketing/cdc-indexer/change"
)

// Handled is a change of the stream that the indexer is done with, and how it got there.
type Handled struct {
	Change    change.Change // without its document
	Result    change.Result
	Topic     string
	Partition int
	Offset    int64

	Written    time.Time // to the topic
	Taken      time.Time // for the index
	Answered   time.Time // by the index
	Searchable time.Time // of no meaning for one that was not applied
}

// report returns what is to be done when the changes are searchable: next, and telling Config.Handled of them.
func (c *Consumer) report(ctx context.Context, done applied, next func()) func() {
	if c.config.Handled == nil {
		return next
	}
	answered := time.Now()
	changes := make([]Handled, 0, len(done.changes))
	for n, handled := range done.changes { // not the batch itself, whose messages are large
		if handled.Read {
			continue
		}
		handled.Document = nil
		m := done.messages[n]
		changes = append(changes, Handled{
			Change: handled, Result: done.results[n], Topic: m.Topic, Partition: m.Partition, Offset: m.Offset,
			Written: m.Time, Taken: done.taken, Answered: answered,
		})
	}
	return func() {
		if next != nil {
			next()
		}
		searchable := time.Now()
		for n := range changes {
			changes[n].Searchable = searchable
		}
		c.config.Handled(ctx, changes)
	}
}
