package elastic

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what goes to Elasticsearch.
type Metrics struct {
	bulkSeconds    prometheus.Histogram
	bulkDocuments  prometheus.Histogram
	bulkBytes      prometheus.Counter
	conflicts      prometheus.Counter
	retries        prometheus.Counter
	refreshSeconds prometheus.Histogram
	purged         prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		bulkSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cdc_indexer_bulk_duration_seconds", Help: "Time of one bulk request that Elasticsearch answered.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		bulkDocuments: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cdc_indexer_bulk_documents", Help: "Documents in one bulk request.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 14),
		}),
		bulkBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cdc_indexer_bulk_bytes_total", Help: "Bytes of bulk requests sent.",
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cdc_indexer_version_conflicts_total", Help: "Documents whose version was in the index already and whose full order had to be compared.",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cdc_indexer_bulk_retries_total", Help: "Rounds of writing that had to be repeated after a pause.",
		}),
		refreshSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cdc_indexer_refresh_duration_seconds", Help: "Time of one refresh asked for after a write.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		purged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cdc_indexer_tombstones_purged_total", Help: "Tombstones removed because no older change of their rows is left in the topics.",
		}),
	}
	registry.MustRegister(m.bulkSeconds, m.bulkDocuments, m.bulkBytes, m.conflicts, m.retries, m.refreshSeconds, m.purged)
	return m
}
