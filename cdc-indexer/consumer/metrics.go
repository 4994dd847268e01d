package consumer

import (
	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/change"
)

// Metrics counts what comes from Kafka and what becomes of it.
type Metrics struct {
	assigned          prometheus.Gauge
	lag               *prometheus.GaugeVec
	consumed          *prometheus.CounterVec
	ignored           prometheus.Counter
	outcomes          map[change.Outcome]prometheus.Counter
	deadLettered      *prometheus.CounterVec
	skipped           *prometheus.CounterVec
	fetchErrors       prometheus.Counter
	indexedSeconds    prometheus.Histogram
	searchableSeconds prometheus.Histogram
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	freshness := prometheus.ExponentialBuckets(0.005, 2, 20) // 5 ms to 44 min
	m := &Metrics{
		assigned: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cdc_indexer_assigned_partitions", Help: "Partition numbers this process consumes, each in all topics.",
		}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cdc_indexer_lag_messages", Help: "Messages of a partition that are not in the index yet.",
		}, []string{"topic", "partition"}),
		consumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cdc_indexer_consumed_messages_total", Help: "Messages fetched from Kafka.",
		}, []string{"topic"}),
		ignored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cdc_indexer_ignored_messages_total", Help: "Messages that carry no change of a row.",
		}),
		deadLettered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cdc_indexer_dead_letters_total", Help: "Messages sent to the dead-letter topic.",
		}, []string{"reason"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cdc_indexer_skipped_messages_total", Help: "Offsets that were not in the log any more when they were due: the index needs a repair.",
		}, []string{"topic"}),
		fetchErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cdc_indexer_fetch_errors_total", Help: "Fetches from Kafka that failed and were repeated.",
		}),
		indexedSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cdc_indexer_commit_to_indexed_seconds", Help: "Time from the commit in Postgres until Elasticsearch acknowledged the document.",
			Buckets: freshness,
		}),
		searchableSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cdc_indexer_commit_to_searchable_seconds", Help: "Time from the commit in Postgres until a refresh made the document searchable: the oldest of each batch.",
			Buckets: freshness,
		}),
	}
	changes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cdc_indexer_changes_total", Help: "Changes by what became of them: applied, stale (the index had a newer one) or rejected.",
	}, []string{"outcome"})
	m.outcomes = map[change.Outcome]prometheus.Counter{}
	for _, outcome := range []change.Outcome{change.Applied, change.Stale, change.Rejected} {
		m.outcomes[outcome] = changes.WithLabelValues(outcome.String())
	}
	registry.MustRegister(m.assigned, m.lag, m.consumed, m.ignored, changes, m.deadLettered, m.skipped, m.fetchErrors, m.indexedSeconds, m.searchableSeconds)
	return m
}
