package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/verify"
)

const cdc = `"cdc":{"version":100,"lsn":100,"deleted":false}`

var kinds = map[string]struct {
	prepare func(s *stage)
	want    *verify.Sample // of key "a"; nil: it is as it should be
	newer   int64
}{
	"equal": {prepare: func(s *stage) { s.both("a") }},
	"missing": {
		prepare: func(s *stage) { s.rows["a"] = `{"id":"a"}` },
		want:    &verify.Sample{Kind: verify.Missing, Key: "a"},
	},
	"missing, only a tombstone": {
		prepare: func(s *stage) { s.rows["a"] = `{"id":"a"}`; s.index("a", "", 100) },
		want:    &verify.Sample{Kind: verify.Missing, Key: "a", Version: 100},
	},
	"stale": {
		prepare: func(s *stage) { s.both("a"); s.rows["a"] = `{"id":"a","n":2}` },
		want:    &verify.Sample{Kind: verify.Stale, Key: "a", Field: "n", Table: "2", Index: "1", Version: 100},
	},
	"stale, a field is not there": {
		prepare: func(s *stage) { s.both("a"); s.rows["a"] = `{"id":"a","n":1,"m":true}` },
		want:    &verify.Sample{Kind: verify.Stale, Key: "a", Field: "m", Table: "true", Version: 100},
	},
	"differing": {
		prepare: func(s *stage) { s.both("a"); s.vandalise(`{"id":"a","n":3,` + cdc + `}`) },
		want:    &verify.Sample{Kind: verify.Differing, Key: "a", Field: "n", Table: "1", Index: "3", Version: 100},
	},
	"differing, without cdc": {
		prepare: func(s *stage) { s.both("a"); s.vandalise(`{"id":"a","n":3}`) },
		want:    &verify.Sample{Kind: verify.Differing, Key: "a", Field: "n", Table: "1", Index: "3"},
	},
	"differing, without its key": {
		prepare: func(s *stage) { s.both("0", "1", "2", "a"); s.vandalise(`{"n":1,` + cdc + `}`) },
		want:    &verify.Sample{Kind: verify.Differing, Key: "a", Field: "id", Table: `"a"`, Version: 100},
	},
	"differing, with the key of another": {
		prepare: func(s *stage) { s.both("0", "1", "2", "a"); s.vandalise(`{"id":"0","n":1,` + cdc + `}`) },
		want:    &verify.Sample{Kind: verify.Differing, Key: "a", Field: "id", Table: `"a"`, Index: `"0"`, Version: 100},
	},
	"orphaned": {
		prepare: func(s *stage) { s.index("a", `{"id":"a"}`, 100) },
		want:    &verify.Sample{Kind: verify.Orphaned, Key: "a", Version: 100},
	},
	"orphaned, without anything": {
		prepare: func(s *stage) { s.both("0", "1", "2"); s.vandalise(`{}`) },
		want:    &verify.Sample{Kind: verify.Orphaned, Key: "a"},
	},
	"ahead": {
		prepare: func(s *stage) { s.rows["a"] = `{"id":"a"}`; s.index("a", `{"id":"a","n":9}`, position+1) },
		want:    &verify.Sample{Kind: verify.Ahead, Key: "a", Version: position + 1},
	},
	"ahead, without a row": {
		prepare: func(s *stage) { s.index("a", `{"id":"a"}`, position+1) },
		want:    &verify.Sample{Kind: verify.Ahead, Key: "a", Version: position + 1},
	},
	"newer": {
		prepare: func(s *stage) {
			s.rows["a"], s.now = `{"id":"a"}`, position+1
			s.index("a", `{"id":"a","n":9}`, position+1)
		},
		newer: 1,
	},
	"created since": {
		prepare: func(s *stage) { s.now = position + 1; s.index("a", `{"id":"a"}`, position+1) },
		newer:   1,
	},
	"deleted since": {
		prepare: func(s *stage) { s.rows["a"], s.now = `{"id":"a"}`, position+1; s.index("a", "", position+1) },
		newer:   1,
	},
	"as of the snapshot": {prepare: func(s *stage) { s.rows["a"] = `{"id":"a"}`; s.index("a", `{"id":"a"}`, position) }},
	"a tombstone":        {prepare: func(s *stage) { s.index("a", "", 100) }},
	"null and not there": {prepare: func(s *stage) { s.rows["a"] = `{"id":"a","n":null}`; s.index("a", `{"id":"a","m":null}`, 100) }},
	"written otherwise": {prepare: func(s *stage) {
		s.rows["a"] = `{"id":"a","x":{"a":1.50,"b":[1]}}`
		s.index("a", `{"x":{"b":[1.0],"a":15e-1},"id":"a"}`, 100)
	}},
	"a last digit": {
		prepare: func(s *stage) { s.rows["a"] = `{"x":9007199254740993}`; s.index("a", `{"x":9007199254740992}`, 100) },
		want:    &verify.Sample{Kind: verify.Stale, Key: "a", Field: "x", Table: "9007199254740993", Index: "9007199254740992", Version: 100},
	},
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for name, test := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			test.prepare(s)
			report := s.verify()
			require.Equal(t, test.newer, report.Newer)
			if test.want == nil {
				require.Zero(t, report.Differences())
				require.Empty(t, report.Samples)
				return
			}
			require.Equal(t, []verify.Sample{*test.want}, report.Samples)
			require.Equal(t, int64(1), report.Differences(), "it is counted once")
			counts := map[verify.Kind]int64{
				verify.Missing: report.Missing, verify.Stale: report.Stale, verify.Differing: report.Differing,
				verify.Orphaned: report.Orphaned, verify.Ahead: report.Ahead,
			}
			require.Equal(t, int64(1), counts[test.want.Kind])
			require.Zero(t, report.Repaired)
		})
	}
}

func TestRepairWritesWhatDiffersAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, test := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.both("other", "others")
			test.prepare(s)
			report := s.repair()
			if test.want == nil || test.want.Kind == verify.Ahead {
				require.Zero(t, report.Repaired)
				require.Empty(t, s.repaired)
				return
			}
			require.Equal(t, int64(1), report.Repaired)
			require.Equal(t, []string{"a"}, s.repaired)
			require.Contains(t, s.request("/x/_count", ""), fmt.Sprintf(`"count":%d`, len(s.rows)), "searchable at once")
			report = s.verify()
			require.Zero(t, report.Differences())
			require.Equal(t, int64(len(s.rows)), report.Documents)
			s.repaired = nil
			s.repair()
			require.Empty(t, s.repaired)
		})
	}
}

func TestRepairLeavesWhatHasBecomeNewer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.both("a")
	s.rows["a"] = `{"id":"a","n":2}`
	s.verifier.Repairer = late{s, func() { s.index("a", `{"id":"a","n":3}`, position+8) }}
	report := s.verify()
	require.Equal(t, int64(1), report.Repaired)
	require.Contains(t, s.request("/x-write/_mget", `{"ids":["a"]}`), `"n":3`)
}

// late lets something happen before the repair.
type late struct {
	*stage
	before func()
}

func (l late) Apply(ctx context.Context, changes []change.Change) ([]change.Result, error) {
	l.before()
	return l.stage.Apply(ctx, changes)
}

func TestASecondRepairAtTheSamePosition(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.rows["a"] = `{"id":"a","n":1}`
	require.Equal(t, int64(1), s.repair().Repaired)
	s.vandalise(`{"id":"a","n":2,"cdc":{"version":1000,"lsn":1000,"deleted":false}}`)
	require.Equal(t, int64(1), s.repair().Repaired)
	require.Zero(t, s.verify().Differences())
}

