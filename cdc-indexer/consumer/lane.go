package consumer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/change"
)

// lane takes one partition of one topic through fetch, decode, apply and commit, one chunk after the other. While one is
// under way more messages gather at the broker, so chunks grow with the load by themselves.
type lane struct {
	consumer *Consumer
	commit   func(map[string]map[int]int64) error
	source   source
}

// source is one partition of one topic; see fetcher.
type source interface {
	// next waits for the next messages; false when ctx has ended.
	next(ctx context.Context) (chunk, bool)
	// look keeps the lag up to date until ctx ends.
	look(ctx context.Context)
}

// run works until ctx ends, which is when the partition is taken away or the program stops; a chunk under way is
// finished within Config.DrainTimeout.
func (l *lane) run(ctx context.Context) {
	working, cancel := withGrace(ctx, l.consumer.config.DrainTimeout)
	defer cancel()
	underWay, done := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() { l.source.look(underWay) })
	defer looking.Wait()
	defer done()
	for {
		fetched, found := l.source.next(ctx)
		if !found {
			return
		}
		if err := l.work(working, fetched); err != nil {
			l.giveUp(ctx, err)
			return // ends the generation, also when ctx goes on; the next one starts at what was committed
		}
	}
}

func (l *lane) giveUp(ctx context.Context, err error) {
	if ctx.Err() != nil {
		l.consumer.logger.DebugContext(ctx, "chunk given up, it will come again", "error", err)
		return
	}
	l.consumer.status.trouble("group", err)
	l.consumer.logger.WarnContext(ctx, "chunk given up, it will come again", "error", err)
}

// work brings one chunk into the index or among the dead letters, and commits it.
func (l *lane) work(ctx context.Context, fetched chunk) error {
	if err := l.consumer.process(ctx, fetched); err != nil {
		return err
	}
	if err := l.commit(map[string]map[int]int64{fetched.topic: {fetched.partition: fetched.next}}); err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	fetched.behind.done(fetched.next)
	return nil
}

// process returns nil when every message of the chunk has been applied, was stale, carried no change, or is in the
// dead-letter topic.
func (c *Consumer) process(ctx context.Context, fetched chunk) error {
	done, err := c.apply(ctx, fetched)
	if err != nil {
		return err
	}
	if err := c.bury(ctx, done.letters); err != nil {
		return err
	}
	switch {
	case !done.written:
	case fetched.fresh():
		c.refresher.Request(done.searchable)
	default:
		c.refresher.RequestLater(done.searchable)
	}
	return nil
}

// fresh says whether the messages are new, and not of a backlog: they were not known to wait, and nothing waits behind them.
func (c chunk) fresh() bool { return c.release == nil && c.next >= c.end }

// outcome is what is left of a chunk when its turn is over, and its memory is another's.
type outcome struct {
	letters    []Letter
	written    bool   // there were changes
	searchable func() // is to be called when they are; may be nil
}

// applied is what has become of a chunk's changes.
type applied struct {
	*memory // messages and changes go together
	results []change.Result
	taken   time.Time // when their turn came
}

// apply brings a chunk into the index, in the turn it was fetched in or else in the next one. Of those that wait only the
// messages are in memory, and no documents and no request yet.
func (c *Consumer) apply(ctx context.Context, fetched chunk) (_ outcome, err error) {
	release := fetched.release
	if release == nil {
		if release, err = c.takeTurn(ctx, fetched.fresh()); err != nil {
			return outcome{}, err
		}
	}
	defer release()
	done := applied{memory: fetched.memory, taken: time.Now()}
	c.metrics.consumed.WithLabelValues(fetched.topic).Add(float64(len(done.messages)))
	letters := c.decodeAll(done.memory)
	if len(done.changes) == 0 {
		return outcome{letters: letters}, nil
	}
	done.results, err = c.applier.Apply(ctx, done.changes)
	if err != nil {
		return outcome{}, err
	}
	for n, result := range done.results {
		if result.Outcome == change.Rejected {
			letters = append(letters, letter(done.messages[n], *result.Rejection))
		}
	}
	return outcome{letters: letters, written: true, searchable: c.report(ctx, done, c.observe(done.changes, done.results))}, nil
}

// letter has a copy of the message, whose memory is the next chunk's before the letter is put away.
func letter(message kafka.Message, rejection change.Rejection) Letter {
	message.Key, message.Value = bytes.Clone(message.Key), bytes.Clone(message.Value)
	return Letter{Message: message, Rejection: rejection}
}

// takeTurn waits for one of Config.Concurrency turns. There are as many more for what is fresh, so that new changes do not
// queue behind the backlog of another topic.
func (c *Consumer) takeTurn(ctx context.Context, fresh bool) (release func(), err error) {
	var express chan struct{} // nil: never ready
	if fresh {
		express = c.express
	}
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	case express <- struct{}{}:
		return func() { <-express }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to apply: %w", ctx.Err())
	}
}

// decodeAll makes the changes, and leaves the messages that have one. It returns those that never will.
func (c *Consumer) decodeAll(m *memory) (letters []Letter) {
	m.changes = slices.Grow(m.changes, len(m.messages))
	kept := m.messages[:0]
	for _, message := range m.messages {
		decoded, err := c.decode(&m.arena, message.Key, message.Value)
		var rejection *change.Rejection
		switch {
		case err == nil:
			kept, m.changes = append(kept, message), append(m.changes, decoded)
		case errors.Is(err, change.ErrNoChange):
			c.metrics.ignored.Inc()
		case errors.As(err, &rejection):
			letters = append(letters, letter(message, *rejection))
		default: // a decoder has only these two ways to refuse; anything else must not pass in silence either
			letters = append(letters, letter(message, change.Rejection{Reason: "undecodable", Detail: err.Error()}))
		}
	}
	m.messages = kept
	return letters
}

// bury puts the letters away, as often as it takes: until they are safe nothing may be committed.
func (c *Consumer) bury(ctx context.Context, letters []Letter) error {
	pause := newPause()
	for len(letters) > 0 {
		err := c.deadLetters.Put(ctx, letters)
		c.status.trouble("dead letters", err)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
		c.logger.WarnContext(ctx, "dead letters could not be written, trying again", "letters", len(letters), "error", err)
		sleep(ctx, pause.NextBackOff())
	}
	for _, letter := range letters {
		m := letter.Message
		c.metrics.deadLettered.WithLabelValues(letter.Rejection.Reason).Inc()
		c.logger.WarnContext(ctx, "message sent to the dead letters", "reason", letter.Rejection.Reason, "detail", letter.Rejection.Detail,
			"topic", m.Topic, "partition", m.Partition, "offset", m.Offset)
	}
	return nil
}

// observe measures what became of the changes. What it returns measures when they are searchable; nil if none has to be.
func (c *Consumer) observe(changes []change.Change, results []change.Result) (searchable func()) {
	now := time.Now()
	var oldest time.Time
	for n, result := range results {
		c.metrics.outcomes[result.Outcome].Inc()
		if result.Outcome != change.Applied || changes[n].Read {
			continue
		}
		committed := changes[n].CommittedAt
		c.metrics.indexedSeconds.Observe(now.Sub(committed).Seconds())
		if oldest.IsZero() || committed.Before(oldest) {
			oldest = committed
		}
	}
	c.status.progressed(now)
	if oldest.IsZero() {
		return nil
	}
	return func() { c.metrics.searchableSeconds.Observe(time.Since(oldest).Seconds()) }
}

// withGrace returns a context that ends grace after ctx does.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	extended, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-extended.Done():
		}
	})
	return extended, func() {
		stop()
		cancel()
	}
}
