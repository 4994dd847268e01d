package operations

import (
	"context"
	"time"

	"ticketing/cdc-indexer/health"
)

func (a *API) getStatus(ctx context.Context, _ *struct{}) (*answer[health.Report], error) {
	report, err := a.status.get(ctx)
	return &answer[health.Report]{report}, err
}

// shared lets many callers have one answer, which costs something.
type shared[T any] struct {
	ask   func(context.Context) (T, error)
	fresh time.Duration
	turn  chan struct{} // holds a token while nobody asks
	last  *struct {
		value T
		at    time.Time
	}
}

func newShared[T any](fresh time.Duration, ask func(context.Context) (T, error)) shared[T] {
	s := shared[T]{ask: ask, fresh: fresh, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// get returns the last answer while it is fresh, and asks otherwise.
func (s *shared[T]) get(ctx context.Context) (value T, err error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return value, ctx.Err() //nolint:wrapcheck // the caller knows what for
	}
	defer func() { s.turn <- struct{}{} }()
	if s.last != nil && time.Since(s.last.at) < s.fresh {
		return s.last.value, nil
	}
	if value, err = s.ask(ctx); err != nil {
		return value, err
	}
	s.last = &struct {
		value T
		at    time.Time
	}{value, time.Now()}
	return value, nil
}

// Freshness says how long changes took from their commit in the database until they were in the index.
type Freshness struct {
	Samples  int        `json:"samples" doc:"Changes that were looked at; fewer than asked for when there are no more"`
	P50      float64    `json:"p50_seconds"`
	P95      float64    `json:"p95_seconds"`
	P99      float64    `json:"p99_seconds"`
	Max      float64    `json:"max_seconds"`
	OldestAt *time.Time `json:"oldest_at,omitempty" doc:"When the oldest of them was written to the index"`
	NewestAt *time.Time `json:"newest_at,omitempty"`
}

type freshnessInput struct {
	Last int `query:"last" minimum:"1" maximum:"5000" default:"500" doc:"How many changes to look at"`
}

func (a *API) getFreshness(ctx context.Context, in *freshnessInput) (*answer[Freshness], error) {
	freshness, err := a.pipeline.Freshness(ctx, in.Last)
	return &answer[Freshness]{freshness}, err
}

type restartInput struct {
	OnlyFailed bool `query:"only_failed" default:"true" doc:"false restarts also what runs"`
}

func (a *API) restartConnector(ctx context.Context, in *restartInput) (*struct{}, error) {
	return nil, a.pipeline.RestartConnector(ctx, in.OnlyFailed)
}
