package elastic

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Refresher makes written documents searchable soon, without letting refreshes eat up the server.
//
// A refresh costs Elasticsearch work that grows with what was written since the last one. So the Refresher pauses
// after each, the longer the longer it took: with light traffic a refresh takes some milliseconds and every write is
// searchable almost at once. Under a load that makes the indexer fall behind nothing is fresh any more, and the
// index's own refresh_interval takes over: see RequestLater.
type Refresher struct {
	client  *Client
	alias   string
	share   float64
	metrics *Metrics
	logger  *slog.Logger

	soon    chan struct{}
	later   chan struct{}
	mu      sync.Mutex
	waiting []func()
}

// laterPause is how long a refresh that nobody is in a hurry for waits for one that somebody is in a hurry for. The index
// refreshes by itself meanwhile: this is for one that is told not to.
const laterPause = 5 * time.Second

// maxWaiting bounds the callbacks kept for the next refresh. Under a load that fills it, the ones beyond are
// dropped: they only measure.
const maxWaiting = 4096

// NewRefresher returns a Refresher of the index behind alias; Run does the work. Not more than that share of the time, above
// 0 and up to 1, goes into refreshes.
func NewRefresher(client *Client, alias string, share float64, metrics *Metrics, logger *slog.Logger) *Refresher {
	return &Refresher{
		client: client, alias: alias, share: share, metrics: metrics, logger: logger,
		soon: make(chan struct{}, 1), later: make(chan struct{}, 1),
	}
}

// Request asks for a refresh soon and returns at once. done, which may be nil, is called after the refresh that
// makes everything written before this call searchable.
func (r *Refresher) Request(done func()) { r.request(r.soon, done) }

// RequestLater is Request without hurry, for writes that have waited for long already: a refresh in the midst of a
// backlog makes everything slower and nothing fresh.
func (r *Refresher) RequestLater(done func()) { r.request(r.later, done) }

func (r *Refresher) request(wake chan struct{}, done func()) {
	r.mu.Lock()
	if done != nil && len(r.waiting) < maxWaiting {
		r.waiting = append(r.waiting, done)
	}
	r.mu.Unlock()
	select {
	case wake <- struct{}{}:
	default: // one is due already, and it will cover this write too
	}
}

// Run refreshes when asked to, until ctx ends.
func (r *Refresher) Run(ctx context.Context) {
	for r.await(ctx) {
		start := time.Now()
		r.refresh(ctx)
		if wait(ctx, r.pause(time.Since(start))) != nil {
			return
		}
	}
}

// pause returns how long to wait after a refresh that took so long.
func (r *Refresher) pause(took time.Duration) time.Duration {
	return time.Duration(float64(took) * (1/r.share - 1))
}

// await returns when a refresh is due, with false when ctx has ended.
func (r *Refresher) await(ctx context.Context) bool {
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-r.soon:
			return true
		case <-r.later:
			if due == nil {
				due = time.After(laterPause)
			}
		case <-due:
			return true
		}
	}
}

func (r *Refresher) refresh(ctx context.Context) {
	r.mu.Lock()
	waiting := r.waiting
	r.waiting = nil
	r.mu.Unlock()

	start := time.Now()
	if err := refreshAlias(ctx, r.client, r.alias); err != nil {
		// Not worth a retry: the index refreshes itself every refresh_interval.
		r.logger.DebugContext(ctx, "refresh failed", "error", err)
		return
	}
	r.metrics.refreshSeconds.Observe(time.Since(start).Seconds())
	for _, done := range waiting {
		done()
	}
}

func refreshAlias(ctx context.Context, client *Client, alias string) error {
	if _, err := client.do(ctx, esapi.IndicesRefreshRequest{Index: []string{alias}}); err != nil {
		return fmt.Errorf("refresh %s: %w", alias, err)
	}
	return nil
}
