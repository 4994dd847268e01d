package health

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// pipeline is a pipeline that a test can spoil while a Watcher watches it.
type pipeline struct {
	facts    atomic.Pointer[Facts]
	looks    atomic.Int64
	registry *prometheus.Registry
	log      strings.Builder
	*Watcher
}

const interval = 30 * time.Second

func watch(t *testing.T) *pipeline {
	t.Helper()
	p := &pipeline{registry: prometheus.NewRegistry()}
	p.spoil(func(*Facts) {})
	sources := Sources{
		Database: func(context.Context) (Database, error) {
			p.looks.Add(1)
			return known(p.facts.Load().Database)
		},
		Connector: func(context.Context) (Connector, error) { return known(p.facts.Load().Connector) },
		Kafka:     func(context.Context) (Kafka, error) { return known(p.facts.Load().Kafka) },
		Index:     func(context.Context) (Index, error) { return known(p.facts.Load().Index) },
	}
	logger := slog.New(slog.NewTextHandler(&p.log, nil))
	p.Watcher = NewWatcher(sources, testAbout, testLimits, interval, NewMetrics(p.registry), logger)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	synctest.Wait()
	return p
}

var errDown = errors.New("it is down")

func known[T any](value *T) (T, error) {
	if value == nil {
		return *new(T), errDown
	}
	return *value, nil
}

func (p *pipeline) spoil(how func(*Facts)) {
	facts := well()
	how(&facts)
	p.facts.Store(&facts)
}

