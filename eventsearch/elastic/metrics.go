package elastic

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures requests to Elasticsearch.
type Metrics struct {
	duration *prometheus.HistogramVec
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "eventsearch_elasticsearch_request_duration_seconds",
		Help:    "How long requests to Elasticsearch took, by operation and whether they succeeded.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"operation", "outcome"})}
	registry.MustRegister(m.duration)
	return m
}

func (m *Metrics) observe(operation string, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.duration.WithLabelValues(operation, outcome).Observe(took.Seconds())
}
