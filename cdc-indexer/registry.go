package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/health"
	"ticketing/internal/buildinfo"
)

// newRegistry holds the metrics of the process itself.
func newRegistry() *prometheus.Registry {
	return buildinfo.NewRegistry("cdc_indexer")
}

// runMetrics are those of the parts that run puts together.
type runMetrics struct {
	elastic  *elastic.Metrics
	consumer *consumer.Metrics
	health   *health.Metrics
}

func newRunMetrics(registry prometheus.Registerer) runMetrics {
	return runMetrics{
		elastic: elastic.NewMetrics(registry), consumer: consumer.NewMetrics(registry), health: health.NewMetrics(registry),
	}
}
