package model

import (
	"testing"
	"time"
)

// TestModelTellsBrokenBuildsApart leaves out one step of building an index at a time: each must be seen to lose changes.
func TestModelTellsBrokenBuildsApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		steps steps
		most  uint64 // histories
	}{
		{"the snapshot does not wait for running transactions", steps{noWait: true}, 500},
		{"the snapshot's position is where the next record goes", steps{ownPosition: true}, 1500},
		{"the topics are read from where the running indexers are when the rows are copied", steps{lateOffsets: true}, 1000},
		{"writes go on during the swap", steps{noBlock: true}, 500},
		{"nothing is read between the block and the swap", steps{noLastRead: true}, 1000},
		{"tombstones are not copied", steps{noTombstones: true}, 500},
		{"tombstones are purged too early", steps{earlyPurge: true}, 500},
		{"a repair does not overwrite its own order", steps{strictRepair: true}, 300},
		{"a comparison counts on checksums of documents written while it read", steps{lateProof: true}, 1000},
		{"a comparison counts on checksums that are not their documents'", steps{blindProof: true}, 1000},
		{"a comparison counts on what was proven of another index", steps{otherProof: true}, 1000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			broken := func() rule {
				r := theRule()
				r.build = test.steps
				return r
			}
			diverged, err := divergences(t, test.most, broken, shape{builds: true, vandals: test.steps.vandals()})
			t.Logf("%d of %d histories diverged, in %s", diverged, test.most, time.Since(start).Round(time.Millisecond))
			if diverged == 0 {
				t.Error("the model did not notice")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// vandals says whether it takes changes by hand to notice what is left out.
func (s steps) vandals() bool { return s.strictRepair || s.lateProof || s.blindProof || s.otherProof }

// TestBuildsComeToAnEnd makes sure that the histories are about something: indices are swapped in and back again.
func TestBuildsComeToAnEnd(t *testing.T) {
	t.Parallel()
	var built, rolledBack, purged int
	for seed := range uint64(200) {
		v := runHistory(t, seed+1, theRule(), shape{builds: true}, false)
		if v.failed() {
			t.Errorf("history %d: %s", seed+1, v)
		}
		built, rolledBack, purged = built+v.built, rolledBack+v.rolledBack, purged+v.purged
	}
	t.Logf("%d indices built, %d taken back, %d tombstones purged in 200 histories", built, rolledBack, purged)
	if built < 60 || rolledBack < 20 || purged < 5 {
		t.Error("too few to say anything")
	}
}
