package model

import (
	"flag"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	histories = flag.Uint64("histories", 12_000, "how many histories to run")
	oneSeed   = flag.Uint64("seed", 0, "run only the history of this seed, with its trace")
)

// TestIndexEqualsTable runs the project's own order and writer through random histories: after each, the index holds
// what the table holds.
func TestIndexEqualsTable(t *testing.T) {
	t.Parallel()
	count := *histories
	if testing.Short() {
		count = min(count, 1000)
	}
	if *oneSeed != 0 {
		verdict := runHistory(t, *oneSeed, theRule(), shape{}, true)
		t.Logf("seed %d: %+v", *oneSeed, verdict)
		if verdict.failed() {
			t.Fail()
		}
		return
	}
	start := time.Now()
	diverged := runHistories(t, 1, count, theRule, shape{}, func(seed uint64, v verdict) {
		t.Errorf("history %d: %s\nRun it alone, with its trace: go test ./cdc-indexer/model -run '^TestIndexEqualsTable$' -seed %d -v", seed, v, seed)
	})
	t.Logf("%d histories, %d diverged, in %s", count, diverged, time.Since(start).Round(time.Millisecond))
}

// verdict is how a history ended.
type verdict struct {
	difference string
	err        error
	trace      string

	built, rolledBack int // indices
	purged            int // tombstones
}

func (v verdict) failed() bool { return v.difference != "" || v.err != nil }

func (v verdict) String() string {
	if v.err != nil {
		return v.err.Error() + "\n" + v.trace
	}
	return v.difference + "\n" + v.trace
}

// runHistory runs one history in a bubble of its own, where time stands still unless the history lets it pass.
func runHistory(t *testing.T, seed uint64, r rule, s shape, traced bool) (v verdict) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		h, err := newHistory(seed, r, s, traced)
		if err != nil {
			v.err = err
			return
		}
		v.difference, v.err = h.run()
		h.group.stop()
		h.builder.crash()
		v.built, v.rolledBack, v.purged = h.builder.finished, h.builder.rolledBack, h.builder.purged
		if traced {
			v.trace = h.trace.String()
		}
	})
	return v
}

// runHistories runs seeds first to first+count-1 on all processors and returns how many failed. report is called for
// the first few, with their traces.
func runHistories(t *testing.T, first, count uint64, newRule func() rule, s shape, report func(uint64, verdict)) (failures uint64) {
	t.Helper()
	var next, failed atomic.Uint64
	t.Run("histories", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				r := newRule()
				for n := next.Add(1) - 1; n < count; n = next.Add(1) - 1 {
					seed := first + n
					if !runHistory(t, seed, r, s, false).failed() {
						continue
					}
					if failed.Add(1) <= 3 && report != nil {
						report(seed, runHistory(t, seed, r, s, true))
					}
				}
			})
		}
	})
	return failed.Load()
}
