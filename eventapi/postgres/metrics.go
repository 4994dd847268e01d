package postgres

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

type poolMetric struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	value       func(*pgxpool.Stat) float64
}

// Collector reports a store's connection pool.
type Collector struct {
	pool    *pgxpool.Pool
	metrics []poolMetric
}

// NewCollector makes a collector of a store's pool.
func NewCollector(store *Store) *Collector {
	metric := func(name, help string, kind prometheus.ValueType, value func(*pgxpool.Stat) float64) poolMetric {
		return poolMetric{prometheus.NewDesc("eventapi_pool_"+name, help, nil, nil), kind, value}
	}
	return &Collector{pool: store.pool, metrics: []poolMetric{
		metric("connections_max", "Connections that the pool may have.", prometheus.GaugeValue,
			func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) }),
		metric("connections_open", "Connections that the pool has.", prometheus.GaugeValue,
			func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) }),
		metric("connections_in_use", "Connections in use.", prometheus.GaugeValue,
			func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) }),
		metric("acquires_total", "Connections taken from the pool.", prometheus.CounterValue,
			func(s *pgxpool.Stat) float64 { return float64(s.AcquireCount()) }),
		metric("acquires_waited_total", "Connections that had to be waited for.", prometheus.CounterValue,
			func(s *pgxpool.Stat) float64 { return float64(s.EmptyAcquireCount()) }),
		metric("acquires_canceled_total", "Waits for a connection that were given up.", prometheus.CounterValue,
			func(s *pgxpool.Stat) float64 { return float64(s.CanceledAcquireCount()) }),
		metric("acquire_seconds_total", "Time spent waiting for connections.", prometheus.CounterValue,
			func(s *pgxpool.Stat) float64 { return s.AcquireDuration().Seconds() }),
	}}
}

// Describe lists the metrics.
func (c *Collector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		descriptions <- m.description
	}
}

// Collect reads them.
func (c *Collector) Collect(values chan<- prometheus.Metric) {
	stat := c.pool.Stat()
	for _, m := range c.metrics {
		values <- prometheus.MustNewConstMetric(m.description, m.kind, m.value(stat))
	}
}