func TestDocumentsThatTheIndexCannotHold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.rows = map[string]string{"a": `{"id":"a","n":"x"}`, "b": `{"id":"b","n":"x"}`, "c": `{"id":"c","n":"x"}`, "d": `{"id":"d","n":1}`}
	s.verifier.Repairer = s
	report := s.verifyWith(verify.Options{Samples: 2})
	require.Equal(t, int64(4), report.Missing)
	require.Equal(t, int64(1), report.Repaired)
	require.Equal(t, int64(3), report.Unrepaired)
	require.Len(t, report.Reasons, 2)
	require.Regexp(t, `^[abc]: failed to parse field \[n\]`, report.Reasons[0])
}

func TestNumbersOfTheReport(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.both("a", "b", "c", "d", "e")
	s.index("gone", "", 100)
	var told []int64
	s.verifier.Progress = func(rows int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		told = append(told, rows)
	}
	s.index("orphan", `{"id":"orphan"}`, 100)
	report := s.verify()
	require.Equal(t, int64(position), report.Position)
	require.Equal(t, int64(5), report.Rows)
	require.Equal(t, int64(6), report.Documents)
	require.Positive(t, report.Duration)
	require.Len(t, told, 3)
	require.Equal(t, int64(5), slices.Max(told))
}

func TestSamplesAreBoundedForEachKind(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, key := range strings.Split("abcde", "") {
		s.rows[key] = `{"id":"` + key + `"}`
		s.index("orphan-"+key, `{"id":"orphan"}`, 100)
	}
	report := s.verifyWith(verify.Options{Samples: 2})
	require.Equal(t, int64(5), report.Missing)
	require.Equal(t, int64(5), report.Orphaned)
	require.Len(t, report.Samples, 4)
}

func TestLongValuesAreCutShortInSamples(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.rows["a"] = `{"x":"` + strings.Repeat("é", 500) + `"}`
	s.index("a", `{"x":1}`, 100)
	require.Equal(t, `"`+strings.Repeat("é", 119)+"…", s.verify().Samples[0].Table)
}

func TestAwait(t *testing.T) {
	t.Parallel()
	t.Run("is not asked when all is equal", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.both("a", "b", "c")
		s.verifier.Await = func(context.Context, change.Order) error { panic("asked") }
		require.Zero(t, s.verify().Differences())
	})
	t.Run("is asked once, and what comes through meanwhile is no difference", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.both("a", "b", "c")
		s.rows["a"], s.rows["c"] = `{"id":"a","n":2}`, `{"id":"c","n":2}`
		asked := 0
		s.verifier.Await = func(_ context.Context, order change.Order) error {
			asked++
			require.Equal(t, change.Order{Version: position, LSN: position}, order)
			s.index("a", s.rows["a"], 200)
			s.index("c", s.rows["c"], 208)
			return nil
		}
		report := s.verify()
		require.Zero(t, report.Differences())
		require.Empty(t, report.Behind)
		require.Equal(t, 1, asked)
	})
	t.Run("that fails is told, and the differences are", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.rows["a"] = `{"id":"a"}`
		s.verifier.Await = func(context.Context, change.Order) error { return errors.New("not within 1m") }
		report := s.verify()
		require.Equal(t, "not within 1m", report.Behind)
		require.Equal(t, int64(1), report.Missing)
	})
}

func TestSame(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.rows["a"] = `{"id":"a","n":2.0000000000000001}`
	s.index("a", `{"id":"a","n":2}`, 100)
	s.verifier.Same = func(a, b []byte) bool {
		return bytes.Equal(a, []byte(s.rows["a"])) && bytes.Equal(b, []byte(`{"id":"a","n":2}`))
	}
	require.Zero(t, s.verify().Differences())
	s.rows["a"] = `{"id":"a","n":3}`
	s.verifier.Same = func(_, _ []byte) bool { return false }
	require.Equal(t, int64(1), s.verify().Stale)
}

