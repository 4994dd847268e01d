package reindex_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
	"ticketing/cdc-indexer/reindex"
)

func TestABuildTakesTheLiveIndexsPlace(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1", "b", "1", "c", "1", "dead", "1")
		s.written("dead", "")
		var copying, swapping atomic.Bool // several workers tell of their progress
		result := s.run(func(phase reindex.Phase, _ int64) {
			switch {
			case phase == reindex.PhaseCopy && copying.CompareAndSwap(false, true): // what the snapshot does not hold
				s.written("a", "2", "b", "", "new", "1")
			case phase == reindex.PhaseSwap && swapping.CompareAndSwap(false, true): // just before writes are held back
				s.written("c", "3", "last", "1")
				s.repairAway("orphan")
			}
		})
		want := map[string]string{"a": "2", "b": tombstone, "c": "3", "dead": tombstone, "new": "1", "last": "1"}
		s.liveIs(second)
		require.Equal(t, want, s.held(second))
		require.True(t, s.blocked(first))

		require.Equal(t, second, result.Index)
		require.Equal(t, first, result.Old)
		require.Equal(t, int64(3), result.Rows)
		require.Equal(t, int64(5), result.Changes)
		require.GreaterOrEqual(t, result.Tombstones, int64(3), "dead, b and orphan")
		require.Equal(t, int64(40), result.Position)
		require.Equal(t, int64(3), result.Documents, "a, c and new")
		require.Equal(t, int64(3), result.OldDocuments, "these")
		require.Zero(t, result.Rejected)
		require.False(t, result.OldDeleted)

		var kept reindex.Kept
		found, err := s.builder.Note(t.Context(), first, "kept", &kept)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, reindex.Kept{At: kept.At, By: second, Offsets: reindex.Offsets{topic: {8}}, Position: 40}, kept)

		// Old messages that come again change nothing: not even those of rows that are long gone.
		s.committed = 0
		s.consume()
		require.Equal(t, want, s.held(second))
		documents, err := s.indexer.Orders(t.Context(), []string{"orphan"})
		require.NoError(t, err)
		require.Len(t, documents, 1, "the tombstone that no message tells of")
	})
}

// repairAway writes a tombstone that is in no topic.
func (s *stage) repairAway(key string) {
	s.Helper()
	_, err := s.indexer.Apply(s.Context(), []change.Change{{Key: key, Op: change.Delete, Order: change.Order{Version: 9}}})
	require.NoError(s, err)
}

func TestTheIndexMayBeNamed(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		options := s.options()
		options.IndexName = "x-000007"
		result, err := s.reindexer(nil).Run(t.Context(), options)
		require.NoError(t, err)
		require.Equal(t, "x-000007", result.Index)
		s.liveIs("x-000007")
		require.Equal(t, "x-000008", s.run(nil).Index)
	})
}

func TestRowsAreCopiedInBatches(t *testing.T) {
	tests := map[string]struct {
		rows, bytes, requests int
	}{
		"by rows":  {2, 1 << 20, 3},
		"by bytes": {100, 1, 5},
		"at once":  {100, 1 << 20, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.written("a", "1", "b", "1", "c", "1", "d", "1", "e", "1")
				requests := 0
				s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
					if strings.HasSuffix(r.URL.Path, "_bulk") {
						requests++
					}
					return elasticfake.Fault{}
				})
				options := s.options()
				options.PartRows, options.BatchRows, options.BatchBytes = 100, test.rows, test.bytes
				_, err := s.reindexer(nil).Run(t.Context(), options)
				require.NoError(t, err)
				require.Equal(t, test.requests, requests)
			})
		})
	}
}

func TestThrottle(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1", "b", "1", "c", "1", "d", "1", "e", "1", "f", "1")
		options := s.options()
		options.Throttle = 2
		result, err := s.reindexer(nil).Run(t.Context(), options)
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, result.Duration, "two rows at once, and then two in a second")
		require.Zero(t, s.run(nil).Duration)
	})
}

func TestTwoRowsOfOneKeyAreRefused(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1", "b", "1")
		s.rows = append(s.rows, s.rows[0])
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorContains(t, err, "3 rows were copied and index x-000002 holds 2 documents: does `key` in the pipeline file name the primary key?")
		s.liveIs(first)
	})
}

func TestPhasesAreToldInTheirOrder(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1", "b", "1")
		var mu sync.Mutex // several workers tell of their progress
		var told []reindex.Phase
		s.run(func(phase reindex.Phase, _ int64) {
			mu.Lock()
			defer mu.Unlock()
			if phase == reindex.PhaseCount && !slices.Contains(told, phase) {
				s.written("a", "2") // so that there is something to catch up with
			}
			if len(told) == 0 || told[len(told)-1] != phase {
				told = append(told, phase)
			}
		})
		require.Equal(t, []reindex.Phase{
			reindex.PhaseSnapshot, reindex.PhaseCopy, reindex.PhaseCount, reindex.PhaseTombstones, reindex.PhaseCatchUp, reindex.PhaseSwap,
		}, told)
	})
}

