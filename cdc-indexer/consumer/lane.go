package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/change"
)

// lane takes one partition number of all topics through decode, apply and commit, one batch after the other. While
// a batch is under way the next one gathers, so batches grow with the load by themselves.
type lane struct {
	consumer *Consumer
	commit   func(map[string]map[int]int64) error
	sources  []source
}

// source sends chunks of one partition of one topic until ctx ends.
type source func(ctx context.Context, chunks chan<- chunk)

// run works until ctx ends, which is when the partition is taken away or the program stops; a batch under way is
// finished within Config.DrainTimeout.
func (l *lane) run(ctx context.Context) {
	chunks := make(chan chunk)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	// The sources end with the lane, also when it gives up and ctx goes on: only its return ends the generation.
	running, stop := context.WithCancel(ctx)
	defer stop()
	for _, fetch := range l.sources {
		fetching.Go(func() { fetch(running, chunks) })
	}

	working, cancel := withGrace(ctx, l.consumer.config.DrainTimeout)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-chunks:
			if err := l.work(working, gather(first, chunks)); err != nil {
				l.giveUp(ctx, err)
				return // ends the generation; the next one starts at what was committed
			}
		}
	}
}

// gather adds what the other topics have ready by now.
func gather(first chunk, chunks <-chan chunk) []chunk {
	batch := []chunk{first}
	for {
		select {
		case next := <-chunks:
			batch = append(batch, next)
		default:
			return batch
		}
	}
}

func (l *lane) giveUp(ctx context.Context, err error) {
	if ctx.Err() != nil {
		l.consumer.logger.DebugContext(ctx, "batch given up, it will come again", "error", err)
		return
	}
	l.consumer.status.trouble("group", err)
	l.consumer.logger.WarnContext(ctx, "batch given up, it will come again", "error", err)
}

// work brings one batch into the index or among the dead letters, and commits it.
func (l *lane) work(ctx context.Context, batch []chunk) error {
	if err := l.consumer.process(ctx, batch); err != nil {
		return err
	}
	offsets := make(map[string]map[int]int64, len(batch))
	for _, c := range batch {
		if offsets[c.topic] == nil {
			offsets[c.topic] = make(map[int]int64, 1)
		}
		offsets[c.topic][c.partition] = max(offsets[c.topic][c.partition], c.next)
	}
	if err := l.commit(offsets); err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	for _, c := range batch {
		c.behind.done(c.next)
	}
	return nil
}

// process returns nil when every message of the batch has been applied, was stale, carried no change, or is in the
// dead-letter topic.
func (c *Consumer) process(ctx context.Context, batch []chunk) error {
	done, letters, err := c.apply(ctx, batch)
	if err != nil {
		return err
	}
	if err := c.bury(ctx, letters); err != nil {
		return err
	}
	if len(done.changes) > 0 {
		c.refreshAfter(batch, c.report(ctx, done, c.observe(done.changes, done.results)))
	}
	return nil
}

// applied is what has become of a batch's changes: the three lists go together.
type applied struct {
	messages []kafka.Message
	changes  []change.Change
	results  []change.Result
	taken    time.Time // when their turn came
}

// apply brings a batch into the index. Of those that wait for their turn only the messages are in memory, and no documents
// and no request yet.
func (c *Consumer) apply(ctx context.Context, batch []chunk) (done applied, letters []Letter, err error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return applied{}, nil, fmt.Errorf("waiting to apply: %w", ctx.Err())
	}
	done.taken = time.Now()
	done.messages, done.changes, letters = c.decodeAll(batch)
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

func (c *Consumer) refreshAfter(batch []chunk, searchable func()) {
	if slices.ContainsFunc(batch, chunk.fresh) {
		c.refresher.Request(searchable)
		return
	}
	c.refresher.RequestLater(searchable)
}

// fresh says whether nothing was waiting behind its messages: then they are new, and not of a backlog.
func (c chunk) fresh() bool { return c.next >= c.end }

// decodeAll returns the changes with their messages, and the messages that are none.
func (c *Consumer) decodeAll(batch []chunk) ([]kafka.Message, []change.Change, []Letter) {
	size := 0
	for _, part := range batch {
		size += len(part.messages)
	}
	messages := make([]kafka.Message, 0, size)
	changes := make([]change.Change, 0, size)
	var letters []Letter
	for _, part := range batch {
		c.metrics.consumed.WithLabelValues(part.topic).Add(float64(len(part.messages)))
		for _, message := range part.messages {
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
