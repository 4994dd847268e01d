package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"ticketing/internal/rest"
)

// gate lets a number of requests through at the same time and refuses the others at once.
type gate struct {
	slots chan struct{}
	shed  prometheus.Counter
}

func newGate(size int, shed prometheus.Counter) gate { return gate{make(chan struct{}, size), shed} }

// enter says whether the request may go on; it then has to leave.
func (g gate) enter() bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
		g.shed.Inc()
		return false
	}
}

func (g gate) leave() { <-g.slots }

// through runs one request, or answers that there are too many.
func through[T any](g gate, work func() (T, error)) (T, error) {
	if !g.enter() {
		var none T
		return none, rest.Unavailable("too many searches are being carried out; try again")
	}
	defer g.leave()
	return work()
}

// What may come of waiting for a write.
const (
	outcomeSearchable = "searchable"
	outcomeLate       = "late"
	outcomeBusy       = "busy"
)

type metrics struct {
	waits *prometheus.HistogramVec
	shed  *prometheus.CounterVec
}

func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "eventsearch_after_wait_seconds",
			Help:    "How long requests waited for the write that they named, by what came of it: searchable, late, or busy when too many waited.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10},
		}, []string{"outcome"}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "eventsearch_shed_total",
			Help: "Searches and suggestions refused, and waits left out, because as many as allowed were under way.",
		}, []string{"limit"}),
	}
	for _, outcome := range []string{outcomeSearchable, outcomeLate, outcomeBusy} { // at 0 from the start
		m.waits.WithLabelValues(outcome)
	}
	registry.MustRegister(m.waits, m.shed)
	return m
}
