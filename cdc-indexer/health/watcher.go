package health

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Watcher looks at a pipeline again and again, for a process that runs for long. It exports what it finds as metrics
// and logs what changes.
type Watcher struct {
	sources  Sources
	about    About
	limits   Limits
	interval time.Duration
	metrics  *Metrics
	logger   *slog.Logger

	mu       sync.Mutex
	findings []Finding
}

// lookLimit bounds a look of the watcher.
const lookLimit = 10 * time.Second

// watched are the parts that a watcher judges. The others change from second to second, have metrics of their own, or
// are the process itself.
var watched = []Part{
	PartPostgres, PartTable, PartPublication, PartSlot, PartConnector, PartKafka, PartTopics, PartOffsets,
	PartElasticsearch, PartIndex, PartClock, PartDeadLetters, PartVerify,
}

// NewWatcher returns a Watcher that looks every interval, and sooner while something is wrong; Run does the work.
func NewWatcher(sources Sources, about About, limits Limits, interval time.Duration, metrics *Metrics, logger *slog.Logger) *Watcher {
	return &Watcher{sources: sources, about: about, limits: limits, interval: interval, metrics: metrics, logger: logger}
}

// Run looks until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	for {
		wrong := w.look(ctx)
		timer := time.NewTimer(w.pause(wrong))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// pause is the time until the next look. It is shorter while something is wrong, so that the one who mends it sees
// it soon, and never quite the same, so that several indexers do not ask in step.
func (w *Watcher) pause(wrong bool) time.Duration {
	const sooner, jitter = 6, 10
	pause := w.interval
	if wrong {
		pause /= sooner
	}
	return pause + rand.N(pause/jitter+1) //nolint:gosec // chance is good enough here
}

func (w *Watcher) look(ctx context.Context) (wrong bool) {
	facts := Look(ctx, w.sources, min(lookLimit, w.interval))
	if ctx.Err() != nil {
		return false // the answers were cut off
	}
	report := Judge(facts, w.about, w.limits)
	findings := slices.DeleteFunc(report.Findings, func(f Finding) bool {
		return f.State == Unknown || !slices.Contains(watched, f.Part)
	})
	w.metrics.show(facts, findings)
	w.mu.Lock()
	before := w.findings
	w.findings = findings
	w.mu.Unlock()
	w.log(ctx, before, findings)
	return slices.ContainsFunc(findings, Finding.wrong)
}

// log says what has become wrong, and what is well again.
func (w *Watcher) log(ctx context.Context, before, after []Finding) {
	state := func(findings []Finding, part Part) (worst State) {
		worst = OK
		for _, f := range findings {
			if f.Part == part && f.wrong() && worst != Failed {
				worst = f.State
			}
		}
		return worst
	}
	for _, part := range watched {
		was, is := state(before, part), state(after, part)
		if was == is {
			continue
		}
		if is == OK {
			w.logger.InfoContext(ctx, "check is well again", "part", part)
			continue
		}
		for _, f := range after {
			if f.Part == part && f.wrong() {
				w.logger.WarnContext(ctx, "check: "+f.Summary, "part", part, "state", f.State, "action", f.Action)
			}
		}
	}
}

// Findings returns what was found in the last look, without what could not be known; nothing before the first.
func (w *Watcher) Findings() []Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.findings)
}
