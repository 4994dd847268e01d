package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
)

// fetcher follows one partition of one topic from an offset on.
type fetcher struct {
	partition
	consumer *Consumer
	offset   int64
	behind   *behind
	begun    bool // the log has been looked at
	backlog  bool // more is known to wait in the log
}

// chunk is what one fetch brought.
type chunk struct {
	topic     string
	partition int
	next      int64 // the offset to commit when all messages are done
	end       int64 // the offset the next message to be written will get
	behind    *behind
	memory    *memory // has the messages; nil when there was none
	release   func()  // gives back turn and memory; nil: it was not known to wait, and has neither of those that are shared
}

// next waits for messages, and goes on behind them the next time.
func (f *fetcher) next(ctx context.Context) (chunk, bool) {
	pause := newPause()
	for ctx.Err() == nil {
		fetched, err := f.inTurn(ctx)
		if err != nil {
			if ctx.Err() == nil {
				f.failed(ctx, err)
				sleep(ctx, pause.NextBackOff())
			}
			continue
		}
		pause.Reset()
		f.consumer.status.trouble(f.name(), nil)
		f.behind.written(fetched.end)
		if fetched.memory != nil {
			f.offset = fetched.next
			return fetched, true
		}
	}
	return chunk{}, false
}

// look asks from time to time how far the log has grown, since nothing is fetched while a chunk is under way or the lane
// waits for its turn: the lag must not stand still while the index does.
func (f *fetcher) look(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, end, err := f.bounds(ctx); err == nil {
				f.behind.written(end)
			}
		}
	}
}

// lookEvery is how often a partition looks at the end of its log beside the fetches, which tell it, too.
const lookEvery = 2 * time.Second

// inTurn fetches once. A backlog is fetched when it is its turn and not before: so the chunks of it in memory are those that
// are being applied, however many partitions there are. Without a backlog the fetch waits for messages, and takes no turn,
// and no memory that others have a use for meanwhile.
func (f *fetcher) inTurn(ctx context.Context) (chunk, error) {
	if err := f.begin(ctx); err != nil {
		return chunk{}, err
	}
	if !f.backlog {
		return f.fetch(ctx, new(memory))
	}
	endTurn, err := f.consumer.takeTurn(ctx, false)
	if err != nil {
		return chunk{}, err
	}
	taken := f.consumer.takeMemory()
	release := func() {
		f.consumer.giveBack(taken)
		endTurn()
	}
	fetched, err := f.fetch(ctx, taken)
	if fetched.memory == nil {
		release()
		return fetched, err
	}
	fetched.release = release
	return fetched, nil
}

func (f *fetcher) fetch(ctx context.Context, into *memory) (chunk, error) {
	f.backlog = false
	messages, end, err := f.partition.fetch(ctx, f.offset, maxWait, into)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return f.resume(ctx)
	}
	if err != nil {
		return chunk{}, err
	}
	fetched := f.chunk(end)
	if len(messages) > 0 {
		fetched.memory = into
		fetched.next = messages[len(messages)-1].Offset + 1
		f.backlog = fetched.next < end
	}
	return fetched, nil
}

func (f *fetcher) chunk(end int64) chunk {
	return chunk{topic: f.topic, partition: f.number, next: f.offset, end: end, behind: f.behind}
}

// begin looks at the log before the first fetch: how much waits in it, and where a group starts that has no offset yet.
func (f *fetcher) begin(ctx context.Context) error {
	if f.begun {
		return nil
	}
	first, end, err := f.bounds(ctx)
	if err != nil {
		return err
	}
	if f.offset < 0 {
		if first > 0 {
			f.lost(ctx, 0, first, "the group starts anew, and the log's first messages have expired")
		}
		f.offset = first
		f.behind.done(first)
	}
	f.behind.written(end)
	f.begun, f.backlog = true, f.offset < end
	return nil
}

// resume goes on at the log's start after an offset that the log does not hold: either the messages expired before
// they were consumed, or the topic was made anew and starts again at 0.
func (f *fetcher) resume(ctx context.Context) (chunk, error) {
	first, last, err := f.bounds(ctx)
	if err != nil {
		return chunk{}, err
	}
	if f.offset >= first && f.offset <= last {
		return f.chunk(last), nil // the log has grown meanwhile
	}
	reason := "messages expired before they were consumed"
	if f.offset > last {
		reason = "the topic ends before the committed offset: it was made anew, or the broker lost data"
	}
	f.lost(ctx, f.offset, first, reason)
	f.offset = first
	f.behind.done(first)
	return f.chunk(last), nil
}

func (f *fetcher) lost(ctx context.Context, from, to int64, reason string) {
	f.consumer.logger.ErrorContext(ctx, "messages were skipped: the index needs a repair or a rebuild",
		"topic", f.topic, "partition", f.number, "from", from, "to", to, "reason", reason)
	f.consumer.metrics.skipped.WithLabelValues(f.topic).Add(float64(max(to-from, 1)))
	f.consumer.status.warn(fmt.Sprintf("offsets %d to %d of %s/%d were skipped (%s): repair or rebuild the index", from, to, f.topic, f.number, reason))
}

// name says which partition this is, for people.
func (f *fetcher) name() string { return f.topic + "/" + strconv.Itoa(f.number) }

func (f *fetcher) failed(ctx context.Context, err error) {
	f.consumer.status.trouble(f.name(), err)
	f.consumer.metrics.fetchErrors.Inc()
	f.consumer.logger.WarnContext(ctx, "fetch failed, trying again", "error", err)
}

func newPause() *backoff.ExponentialBackOff {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 100 * time.Millisecond
	pause.MaxInterval = 5 * time.Second
	return pause
}

func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