func TestDocumentsThatTheNewMappingRejects(t *testing.T) {
	tests := map[string]func(s *stage) func(reindex.Phase, int64){
		"in the copy": func(s *stage) func(reindex.Phase, int64) {
			s.written("bad", "one")
			return nil
		},
		"in the catch-up": func(s *stage) func(reindex.Phase, int64) {
			return func(phase reindex.Phase, _ int64) {
				if phase == reindex.PhaseTombstones && len(s.messages) == 2 {
					s.written("bad", "one")
				}
			}
		},
		"while writes are held back": func(s *stage) func(reindex.Phase, int64) {
			return func(phase reindex.Phase, _ int64) {
				if phase == reindex.PhaseSwap && len(s.messages) == 2 {
					s.written("bad", "one")
				}
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.written("a", "1", "b", "2")
				options := s.options()
				options.Definition = s.definition("long")
				_, err := s.reindexer(prepare(s)).Run(t.Context(), options)
				require.ErrorContains(t, err, "cannot hold 1 of the documents, the first of them bad: ")
				require.ErrorContains(t, err, "--accept-rejected")
				s.liveIs(first)

				_, err = s.reindexer(nil).Resume(t.Context(), options, true)
				require.ErrorContains(t, err, "the first of them bad: ", "not forgotten")
				options.AcceptRejected = true
				result, err := s.reindexer(nil).Resume(t.Context(), options, true)
				require.NoError(t, err)
				require.GreaterOrEqual(t, result.Rejected, int64(1))
				s.liveIs(second)
				require.Equal(t, map[string]string{"a": "1", "b": "2"}, s.held(second))
			})
		})
	}
}

func TestAMuchSmallerIndexIsRefused(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1", "b", "1", "c", "1", "d", "1", "e", "1")
		s.rows = s.rows[:2] // another table
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorContains(t, err, "the new index x-000002 holds 2 documents and the old one 5")
		require.ErrorContains(t, err, "--max-shrink")
		s.liveIs(first)
		options := s.options()
		options.MaxShrink = 0.6
		_, err = s.reindexer(nil).Resume(t.Context(), options, true)
		require.NoError(t, err)
		s.liveIs(second)
	})
}

func TestALogThatIsWrittenFasterThanItIsRead(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.read = func(context.Context) error {
			s.pass(3 * time.Second)
			return nil
		}
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorContains(t, err, "changes come faster than they can be indexed: the last 20 rounds took no less than 3s")
		s.liveIs(first)
	})
}

// On a busy machine a round may never be as short as one would like; one that is short enough will do.
func TestAMachineOnWhichEveryRoundTakesASecond(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.read = func(context.Context) error {
			s.pass(time.Second)
			return nil
		}
		result, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.NoError(t, err)
		require.Less(t, result.WritePause, 2*time.Second)
		s.liveIs(second)
	})
}

func TestAServerThatIsAwayForAMomentIsWaitedFor(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		failures := map[string]int{}
		building := false
		s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
			building = building || r.Method == http.MethodPut && r.URL.Path == "/"+second
			what := r.Method + r.URL.Path
			if !building || what == "PUT/"+second {
				return elasticfake.Fault{}
			}
			failures[what]++ // each request fails twice
			return elasticfake.Fault{Unreachable: failures[what] <= 2 && !strings.Contains(what, "_pit")}
		})
		options := s.options()
		options.Heartbeat = 0
		_, err := s.reindexer(nil).Run(t.Context(), options)
		s.fake.SetFault(nil)
		require.NoError(t, err)
		s.liveIs(second)
	})
}

func TestWhatElasticsearchRefusesIsNotTriedAgain(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		began := time.Now()
		_, err := s.reindexer(func(phase reindex.Phase, _ int64) {
			if phase == reindex.PhaseTombstones {
				s.request(http.MethodDelete, "/"+first, "")
			}
		}).Run(t.Context(), s.options())
		require.ErrorContains(t, err, "index_not_found_exception")
		require.Zero(t, time.Since(began))
	})
}

func TestTheIndexIsFinishedBeforeTheSwap(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		index := &finishing{Builder: s.builder, stage: s}
		_, err := (&reindex.Reindexer{Table: s, Log: s, Index: index}).Run(t.Context(), s.options())
		require.NoError(t, err)
		require.Equal(t, s.options().Definition, index.finished)
	})
}

// finishing remembers with what the index was finished.
type finishing struct {
	*elastic.Builder
	stage    *stage
	finished elastic.Definition
}

func (f *finishing) Finish(ctx context.Context, index string, definition elastic.Definition) error {
	require.Equal(f.stage, second, index)
	require.Equal(f.stage, map[string]string{"a": "1"}, f.stage.held(second), "it is full")
	f.stage.liveIs(first)
	f.finished = definition
	return f.Builder.Finish(ctx, index, definition)
}

func TestTheLogsErrorsAreTold(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		expired := errors.New("expired")
		s.read = func(context.Context) error { return expired }
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorIs(t, err, expired)
		require.ErrorContains(t, err, "build index x-000002: catch up with the changes: expired")
	})
}
