package consumer

import (
	"context"
	"errors"
	"fmt"
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
	done, letters, err := c.apply(ctx, fetched)
	if err != nil {
		return err
	}
	if err := c.bury(ctx, letters); err != nil {
		return err
	}
	if len(done.changes) == 0 {
		return nil
	}
	searchable := c.report(ctx, done, c.observe(done.changes, done.results))
	if fetched.fresh() {
		c.refresher.Request(searchable)
	} else {
		c.refresher.RequestLater(searchable)
	}
	return nil
}

// fresh says whether the messages are new, and not of a backlog: they were not known to wait, and nothing waits behind them.
func (c chunk) fresh() bool { return c.release == nil && c.next >= c.end }

// applied is what has become of a chunk's changes: the three lists go together.
type applied struct {
	messages []kafka.Message
	changes  []change.Change
	results  []change.Result
	taken    time.Time // when their turn came
}

// apply brings a chunk into the index, in the turn it was fetched in or else in the next one. Of those that wait only the
// messages are in memory, and no documents and no request yet.
func (c *Consumer) apply(ctx context.Context, fetched chunk) (done applied, letters []Letter, err error) {
	release := fetched.release
	if release == nil {
		if release, err = c.takeTurn(ctx, fetched.fresh()); err != nil {
			return applied{}, nil, err
		}
	}
	defer release()
	done.taken = time.Now()
	done.messages, done.changes, letters = c.decodeAll(fetched)
	if len(done.changes) == 0 {
		return applied{}, letters, nil
	}
	done.results, err = c.applier.Apply(ctx, done.changes)
	if err != nil {
		return applied{}, nil, err
	}
	for n, result := range done.results {
		if result.Outcome == change.Rejected {
			letters = append(letters, Letter{Message: done.messages[n], Rejection: *result.Rejection})
		}
	}
	return done, letters, nil
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

// decodeAll returns the changes with their messages, and the messages that are none.
func (c *Consumer) decodeAll(fetched chunk) ([]kafka.Message, []change.Change, []Letter) {
	messages := make([]kafka.Message, 0, len(fetched.messages))
	changes := make([]change.Change, 0, len(fetched.messages))
	var letters []Letter
	c.metrics.consumed.WithLabelValues(fetched.topic).Add(float64(len(fetched.messages)))
	for _, message := range fetched.messages {
		decoded, err := c.decode(message.Key, message.Value)
		var rejection *change.Rejection
		switch {
		case err == nil:
			messages, changes = append(messages, message), append(changes, decoded)
		case errors.Is(err, change.ErrNoChange):
			c.metrics.ignored.Inc()
		case errors.As(err, &rejection):
			letters = append(letters, Letter{Message: message, Rejection: *rejection})
		default: // a decoder has only these two ways to refuse; anything else must not pass in silence either
			letters = append(letters, Letter{Message: message, Rejection: change.Rejection{Reason: "undecodable", Detail: err.Error()}})
		}
	}
	return messages, changes, letters
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
