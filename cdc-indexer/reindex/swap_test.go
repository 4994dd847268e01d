package reindex_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
	"ticketing/cdc-indexer/reindex"
)

func TestAFailedSwapGivesTheWritesBack(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		swaps := 0
		s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
			lost := r.URL.Path == "/_aliases"
			if lost {
				swaps++
			}
			return elasticfake.Fault{Unreachable: lost}
		})
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorContains(t, err, "build index x-000002: swap: ")
		require.Greater(t, swaps, 5)
		s.fake.SetFault(nil)
		s.liveIs(first)
		_, state, err := s.reindexer(nil).Status(t.Context())
		require.NoError(t, err)
		require.False(t, state.Cutting)

		s.written("a", "2")
		_, err = s.reindexer(nil).Resume(t.Context(), s.options(), true)
		require.NoError(t, err)
		s.liveIs(second)
		require.Equal(t, map[string]string{"a": "2"}, s.held(second))
	})
}

func TestASwapWhoseAnswerIsLostIsASwap(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		ctx, cancel := context.WithCancel(t.Context())
		s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
			if !swapping(t, r) {
				return elasticfake.Fault{}
			}
			cancel() // as the build's own watch does that no longer finds its alias
			return elasticfake.Fault{LostResponse: true}
		})
		result, err := s.reindexer(nil).Run(ctx, s.options())
		require.NoError(t, err)
		require.Equal(t, second, result.Index)
		s.fake.SetFault(nil)
		s.liveIs(second)
		require.True(t, s.blocked(first))
	})
}

// swapping says whether a request moves the aliases.
func swapping(t *testing.T, r *http.Request) bool {
	t.Helper()
	if r.URL.Path != "/_aliases" {
		return false
	}
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	r.Body = io.NopCloser(bytes.NewReader(body))
	return bytes.Contains(body, []byte("is_write_index"))
}

// A server may carry out a swap after its answer is not waited for any more. By then the old index has its writes back,
// and what it got would be lost.
func TestASwapThatComesLateIsNone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		var late *http.Request
		s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
			if late != nil || !swapping(t, r) {
				return elasticfake.Fault{}
			}
			late = r
			return elasticfake.Fault{Unreachable: true}
		})
		came := false
		s.read = func(context.Context) error {
			if late == nil || came || s.blocked(first) {
				return nil
			}
			came = true
			s.written("a", "2")
			answer, err := s.fake.RoundTrip(late.WithContext(t.Context()))
			require.NoError(t, err)
			require.Equal(t, http.StatusNotFound, answer.StatusCode)
			require.NoError(t, answer.Body.Close())
			return nil
		}
		options := s.options()
		options.CutTimeout = time.Millisecond // so that the swap is given up, and not tried again at once
		_, err := s.reindexer(nil).Run(t.Context(), options)
		require.NoError(t, err)
		require.True(t, came)
		s.liveIs(second)
		require.Equal(t, map[string]string{"a": "2"}, s.held(second))
	})
}

// While nobody knows whether a swap will be carried out, the old index gets no writes.
func TestASwapOfWhichNothingIsKnown(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		away := false
		s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
			away = away || swapping(t, r)
			return elasticfake.Fault{Unreachable: away && r.URL.Path == "/_aliases"}
		})
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorIs(t, err, elastic.ErrSwapUnknown)
		require.ErrorContains(t, err, "`reindex --abort` or `reindex --resume` lets them through")
		require.True(t, s.blocked(first))
		s.fake.SetFault(nil)

		_, err = s.reindexer(nil).Resume(t.Context(), s.options(), true)
		require.NoError(t, err)
		s.liveIs(second)
	})
}

func TestWritesAreNotHeldBackForLong(t *testing.T) {
	tests := map[string]struct {
		stalls int // how many times the last reading does not come to an end
		err    string
	}{
		"once":     {stalls: 1},
		"for ever": {stalls: 1000, err: "not done within 10s"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.written("a", "1")
				stalled := 0
				s.read = func(ctx context.Context) error {
					if !s.blocked(first) {
						return nil
					}
					if stalled++; stalled > test.stalls {
						return nil
					}
					began := time.Now()
					<-ctx.Done()
					require.LessOrEqual(t, time.Since(began), 10*time.Second)
					return ctx.Err()
				}
				_, err := s.reindexer(nil).Run(t.Context(), s.options())
				if test.err == "" {
					require.NoError(t, err)
					s.liveIs(second)
					return
				}
				require.ErrorContains(t, err, test.err)
				require.Equal(t, 5, stalled)
				s.liveIs(first)
			})
		})
	}
}

