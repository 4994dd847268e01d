package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ticketing/cdc-indexer/verify"
)

// keepVerifying compares again and again until ctx ends, and serves what it finds as metrics.
func (i *inspection) keepVerifying(ctx context.Context) error {
	registry := newRegistry()
	metrics := newVerifyMetrics(registry)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", i.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := metricsServer(registry)
	var serving sync.WaitGroup
	failed := make(chan error, 1)
	serving.Go(func() { failed <- server.Serve(listener) })
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(limited)
		serving.Wait()
	}()
	for {
		report, err := i.verify(ctx)
		if ctx.Err() != nil {
			return nil
		}
		metrics.observe(report, err)
		if err != nil {
			i.logger.ErrorContext(ctx, "comparison failed", "error", err)
		} else {
			i.logger.InfoContext(ctx, "compared", "rows", report.Rows, "missing", report.Missing, "stale", report.Stale, "differing", report.Differing,
				"orphaned", report.Orphaned, "ahead", report.Ahead, "repaired", report.Repaired, "duration", report.Duration.String(), "behind", report.Behind)
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("serve metrics: %w", err)
		case <-time.After(i.Interval):
		}
	}
}

func metricsServer(registry *prometheus.Registry) *http.Server {
	router := chi.NewRouter()
	router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	return &http.Server{
		Handler: router, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
}

// verifyMetrics are what an alert on drift looks at.
type verifyMetrics struct {
	found     *prometheus.GaugeVec
	rows      prometheus.Gauge
	succeeded prometheus.Gauge
	seconds   prometheus.Gauge
	repaired  prometheus.Counter
	failures  prometheus.Counter
}

func newVerifyMetrics(registry prometheus.Registerer) *verifyMetrics {
	m := &verifyMetrics{
		found: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cdc_indexer_verify_differences", Help: "Keys found missing, stale, differing, orphaned or ahead by the last comparison that came to an end.",
		}, []string{"kind"}),
		rows:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "cdc_indexer_verify_rows", Help: "Rows that the last comparison compared."}),
		succeeded: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cdc_indexer_verify_last_success_timestamp_seconds", Help: "When the last comparison that came to an end had begun."}),
		seconds:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "cdc_indexer_verify_last_duration_seconds", Help: "Time the last comparison took."}),
		repaired:  prometheus.NewCounter(prometheus.CounterOpts{Name: "cdc_indexer_verify_repaired_total", Help: "Documents mended."}),
		failures:  prometheus.NewCounter(prometheus.CounterOpts{Name: "cdc_indexer_verify_failures_total", Help: "Comparisons that came to no end."}),
	}
	registry.MustRegister(m.found, m.rows, m.succeeded, m.seconds, m.repaired, m.failures)
	return m
}

func (m *verifyMetrics) observe(r verify.Report, err error) {
	if err != nil {
		m.failures.Inc()
		return
	}
	for kind, found := range map[verify.Kind]int64{
		verify.Missing: r.Missing, verify.Stale: r.Stale, verify.Differing: r.Differing, verify.Orphaned: r.Orphaned, verify.Ahead: r.Ahead,
	} {
		m.found.WithLabelValues(string(kind)).Set(float64(found))
	}
	m.rows.Set(float64(r.Rows))
	m.succeeded.Set(float64(r.At.Unix()))
	m.seconds.Set(r.Duration.Seconds())
	m.repaired.Add(float64(r.Repaired))
}