// pass lets time go by, and everything that is due happen.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func TestWatcherExportsWhatItSees(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := watch(t)
		require.NoError(t, testutil.GatherAndCompare(p.registry, strings.NewReader(`
			# HELP cdc_indexer_slot_wal_bytes Log that Postgres keeps for the replication slot.
			# TYPE cdc_indexer_slot_wal_bytes gauge
			cdc_indexer_slot_wal_bytes 3.145728e+06
			# HELP cdc_indexer_slot_behind_bytes Log that the connector has not confirmed yet.
			# TYPE cdc_indexer_slot_behind_bytes gauge
			cdc_indexer_slot_behind_bytes 512
			# HELP cdc_indexer_slot_active Whether the connector reads the replication slot; 0 for a slot that is missing too.
			# TYPE cdc_indexer_slot_active gauge
			cdc_indexer_slot_active 1
			# HELP cdc_indexer_slot_lost Whether there is no replication slot, or Postgres has given up the log it needs.
			# TYPE cdc_indexer_slot_lost gauge
			cdc_indexer_slot_lost 0
			# HELP cdc_indexer_slot_safe_wal_bytes Log that may still be written before Postgres gives up what the replication slot needs; absent without max_slot_wal_keep_size.
			# TYPE cdc_indexer_slot_safe_wal_bytes gauge
			cdc_indexer_slot_safe_wal_bytes 4096
			# HELP cdc_indexer_heartbeat_age_seconds How long ago the connector last touched its heartbeat table.
			# TYPE cdc_indexer_heartbeat_age_seconds gauge
			cdc_indexer_heartbeat_age_seconds 4
			# HELP cdc_indexer_connector_running Whether the connector and all its tasks are RUNNING.
			# TYPE cdc_indexer_connector_running gauge
			cdc_indexer_connector_running 1
			# HELP cdc_indexer_clock_skew_seconds How far the server's clock is ahead of this machine's.
			# TYPE cdc_indexer_clock_skew_seconds gauge
			cdc_indexer_clock_skew_seconds{server="elasticsearch"} -0.003
			cdc_indexer_clock_skew_seconds{server="postgres"} 0
		`), "cdc_indexer_slot_wal_bytes", "cdc_indexer_slot_behind_bytes", "cdc_indexer_slot_active", "cdc_indexer_slot_lost", "cdc_indexer_slot_safe_wal_bytes",
			"cdc_indexer_heartbeat_age_seconds", "cdc_indexer_connector_running", "cdc_indexer_clock_skew_seconds"))
		require.Zero(t, p.metric(t, "cdc_indexer_check_failed", "slot"))

		p.spoil(func(f *Facts) {
			f.Database.Slot = nil
			f.Database.Skew = 5 * time.Second
			f.Connector.State = "PAUSED"
		})
		pass(interval * 2)
		require.Equal(t, 1, p.metric(t, "cdc_indexer_check_failed", "slot"))
		require.Equal(t, 1, p.metric(t, "cdc_indexer_check_failed", "connector"))
		require.Zero(t, p.metric(t, "cdc_indexer_check_failed", "clock"))
		require.Equal(t, 1, p.metric(t, "cdc_indexer_check_warning", "clock"))
		require.Zero(t, p.metric(t, "cdc_indexer_slot_active", ""))
		require.Equal(t, 1, p.metric(t, "cdc_indexer_slot_lost", ""), "what is not there is lost, too")
		require.Zero(t, p.metric(t, "cdc_indexer_connector_running", ""))
		require.Equal(t, 5, p.metric(t, "cdc_indexer_clock_skew_seconds", "postgres"))
		require.Equal(t, -1, p.metric(t, "cdc_indexer_slot_wal_bytes", ""), "a slot that is not there has no size")
		require.Contains(t, p.log.String(), `level=WARN msg="check: there is no replication slot s" part=slot state=failed action=`)

		p.spoil(func(f *Facts) {
			f.Database.Slot.WALStatus, f.Database.Slot.SafeWAL = "lost", nil
		})
		pass(interval)
		require.Equal(t, 1, p.metric(t, "cdc_indexer_slot_lost", ""))
		require.Equal(t, -1, p.metric(t, "cdc_indexer_slot_safe_wal_bytes", ""))

		p.spoil(func(f *Facts) { f.Database = nil })
		pass(interval)
		require.Equal(t, 1, p.metric(t, "cdc_indexer_check_failed", "postgres"))
		require.Equal(t, -1, p.metric(t, "cdc_indexer_check_failed", "slot"), "what is not known is absent")
		require.Equal(t, -1, p.metric(t, "cdc_indexer_slot_active", ""))

		p.spoil(func(*Facts) {})
		pass(interval)
		require.Zero(t, p.metric(t, "cdc_indexer_check_failed", "postgres"))
		require.Equal(t, 1, strings.Count(p.log.String(), "there is no replication slot"), "said once, not in every look")
		require.Contains(t, p.log.String(), `msg="check is well again" part=postgres`)
	})
}

// metric returns the value of a gauge by the value of its label, -1 when it is absent.
func (p *pipeline) metric(t *testing.T, name, label string) int {
	t.Helper()
	families, err := p.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() == label) {
				return int(m.GetGauge().GetValue())
			}
		}
	}
	return -1
}

// What the process is itself, and what changes from second to second, is not for the watcher.
func TestWatcherLeavesOutWhatIsNotAround(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := watch(t)
		p.spoil(func(f *Facts) {
			f.Kafka.Members, f.Kafka.GroupState = nil, "PreparingRebalance"
			f.Kafka.Partitions[0].Committed = 5
		})
		pass(interval * 2)
		for _, f := range p.Findings() {
			require.Equal(t, OK, f.State, f)
			require.NotContains(t, []Part{PartGroup, PartLag, PartIndexer, PartFreshness, PartMapping}, f.Part)
		}
	})
}

func TestWatcherLooksSoonerWhileSomethingIsWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := watch(t)
		looks := func(during time.Duration) int64 {
			before := p.looks.Load()
			pass(during)
			return p.looks.Load() - before
		}
		require.Empty(t, p.log.String())
		require.EqualValues(t, 1, p.looks.Load())
		require.InDelta(t, 20, looks(20*interval), 2)
		p.spoil(func(f *Facts) { f.Database.Slot = nil })
		pass(interval * 2)
		require.InDelta(t, 60, looks(10*interval), 6)
	})
}