func TestTheWritePauseIsMeasured(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.read = func(context.Context) error {
			if s.blocked(first) {
				s.pass(3 * time.Second)
			}
			return nil
		}
		require.Equal(t, 3*time.Second, s.run(nil).WritePause)
	})
}

func TestDeleteOld(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		options := s.options()
		options.DeleteOld = true
		began := time.Now()
		result, err := s.reindexer(nil).Run(t.Context(), options)
		require.NoError(t, err)
		require.True(t, result.OldDeleted)
		require.Equal(t, time.Minute, time.Since(began), "an indexer may still write to it by name, which must be refused")
		s.gone(first)
		s.liveIs(second)
	})
}

func TestDeleteOldInterrupted(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		options := s.options()
		options.DeleteOld = true
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		result, err := s.reindexer(nil).Run(ctx, options)
		require.ErrorContains(t, err, "the swap is done, and index x-000001 not deleted yet")
		require.False(t, result.OldDeleted)
		require.Equal(t, second, result.Index)
		s.liveIs(second)
		require.True(t, s.blocked(first))
	})
}

func TestReached(t *testing.T) {
	t.Parallel()
	ends := reindex.Offsets{"a": {0, 5}, "b": {7}}
	tests := map[string]struct {
		position reindex.Offsets
		want     bool
	}{
		"there":                                {reindex.Offsets{"a": {0, 5}, "b": {7}}, true},
		"beyond":                               {reindex.Offsets{"a": {3, 9}, "b": {8}, "c": {1}}, true},
		"one short":                            {reindex.Offsets{"a": {0, 5}, "b": {6}}, false},
		"a partition is not there":             {reindex.Offsets{"a": {0}, "b": {7}}, false},
		"a topic is not there":                 {reindex.Offsets{"a": {0, 5}}, false},
		"an empty partition need not be there": {reindex.Offsets{"a": {}, "b": {7}}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.position.Reached(ends))
		})
	}
	require.True(t, reindex.Offsets{}.Reached(reindex.Offsets{"a": {0, 0}}))
}

// Writes are held back for what is left to do, so that has to be little: what comes while the swap is prepared is read before.
func TestLittleIsLeftForTheTimeWithoutWrites(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
			if strings.HasSuffix(r.URL.Path, "/_count") {
				s.write("while counting", "1")
			}
			return elasticfake.Fault{}
		})
		r := s.reindexer(nil)
		held := map[string]string{}
		r.Index = lateBlock{s.builder, func() { held = s.held(second) }}
		_, err := r.Run(t.Context(), s.options())
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "1", "while counting": "1"}, held)
	})
}

// Deletes that came while it caught up are copied before writes are held back, too, and not within that time.
func TestFewTombstonesAreLeftForTheTimeWithoutWrites(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1", "gone", "1")
		caughtUp := false
		s.read = func(ctx context.Context) error {
			if caughtUp {
				return nil
			}
			caughtUp = true
			// as a repair deletes, which no message tells of
			_, err := s.indexer.Apply(ctx, []change.Change{{Key: "gone", Op: change.Delete, Order: change.Order{Version: 1000, LSN: 1000}}})
			return err
		}
		r := s.reindexer(nil)
		held := map[string]string{}
		r.Index = lateBlock{s.builder, func() { held = s.held(second) }}
		_, err := r.Run(t.Context(), s.options())
		require.NoError(t, err)
		require.Equal(t, map[string]string{"a": "1", "gone": tombstone}, held)
	})
}

// lateTombstones calls after when tombstones were copied.
type lateTombstones struct {
	*elastic.Builder
	after func()
}

func (l lateTombstones) Tombstones(ctx context.Context, index string, above int64, each func(context.Context, []change.Change) error) error {
	err := l.Builder.Tombstones(ctx, index, above, each)
	l.after()
	return err
}

// To copy tombstones takes its time. What is written meanwhile must not make the new index look as if it had lost it.
func TestRowsThatComeWhileTombstonesAreCopiedAreCounted(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		r := s.reindexer(nil)
		copied := 0
		r.Index = lateTombstones{s.builder, func() {
			if copied++; copied == 2 {
				s.written("b", "1", "c", "1", "d", "1")
			}
		}}
		_, err := r.Run(t.Context(), s.options())
		require.NoError(t, err)
		s.liveIs(second)
	})
}
