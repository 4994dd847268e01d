package elastic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"ticketing/cdc-indexer/change"
)

// Writer applies changes to the index behind a write alias.
//
// It is safe for concurrent use: two Writers, or two calls of Apply, may even write changes of the same row at the
// same time, because Elasticsearch compares versions when it writes.
type Writer struct {
	client  *Client
	alias   string
	metrics *Metrics
	// equalWins lets a change overwrite a document of the same order: see NewRepairer.
	equalWins bool
	trouble   atomic.Pointer[error]
	bodies    sync.Pool // *[]byte: of requests that were answered, for those to come
}

// NewWriter returns a Writer to the index behind alias.
func NewWriter(client *Client, alias string, metrics *Metrics) *Writer {
	return &Writer{client: client, alias: alias, metrics: metrics}
}

// NewRepairer returns a Writer for rows read from a snapshot to mend the index with. All of them carry the snapshot's
// order, and an earlier repair may have had the same one if nothing was written in between: so an equal order, too,
// overwrites what is there. No change of the stream ever has a snapshot's order.
func NewRepairer(client *Client, alias string, metrics *Metrics) *Writer {
	w := NewWriter(client, alias, metrics)
	w.equalWins = true
	return w
}

// Trouble returns why writing does not get on at the moment, or nil when it does.
func (w *Writer) Trouble() error {
	if err := w.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// item is one change on its way into the index.
type item struct {
	change.Change
	result *change.Result
	// stored is set once the index has answered that it holds a version as high as this one: then the write is
	// made conditional on the very document that was compared.
	stored *storedDocument
	// repeated is a delete that is written again only to keep its tombstone.
	repeated bool
	// doubted was rejected once for a reason that need not be its own.
	doubted bool
}

func (i *item) settle(outcome change.Outcome) { i.result.Outcome = outcome }

func (i *item) reject(reason, detail string) {
	*i.result = change.Result{Outcome: change.Rejected, Rejection: &change.Rejection{Reason: reason, Detail: detail}}
}

// Apply writes the changes and returns what became of each, in their order. When it returns without an error, the
// index holds each of them or something newer, or can never hold it (Rejected).
//
// While the server is away, overloaded or write-blocked, Apply keeps trying with growing pauses; Trouble tells why.
// It returns an error only when ctx ends; then nothing is known of any change and all have to be applied again,
// which does no harm.
func (w *Writer) Apply(ctx context.Context, changes []change.Change) ([]change.Result, error) {
	results := make([]change.Result, len(changes))
	pending := newestPerKey(changes, results)
	pause := newPause()
	for len(pending) > 0 {
		left, err := w.round(ctx, pending)
		w.note(err)
		if err == nil {
			pending = left
			continue
		}
		pending = left
		w.metrics.retries.Inc()
		if waitErr := wait(ctx, pause.NextBackOff()); waitErr != nil {
			w.note(nil) // nobody is held up any more
			return nil, fmt.Errorf("apply %d changes: %w", len(changes), errors.Join(waitErr, err))
		}
	}
	return results, nil
}

// newestPerKey returns one item for the newest change of each key; older ones of the same key are stale already.
func newestPerKey(changes []change.Change, results []change.Result) []*item {
	all := make([]item, len(changes))
	items := make([]*item, 0, len(changes))
	position := make(map[string]int, len(changes))
	for i := range changes {
		candidate := &all[i]
		candidate.Change, candidate.result = changes[i], &results[i]
		at, seen := position[candidate.Key]
		switch {
		case !seen:
			position[candidate.Key] = len(items)
			items = append(items, candidate)
		case candidate.Order.NewerThan(items[at].Order):
			items[at].settle(change.Stale)
			items[at] = candidate
		default:
			candidate.settle(change.Stale)
		}
	}
	return items
}

// round tries to write every item once and returns those that are still to be written. An error says why some
// could not be, and that a pause is due before the next round.
func (w *Writer) round(ctx context.Context, items []*item) ([]*item, error) {
	answers, err := w.bulk(ctx, items)
	if err != nil {
		if tooBigOrInvalid(err) {
			return w.divide(ctx, items, err)
		}
		for _, i := range items {
			i.stored = nil // it may have been written, or the alias may lead elsewhere by the next try
		}
		return items, err
	}
	verdict := w.sort(items, answers)
	if len(verdict.rejected) > 0 {
		// An alias without a write index answers every document with status 400, as if they were all bad.
		if err := w.CheckWriteAlias(ctx); err != nil {
			return append(verdict.again(), verdict.conflicts...), err
		}
		verdict.retry = append(verdict.retry, verdict.reject()...)
	}
	left, err := w.resolve(ctx, verdict.conflicts)
	return append(verdict.retry, left...), errors.Join(verdict.trouble, err)
}

// tooBigOrInvalid says whether the server refused the request as a whole for what is in it: one too large a
// document, or one with an invalid _id, fails all that travel with it.
func tooBigOrInvalid(err error) bool {
	return hasStatus(err, http.StatusRequestEntityTooLarge) || hasStatus(err, http.StatusBadRequest)
}

// divide finds the culprit by halving the batch.
func (w *Writer) divide(ctx context.Context, items []*item, cause error) ([]*item, error) {
	if len(items) == 1 {
		var answer *ServerError
		errors.As(cause, &answer)
		reason := answer.Type
		if answer.Status == http.StatusRequestEntityTooLarge {
			reason = "document-too-large"
		}
		items[0].reject(reason, answer.Error())
		return nil, nil
	}
	half := len(items) / 2
	first, err := w.round(ctx, items[:half])
	if err != nil {
		return append(first, items[half:]...), err
	}
	second, err := w.round(ctx, items[half:])
	return append(first, second...), err
}

func (w *Writer) note(err error) {
	if err == nil {
		w.trouble.Store(nil)
		return
	}
	w.trouble.Store(&err)
}

// newPause returns pauses that grow from 50 ms to 10 s with jitter, so that several indexers do not come back to an
// overloaded server in step.
func newPause() *backoff.ExponentialBackOff {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 50 * time.Millisecond
	pause.MaxInterval = 10 * time.Second
	return pause
}

func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting to try again: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}
