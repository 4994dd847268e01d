package health

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what a Watcher exports. A number that is not known is absent, not 0 and not the last one.
type Metrics struct {
	failed           *prometheus.GaugeVec
	warning          *prometheus.GaugeVec
	lookedAt         prometheus.Gauge
	slotWAL          *prometheus.GaugeVec
	slotBehind       *prometheus.GaugeVec
	slotActive       *prometheus.GaugeVec
	slotLost         *prometheus.GaugeVec
	slotSafe         *prometheus.GaugeVec
	heartbeatAge     *prometheus.GaugeVec
	connectorRunning *prometheus.GaugeVec
	clockSkew        *prometheus.GaugeVec
	deadLetters      *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		registry.MustRegister(g)
		return g
	}
	m := &Metrics{
		failed:   gauge("cdc_indexer_check_failed", "1 while something keeps changes from getting through this part, or lost some.", "part"),
		warning:  gauge("cdc_indexer_check_warning", "1 while this part needs a person.", "part"),
		lookedAt: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cdc_indexer_check_timestamp_seconds", Help: "When the parts were last looked at."}),

		slotWAL:          gauge("cdc_indexer_slot_wal_bytes", "Log that Postgres keeps for the replication slot."),
		slotBehind:       gauge("cdc_indexer_slot_behind_bytes", "Log that the connector has not confirmed yet."),
		slotActive:       gauge("cdc_indexer_slot_active", "Whether the connector reads the replication slot; 0 for a slot that is missing too."),
		slotLost:         gauge("cdc_indexer_slot_lost", "Whether there is no replication slot, or Postgres has given up the log it needs."),
		slotSafe:         gauge("cdc_indexer_slot_safe_wal_bytes", "Log that may still be written before Postgres gives up what the replication slot needs; absent without max_slot_wal_keep_size."),
		heartbeatAge:     gauge("cdc_indexer_heartbeat_age_seconds", "How long ago the connector last touched its heartbeat table."),
		connectorRunning: gauge("cdc_indexer_connector_running", "Whether the connector and all its tasks are RUNNING."),
		clockSkew:        gauge("cdc_indexer_clock_skew_seconds", "How far the server's clock is ahead of this machine's.", "server"),
		deadLetters:      gauge("cdc_indexer_dead_letters_open", "Messages that could not be indexed and that nobody has dealt with.", "reason"),
	}
	registry.MustRegister(m.lookedAt)
	return m
}

// show sets the metrics to what a look brought.
func (m *Metrics) show(facts Facts, findings []Finding) {
	for _, g := range []*prometheus.GaugeVec{
		m.failed, m.warning, m.slotWAL, m.slotBehind, m.slotActive, m.slotLost, m.slotSafe, m.heartbeatAge, m.connectorRunning, m.clockSkew, m.deadLetters,
	} {
		g.Reset()
	}
	m.lookedAt.Set(float64(facts.At.UnixMilli()) / 1e3)
	for _, f := range findings {
		m.failed.WithLabelValues(string(f.Part)).Add(0)
		m.warning.WithLabelValues(string(f.Part)).Add(0)
		if f.State == Failed {
			m.failed.WithLabelValues(string(f.Part)).Set(1)
		}
		if f.State == Warning {
			m.warning.WithLabelValues(string(f.Part)).Set(1)
		}
	}
	if facts.Database != nil {
		m.showDatabase(*facts.Database, findings)
	}
	if facts.Connector != nil {
		m.connectorRunning.WithLabelValues().Set(truth(facts.Connector.Running()))
	}
	if facts.Index != nil && facts.Index.Skew != nil {
		m.clockSkew.WithLabelValues("elasticsearch").Set(facts.Index.Skew.Seconds())
	}
	if facts.DeadLetters != nil {
		for reason, n := range facts.DeadLetters.ByReason {
			m.deadLetters.WithLabelValues(reason).Set(float64(n))
		}
	}
}

func (m *Metrics) showDatabase(database Database, findings []Finding) {
	m.clockSkew.WithLabelValues("postgres").Set(database.Skew.Seconds())
	if database.HeartbeatAge != nil {
		m.heartbeatAge.WithLabelValues().Set(max(*database.HeartbeatAge, time.Duration(0)).Seconds())
	}
	looked := false // a pipeline file may name no slot
	for _, f := range findings {
		looked = looked || f.Part == PartSlot
	}
	if !looked {
		return
	}
	slot := database.Slot
	m.slotActive.WithLabelValues().Set(truth(slot != nil && slot.Active))
	m.slotLost.WithLabelValues().Set(truth(slot == nil || slot.Lost()))
	if slot != nil {
		m.slotWAL.WithLabelValues().Set(float64(slot.RetainedWAL))
		m.slotBehind.WithLabelValues().Set(float64(slot.Behind))
		if slot.SafeWAL != nil {
			m.slotSafe.WithLabelValues().Set(float64(*slot.SafeWAL))
		}
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