func TestShare(t *testing.T) {
	t.Parallel()
	tests := map[float64]int{0: 10, 1: 10, 0.35: 3, 0.01: 1}
	for share, want := range tests {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			for n := range 20 {
				s.both(fmt.Sprintf("%02d", n))
			}
			report := s.verifyWith(verify.Options{Share: share})
			require.Len(t, s.read, want)
			require.Equal(t, int64(2*want), report.Rows)
			require.Equal(t, int64(2*want), report.Documents)
		})
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.both("a", "b", "c", "d", "e")
	s.rows["a"], s.rows["e"] = `{"id":"a","n":2}`, `{"id":"e","n":2}`
	report := s.verifyWith(verify.Options{Only: verify.Range{From: []string{"b"}, To: []string{"e"}}})
	require.Equal(t, int64(3), report.Rows)
	require.Equal(t, int64(3), report.Documents)
	require.Zero(t, report.Differences())
	report = s.verifyWith(verify.Options{Only: verify.Range{From: []string{"b"}}})
	require.Equal(t, int64(4), report.Rows)
	require.Equal(t, int64(1), report.Stale)
}

func TestManyDifferencesAreConfirmedInParts(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const many = 450
	for n := range many {
		key := fmt.Sprintf("%03d", n)
		s.index(key, `{"id":"`+key+`"}`, 100)
	}
	report := s.repair()
	require.Equal(t, int64(many), report.Orphaned)
	require.Equal(t, int64(many), report.Repaired)
	require.Zero(t, s.verify().Documents)
}

func TestErrorsSayWhatWasRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.both("a", "b", "c")
	s.failure = errors.New("connection lost")
	_, err := s.verifier.Run(t.Context(), verify.Options{RangeRows: 2, Workers: 1})
	require.ErrorContains(t, err, "read the rows of keys [] to [c]: connection lost")
	_, err = s.verifier.Run(t.Context(), verify.Options{RangeRows: 20})
	require.ErrorContains(t, err, "read the rows of all keys: connection lost")
}

// proven compares an index that is as it should be.
func (s *stage) proven() elastic.Watermark {
	s.Helper()
	report := s.verify()
	require.Zero(s, report.Differences())
	require.True(s, report.Complete)
	require.NotZero(s, report.Proven)
	return report.Proven
}

func TestProvenDocumentsAreNotReadAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.both("a", "b", "c", "d", "e")
	proven := s.proven()
	s.index("gone", "", 100)
	s.both("f")
	report := s.verifyWith(verify.Options{Proven: proven})
	require.Zero(t, report.Differences())
	require.Equal(t, int64(6), report.Documents)
	require.Equal(t, int64(5), report.Summed)
	require.Greater(t, report.Proven.SeqNo, proven.SeqNo)
	require.Equal(t, int64(6), s.verifyWith(verify.Options{Proven: report.Proven}).Summed)
	require.Zero(t, s.verify().Summed, "without it all are read")
}

// Whatever is wrong is found as if every document was read, whether it was so before the others were proven or after.
func TestWhatIsWrongAmongProvenDocuments(t *testing.T) {
	t.Parallel()
	for name, test := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.both("00", "01", "a", "b", "c")
			proven := s.proven()
			delete(s.rows, "a")
			s.request("/x-write/_bulk", `{"delete":{"_id":"a"}}`+"\n")
			s.fake.ForgetDeletes()
			test.prepare(s)
			for range 2 {
				report := s.verifyWith(verify.Options{Proven: proven})
				require.Equal(t, test.newer, report.Newer)
				if test.want == nil {
					require.Empty(t, report.Samples)
				} else {
					require.Equal(t, []verify.Sample{*test.want}, report.Samples)
				}
				if proven = report.Proven; proven == (elastic.Watermark{}) {
					break
				}
			}
		})
	}
}

