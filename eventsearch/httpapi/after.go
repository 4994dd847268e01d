package httpapi

import (
	"context"
	"errors"
	"time"

	"ticketing/eventsearch/search"
	"ticketing/internal/rest"
)

const (
	maxPolls     = 8 // questions to the index at the same time, of all that wait
	firstPause   = 10 * time.Millisecond
	longestPause = 100 * time.Millisecond
)

// AfterInput is exported because huma reads exported fields only, embedded ones included.
type AfterInput struct {
	After string  `query:"after" maxLength:"60" doc:"The Write-Token of a write to eventapi: the answer waits until the write is searchable, and says whether it is"`
	Wait  float64 `query:"wait" minimum:"0" maximum:"10" default:"2" doc:"Seconds to wait at most for the write that after names"`
}

// afterAnswer says whether the answer shows the write that the request named.
type afterAnswer struct {
	Searchable bool `json:"searchable"`
}

// shown says whether the answer shows all that was asked for.
func (a *afterAnswer) shown() bool { return a == nil || a.Searchable }

// await waits until the write is searchable, for as long as the request allows. It returns nil when the request names
// no write.
func (a *API) await(ctx context.Context, in AfterInput) (*afterAnswer, error) {
	if in.After == "" {
		return nil, nil //nolint:nilnil // no write is an answer of its own
	}
	token, err := search.ParseToken(in.After)
	if err != nil {
		return nil, rest.Unprocessable(rest.At("query.after", err.Error()))
	}
	limit := time.Duration(in.Wait * float64(time.Second))
	outcome := outcomeLate
	if a.waits.enter() {
		defer a.waits.leave()
	} else {
		limit, outcome = 0, outcomeBusy
	}
	start := time.Now()
	searchable, err := a.poll(ctx, token, limit)
	if err != nil {
		return nil, err
	}
	if searchable {
		outcome = outcomeSearchable
	}
	a.metrics.waits.WithLabelValues(outcome).Observe(time.Since(start).Seconds())
	return &afterAnswer{searchable}, nil
}

// poll asks until the write is searchable or the time is over, but once at least.
func (a *API) poll(ctx context.Context, token search.Token, limit time.Duration) (bool, error) {
	deadline := time.Now().Add(limit)
	for pause := firstPause; ; pause = min(pause*3/2, longestPause) {
		searchable, err := a.ask(ctx, token)
		left := time.Until(deadline)
		if err != nil || searchable || left <= 0 {
			return searchable, err
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false, errors.Join(search.ErrUnavailable, ctx.Err())
		case <-timer.C:
		}
	}
}

func (a *API) ask(ctx context.Context, token search.Token) (bool, error) {
	select {
	case a.polls <- struct{}{}:
		defer func() { <-a.polls }()
		return a.searcher.Searchable(ctx, token)
	case <-ctx.Done():
		return false, errors.Join(search.ErrUnavailable, ctx.Err())
	}
}
