package rest

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	shed     prometheus.Counter
}

func newMetrics(program string, registry *prometheus.Registry) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    program + "_http_request_duration_seconds",
			Help:    "How long requests took, by method, route and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: program + "_http_requests_in_flight",
			Help: "Requests being carried out.",
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: program + "_http_requests_shed_total",
			Help: "Requests refused because as many as allowed were being carried out.",
		}),
	}
	registry.MustRegister(m.duration, m.inFlight, m.shed)
	return m
}
