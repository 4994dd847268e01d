// Package freshness measures how long a write takes to become searchable: from the moment the writer has its answer
// until a search finds what was written.
package freshness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Between two searches for the same write. The pause grows with the time waited, so that it stays a small part of it.
const (
	shortestPause = 2 * time.Millisecond
	longestPause  = 250 * time.Millisecond
)

// ErrLate is returned for a write that did not become searchable within the limit.
var ErrLate = errors.New("not searchable in time")

// Search says whether a write can be found by now. An error counts as no: the next search may do better.
type Search func(context.Context) (found bool, err error)

// Measure carries out a write, and returns the time from its end until the search that it returns finds it.
func Measure(ctx context.Context, limit time.Duration, write func(context.Context) (Search, error)) (time.Duration, error) {
	search, err := write(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var trouble error
	for pause := shortestPause; ; pause = min(pause+pause/8+time.Microsecond, longestPause) {
		found, err := search(waiting)
		if err == nil && found {
			return time.Since(start), nil
		}
		if err != nil && waiting.Err() == nil {
			trouble = err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err() //nolint:wrapcheck // the user has ended it
		case <-waiting.Done():
			return 0, errors.Join(fmt.Errorf("%w: %s have passed", ErrLate, limit), trouble)
		case <-time.After(pause):
		}
	}
}

// Recorder collects measurements. It is safe for concurrent use.
type Recorder struct {
	mutex   sync.Mutex
	samples []time.Duration
}

// Add adds a measurement.
func (r *Recorder) Add(sample time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.samples = append(r.samples, sample)
}

// Summary sums up what was measured so far.
func (r *Recorder) Summary() Summary {
	r.mutex.Lock()
	sorted := slices.Clone(r.samples)
	r.mutex.Unlock()
	slices.Sort(sorted)
	return Summary{Count: len(sorted), P50: percentile(sorted, 0.50), P95: percentile(sorted, 0.95), Max: percentile(sorted, 1)}
}

// Summary describes a number of measurements. All is zero when there are none.
type Summary struct {
	Count         int
	P50, P95, Max time.Duration
}

// percentile returns the nearest rank: the smallest sample that the given part of all samples does not exceed.
func percentile(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(part * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}