func TestChangesOfProvenDocuments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(s *stage)
		want  verify.Kind
	}{
		"a document is changed by hand":                {func(s *stage) { s.vandalise(`{"id":"a","n":3,` + cdc + `}`) }, verify.Differing},
		"a document is deleted by hand":                {func(s *stage) { s.request("/x-write/_bulk", `{"delete":{"_id":"a"}}`+"\n") }, verify.Missing},
		"a row has changed and the index has not":      {func(s *stage) { s.rows["a"] = `{"id":"a","n":2}` }, verify.Stale},
		"a row is gone and its document is not":        {func(s *stage) { delete(s.rows, "a") }, verify.Orphaned},
		"a row is new and has no document":             {func(s *stage) { delete(s.rows, "b"); s.rows["a2"] = `{"id":"a2"}`; s.index("b", "", 200) }, verify.Missing},
		"the row of one document is that of another's": {func(s *stage) { s.rows["a"] = `{"id":"b","n":1}` }, verify.Stale},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.both("a", "b", "c")
			proven := s.proven()
			test.spoil(s)
			report := s.verifyWith(verify.Options{Proven: proven})
			require.Len(t, report.Samples, 1)
			require.Equal(t, test.want, report.Samples[0].Kind)
		})
	}
}

func TestWhatIsNotProven(t *testing.T) {
	t.Parallel()
	t.Run("a document without its own checksum", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.both("a", "b")
		s.vandalise(`{"id":"a","n":1,` + cdc + `}`)
		report := s.verify()
		require.Zero(t, report.Differences(), "it is what the row is")
		require.Equal(t, int64(1), report.Unproven)
		require.Zero(t, report.Proven)
	})
	t.Run("a part", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.both("a", "b", "c", "d")
		for _, options := range []verify.Options{{Share: 0.5}, {Only: verify.Range{From: []string{"b"}}}} {
			report := s.verifyWith(options)
			require.False(t, report.Complete)
			require.Zero(t, report.Proven)
		}
	})
	t.Run("another index", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.both("a", "b")
		proven := s.proven()
		proven.UUID = "another"
		require.Zero(t, s.verifyWith(verify.Options{Proven: proven}).Summed)
	})
	t.Run("what is written while others are read", func(t *testing.T) {
		t.Parallel()
		s := newStage(t)
		s.both("a", "b", "c", "d")
		s.verifier.Progress = func(int64) {
			s.verifier.Progress = nil
			s.vandalise(`{"id":"a","n":3,` + cdc + `}`)
		}
		report, err := s.verifier.Run(t.Context(), verify.Options{RangeRows: 2, Workers: 1})
		require.NoError(t, err)
		require.Zero(t, report.Differences(), "its range was compared before")
		require.Equal(t, int64(1), s.verifyWith(verify.Options{Proven: report.Proven}).Differing)
	})
}

// What was proven of an index says nothing of one that takes its place meanwhile.
func TestASwapDuringTheComparison(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.both("a", "b", "c", "d")
	proven := s.proven()
	s.verifier.Progress = func(int64) {
		s.verifier.Progress = nil
		s.swap()
		s.index("a", `{"id":"a","n":7}`, 100)
	}
	report, err := s.verifier.Run(t.Context(), verify.Options{RangeRows: 2, Workers: 1, Samples: 10, Proven: proven})
	require.NoError(t, err)
	require.Zero(t, report.Summed)
	require.Equal(t, int64(1), report.Stale)
	require.Equal(t, int64(3), report.Missing)
	require.NotEqual(t, proven.UUID, report.Proven.UUID)
}

// swap puts an empty index in the place of the live one.
func (s *stage) swap() {
	s.Helper()
	definition, err := elastic.ParseDefinition([]byte("mappings: {dynamic: false, properties: {id: {type: keyword}, n: {type: long}}}"))
	require.NoError(s, err)
	build, err := s.builder.Create(s.Context(), "x-000002", definition, nil)
	require.NoError(s, err)
	require.NoError(s, s.builder.Swap(s.Context(), names.First(), build))
}
