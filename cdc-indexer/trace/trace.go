// Package trace follows the changes of one row from the database's commit until a search finds them.
//
// It reads the topics and asks the index by itself, so it does not matter which process has indexed the row, and it
// changes nothing: it is no member of the consumer group.
package trace

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// Stage is a place that a change comes through.
type Stage string

// The stages, in their order.
const (
	Postgres   Stage = "postgres"   // committed
	Kafka      Stage = "kafka"      // written to a topic
	Indexer    Stage = "indexer"    // written to the index
	Searchable Stage = "searchable" // found by a search through the read alias, or not found any more after a delete
)

// Change is a change as it was found in a topic.
type Change struct {
	change.Change
	Kind      string // Debezium's letter: c, u, d, or r for a row read by a snapshot
	Topic     string
	Partition int
	Offset    int64
	WrittenAt time.Time // to the topic
	// Unusable says why the message gives no change; it is a dead letter then.
	Unusable string
}

// Log is the topics with the changes.
type Log interface {
	// Follow hands over the changes of a key that were written to the topics at since or later, and then those that
	// come, until ctx ends. It calls reached once: when all that was there when it was called has been handed over. The
	// calls may come from several goroutines.
	Follow(ctx context.Context, key string, since time.Time, each func(Change) error, reached func()) error
}

// Index is the live index: elastic.Reader.
type Index interface {
	// Stored returns what the index holds for a key, searchable or not, tombstones too; nil: nothing.
	Stored(ctx context.Context, key string) (*elastic.Sighting, error)
	// Found returns what a search through the read alias finds of a key; nil: nothing.
	Found(ctx context.Context, key string) (*elastic.Sighting, error)
}

// Tracer follows rows.
type Tracer struct {
	Log   Log
	Index Index
}

// Request says what to follow.
type Request struct {
	Key   string    // the document's _id
	Since time.Time // from which time on messages are read
	// UntilSearchable ends the trace when all changes seen so far are searchable, and there is one.
	UntilSearchable bool
	Limit           time.Duration // of the trace
}

// Step is one change at one stage.
type Step struct {
	Stage Stage     `json:"stage" enum:"postgres,kafka,indexer,searchable"`
	Op    string    `json:"op" doc:"c (create), u (update), d (delete) or r (read by a snapshot); something else in a message that gives no change"`
	At    time.Time `json:"at" doc:"By the clock of whoever is responsible for the stage; searchable: when a look first found it so"`
	// SinceCommit is nil when it is not known: of a row read by a snapshot, and when the trace began too late to see it.
	SinceCommit *float64 `json:"since_commit_seconds,omitempty" doc:"Absent for a row read by a snapshot, and when the trace began too late to see it"`
	LSN         string   `json:"lsn" doc:"A decimal number, as text: the change's position in the database's log"`
	Version     string   `json:"version" doc:"A decimal number, as text: the document's version"`
	Topic       string   `json:"topic"`
	Partition   int      `json:"partition"`
	Offset      int64    `json:"offset"`
	Index       string   `json:"index,omitempty"`
	Detail      string   `json:"detail,omitempty"`
}

// Reason is why a trace has ended.
type Reason string

// The reasons.
const (
	EndSearchable Reason = "searchable"
	EndTimeout    Reason = "timeout"
	EndError      Reason = "error"
)

// End is how a trace has ended.
type End struct {
	Reason Reason `json:"reason" enum:"searchable,timeout,error"`
	Detail string `json:"detail,omitempty"`
}

// Follow tells the steps of a row's changes as they happen. It returns an error when the topics cannot be read, when each
// fails, and when ctx ends before the trace.
func (t *Tracer) Follow(ctx context.Context, request Request, each func(Step) error) (End, error) {
	limited, cancel := context.WithTimeout(ctx, request.Limit)
	defer cancel()
	r := &run{Tracer: t, request: request, each: each, began: time.Now(), changes: make(chan Change), reached: make(chan struct{})}
	parts, working := errgroup.WithContext(limited)
	parts.Go(func() error {
		return t.Log.Follow(working, request.Key, request.Since, func(c Change) error {
			select {
			case r.changes <- c:
				return nil
			case <-working.Done():
				return working.Err()
			}
		}, func() { close(r.reached) })
	})
	parts.Go(func() error {
		defer cancel()
		return r.watch(working)
	})
	err := parts.Wait()
	switch {
	case r.done:
		return End{Reason: EndSearchable}, nil
	case ctx.Err() != nil:
		return End{}, fmt.Errorf("trace %s: %w", request.Key, ctx.Err())
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return r.timedOut(), nil
	default:
		return End{}, err //nolint:wrapcheck // the log, or each, has said what went wrong
	}
}

// run is one trace.
type run struct {
	*Tracer
	request Request
	each    func(Step) error
	began   time.Time
	changes chan Change
	reached chan struct{} // closed when the past has been read

	past     []Change // found before the past has all been read
	caughtUp bool
	seen     bool // a change
	unusable bool // a message was, at least
	done     bool // all that was asked for is searchable
	pending  []*pending
	trouble  error // of the last question to the index
}

// How long to wait between two looks into the index: it gets longer while nothing happens.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// watch takes changes as they come and looks into the index in between.
func (r *run) watch(ctx context.Context) error {
	pause := firstPause
	timer := time.NewTimer(pause)
	defer timer.Stop()
	reached := r.reached
	for !r.done {
		select {
		case c := <-r.changes:
			if err := r.take(c); err != nil {
				return err
			}
			pause = firstPause
			timer.Reset(pause)
		case <-reached:
			r.caughtUp, reached = true, nil
			if err := r.notePast(); err != nil {
				return err
			}
		case <-timer.C:
			if err := r.look(ctx); err != nil {
				return err
			}
			pause = min(pause*5/4, longestPause)
			timer.Reset(pause)
		case <-ctx.Done():
			return errors.Join(r.notePast(), ctx.Err())
		}
		r.done = r.request.UntilSearchable && r.caughtUp && r.seen && len(r.pending) == 0
	}
	return nil
}

// timedOut says what was missing when the time was over.
func (r *run) timedOut() End {
	end := End{Reason: EndTimeout}
	switch {
	case r.trouble != nil:
		end.Detail = r.trouble.Error()
	case !r.caughtUp:
		end.Detail = "the messages since then could not all be read in this time"
	case !r.seen && r.unusable:
		end.Detail = "what was written of this key gives no change: see the dead letters"
	case !r.seen:
		end.Detail = "there was no change of this key"
	case len(r.pending) > 0:
		end.Detail = fmt.Sprintf("changes that are not searchable yet: %d", len(r.pending))
	}
	return end
}
