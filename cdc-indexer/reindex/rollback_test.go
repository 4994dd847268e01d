package reindex_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/reindex"
)

func TestRollbackAndBackAgain(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1", "b", "1", "c", "1")
		s.run(nil)
		s.written("a", "2", "b", "", "new", "1")
		s.repairAway("orphan")

		result, err := s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.NoError(t, err)
		require.Equal(t, first, result.Index)
		require.Equal(t, second, result.Old)
		require.Equal(t, int64(3), result.Changes, "only those since the swap")
		require.Equal(t, int64(24), result.Position)
		s.liveIs(first)
		require.True(t, s.blocked(second))
		want := map[string]string{"a": "2", "b": tombstone, "c": "1", "new": "1"}
		require.Equal(t, want, s.held(first))
		orders, err := s.indexer.Orders(t.Context(), []string{"orphan"})
		require.NoError(t, err)
		require.Len(t, orders, 1)

		s.written("a", "3")
		want["a"] = "3"
		result, err = s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.NoError(t, err)
		require.Equal(t, second, result.Index)
		s.liveIs(second)
		require.Equal(t, want, s.held(second))
		require.Equal(t, 1, s.snapshots, "only the build has read the table")
	})
}

func TestRollbackWithNothingKept(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		_, err := s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.ErrorIs(t, err, reindex.ErrNothingKept)
		_, err = s.reindexer(nil).Rollback(t.Context(), "x-000009", s.options())
		require.ErrorIs(t, err, reindex.ErrNothingKept)
		require.ErrorContains(t, err, "x-000009")
		_, err = s.reindexer(nil).Rollback(t.Context(), first, s.options())
		require.ErrorIs(t, err, reindex.ErrNothingKept, "it is the live one")
		s.liveIs(first)
	})
}

// What cannot be caught up with is refused before anything is changed.
func TestRollbackAfterMessagesHaveExpired(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		s.run(nil)
		s.written("a", "2", "b", "1")
		s.expired = 1
		_, err := s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.NoError(t, err, "it holds all that has expired")
		s.expired = 4
		_, err = s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.ErrorIs(t, err, reindex.ErrExpired)
		require.ErrorContains(t, err, second)
		s.liveIs(first)
		_, _, err = s.reindexer(nil).Status(t.Context())
		require.ErrorIs(t, err, elastic.ErrNoBuild)
	})
}

func TestRollbackToAnIndexByName(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		s.run(nil)
		s.pass(time.Minute)
		s.written("a", "2")
		s.run(nil)
		s.written("a", "3")
		_, err := s.reindexer(nil).Rollback(t.Context(), first, s.options())
		require.NoError(t, err)
		s.liveIs(first)
		require.Equal(t, "3", s.held(first)["a"])
	})
}

func TestRollbackGoesToTheLatest(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.run(nil)
		s.pass(time.Minute)
		s.run(nil)
		s.pass(time.Minute)
		result, err := s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.NoError(t, err)
		require.Equal(t, second, result.Index)
		s.pass(time.Minute)
		result, err = s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.NoError(t, err)
		require.Equal(t, "x-000003", result.Index)
	})
}

func TestAnInterruptedRollback(t *testing.T) {
	interrupted := func(t *testing.T, s *stage) {
		t.Helper()
		s.written("a", "1")
		s.run(nil)
		s.written("a", "2")
		s.killedAt(reindex.PhaseCatchUp, func(ctx context.Context, r *reindex.Reindexer) error {
			_, err := r.Rollback(ctx, "", s.options())
			return err
		})
		s.liveIs(second)
		s.pass(time.Minute)
	}
	t.Run("resumed", func(t *testing.T) {
		play(t, func(t *testing.T, s *stage) {
			interrupted(t, s)
			require.NoError(t, s.builder.Block(t.Context(), first)) // as it is just after the beginning
			_, err := s.reindexer(nil).Resume(t.Context(), s.options(), false)
			require.NoError(t, err)
			s.liveIs(first)
			require.Equal(t, map[string]string{"a": "2", "caught": "1"}, s.held(first))
			require.Equal(t, 1, s.snapshots)
		})
	})
	t.Run("aborted", func(t *testing.T) {
		play(t, func(t *testing.T, s *stage) {
			interrupted(t, s)
			index, err := s.reindexer(nil).Abort(t.Context(), false)
			require.NoError(t, err)
			require.Equal(t, first, index)
			require.True(t, s.blocked(first), "it is kept as it was")
			s.liveIs(second)
			_, _, err = s.reindexer(nil).Status(t.Context())
			require.ErrorIs(t, err, elastic.ErrNoBuild)
			_, err = s.reindexer(nil).Rollback(t.Context(), "", s.options())
			require.NoError(t, err)
			s.liveIs(first)
		})
	})
}
