package reindex_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
	"ticketing/cdc-indexer/reindex"
)

// killedAt begins a build and kills it, as if by SIGKILL, in a phase that has done something: from then on nothing of
// it reaches the server.
func (s *stage) killedAt(phase reindex.Phase, begin func(context.Context, *reindex.Reindexer) error) {
	s.Helper()
	ctx, kill := context.WithCancel(s.Context())
	var killed atomic.Bool
	err := begin(ctx, s.reindexer(func(now reindex.Phase, done int64) {
		switch {
		case killed.Load():
		case now == reindex.PhaseTombstones && done == 0: // so that there is something to catch up with
			s.written("caught", "1")
		case now == reindex.PhaseSwap && done == 0:
			s.written("last", "1")
		case now == phase && done > 0:
			killed.Store(true)
			s.fake.SetFault(unreachable)
			kill()
		}
	}))
	require.Error(s, err)
	require.True(s, killed.Load())
	s.fake.SetFault(nil)
}

func (s *stage) beginRun(ctx context.Context, r *reindex.Reindexer) error {
	_, err := r.Run(ctx, s.options())
	return err
}

var interruptions = map[string]struct {
	phase     reindex.Phase
	snapshots int // until the build is done
	blocked   bool
}{
	"in the copy":                {reindex.PhaseCopy, 2, false},
	"in the catch-up":            {reindex.PhaseCatchUp, 1, false},
	"while writes are held back": {reindex.PhaseSwap, 1, true},
}

func TestResume(t *testing.T) {
	for name, test := range interruptions {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.written("a", "1", "b", "1", "c", "1", "dead", "1")
				s.written("dead", "")
				s.killedAt(test.phase, s.beginRun)
				require.Equal(t, test.blocked, s.blocked(first))
				s.pass(time.Minute)

				s.write("b", "")
				s.write("c", "2")
				again := false
				_, err := s.reindexer(func(reindex.Phase, int64) {
					if !again { // before anything else is done, the running indexers may go on
						again = true
						require.False(t, s.blocked(first))
						s.consume()
					}
				}).Resume(t.Context(), s.options(), false)
				require.NoError(t, err)
				require.True(t, again)
				require.Equal(t, test.snapshots, s.snapshots)
				s.liveIs(second)
				require.True(t, s.blocked(first))
				require.Equal(t, s.held(first), s.held(second))
				require.Equal(t, "2", s.held(second)["c"])
				require.Equal(t, tombstone, s.held(second)["b"])
			})
		})
	}
}

func TestAbort(t *testing.T) {
	for name, test := range interruptions {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *stage) {
				s.written("a", "1", "b", "1")
				s.killedAt(test.phase, s.beginRun)
				require.Equal(t, test.blocked, s.blocked(first))
				s.pass(time.Minute)

				index, err := s.reindexer(nil).Abort(t.Context(), false)
				require.NoError(t, err)
				require.Equal(t, second, index)
				s.gone(second)
				s.liveIs(first)
				_, _, err = s.reindexer(nil).Status(t.Context())
				require.ErrorIs(t, err, elastic.ErrNoBuild)

				s.written("a", "2")
				s.run(nil)
				s.liveIs(second)
			})
		})
	}
}

func TestNothingToResumeOrAbort(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		_, err := s.reindexer(nil).Resume(t.Context(), s.options(), false)
		require.ErrorIs(t, err, elastic.ErrNoBuild)
		_, err = s.reindexer(nil).Abort(t.Context(), true)
		require.ErrorIs(t, err, elastic.ErrNoBuild)
		s.liveIs(first)
	})
}

// begin runs a build in a process of its own, until it waits for something.
func (s *stage) begin(ctx context.Context) (ended chan error) {
	ended = make(chan error, 1)
	process := s.reindexer(nil)
	go func() { ended <- s.beginRun(ctx, process) }()
	synctest.Wait()
	return ended
}

func TestALiveBuildIsNotRobbed(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		s.read = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		holder := s.begin(t.Context())
		s.pass(5*time.Minute + time.Second) // it shows signs of life all the time

		host, err := os.Hostname()
		require.NoError(t, err)
		who := fmt.Sprintf("x-000002, by process %d on %s, begun 2000-01-01T00:00:00Z, last sign of life 1s ago", os.Getpid(), host)
		_, err = s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorIs(t, err, reindex.ErrBusy)
		require.ErrorContains(t, err, who+"; --resume goes on with a build that was interrupted and --abort removes it")
		_, err = s.reindexer(nil).Rollback(t.Context(), "", s.options())
		require.ErrorIs(t, err, reindex.ErrBusy)
		_, err = s.reindexer(nil).Resume(t.Context(), s.options(), false)
		require.ErrorIs(t, err, reindex.ErrBusy)
		require.ErrorContains(t, err, who+"; --force takes it away from a process that is alive")
		_, err = s.reindexer(nil).Abort(t.Context(), false)
		require.ErrorIs(t, err, reindex.ErrBusy)
		require.Empty(t, holder, "it goes on")

		index, err := s.reindexer(nil).Abort(t.Context(), true)
		require.NoError(t, err)
		require.Equal(t, second, index)
		require.ErrorIs(t, <-holder, elastic.ErrLost)
		s.gone(second)
		s.liveIs(first)
	})
}

func TestTheRobbedOneEnds(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		s.read = s.stallWhileBlocked
		holder := s.begin(t.Context())
		require.True(t, s.blocked(first))
		s.read = nil
		_, err := s.reindexer(nil).Resume(t.Context(), s.options(), true)
		require.NoError(t, err)
		s.liveIs(second)
		require.ErrorIs(t, <-holder, elastic.ErrLost)
		s.liveIs(second)
		require.True(t, s.blocked(first), "the robbed one has not let writes through to what is not live any more")
	})
}

func (s *stage) stallWhileBlocked(ctx context.Context) error {
	if s.blocked(first) {
		<-ctx.Done()
	}
	return ctx.Err()
}

// A process that was stopped while it held writes back wakes up when another has taken the build over.
func TestTheRobbedOneLeavesTheOthersBlockAlone(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		s.read = s.stallWhileBlocked
		holder := s.begin(t.Context())
		require.True(t, s.blocked(first))

		s.read = func(context.Context) error {
			if s.blocked(first) {
				s.pass(9 * time.Second) // the robbed one notices meanwhile
				require.Len(t, holder, 1)
				require.True(t, s.blocked(first))
			}
			return nil
		}
		_, err := s.reindexer(nil).Resume(t.Context(), s.options(), true)
		require.NoError(t, err)
		s.liveIs(second)
		require.ErrorIs(t, <-holder, elastic.ErrLost)
	})
}

// Between the look at a build and its taking over, its process may begin to hold writes back, and be killed.
func TestAbortGivesWritesBackThatWereHeldBackMeanwhile(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		catchUp := make(chan struct{})
		s.read = func(ctx context.Context) error {
			<-catchUp
			return s.stallWhileBlocked(ctx)
		}
		ctx, kill := context.WithCancel(t.Context())
		holder := s.begin(ctx)
		aborter := &reindex.Reindexer{Table: s, Log: s, Index: lateTakeOver{s.builder, func() {
			close(catchUp)
			synctest.Wait()
			require.True(t, s.blocked(first))
			s.fake.SetFault(unreachable)
			kill()
			require.Error(t, <-holder)
			s.fake.SetFault(nil)
		}}}
		_, err := aborter.Abort(t.Context(), true)
		require.NoError(t, err)
		s.liveIs(first)
	})
}

func unreachable(*http.Request) elasticfake.Fault { return elasticfake.Fault{Unreachable: true} }

// lateTakeOver lets something happen before a build is taken over.
type lateTakeOver struct {
	*elastic.Builder
	before func()
}

func (l lateTakeOver) TakeOver(ctx context.Context, former elastic.Build) (elastic.Build, error) {
	l.before()
	return l.Builder.TakeOver(ctx, former)
}

// A build that is aborted just before it holds writes back does so all the same, and has to give them back itself.
func TestABuildThatIsAbortedAtTheLastMoment(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		builder := &reindex.Reindexer{Table: s, Log: s, Index: lateBlock{s.builder, func() {
			_, err := s.reindexer(nil).Abort(t.Context(), true)
			require.NoError(t, err)
		}}}
		require.Error(t, s.beginRun(t.Context(), builder))
		s.gone(second)
		s.liveIs(first)
	})
}

// lateBlock lets something happen before writes are held back.
type lateBlock struct {
	*elastic.Builder
	before func()
}

func (l lateBlock) Block(ctx context.Context, index string) error {
	l.before()
	return l.Builder.Block(ctx, index)
}

func TestTwoThatBeginAtTheSameTime(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		s.started = func() { // the first has looked and found nobody
			s.started = nil
			s.killedAt(reindex.PhaseCopy, s.beginRun)
		}
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorIs(t, err, reindex.ErrBusy)
		s.liveIs(first)
	})
}

func TestABuildsAliasWithoutNotes(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		build, err := s.builder.Adopt(t.Context(), first)
		require.NoError(t, err)
		_, err = s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorContains(t, err, "index x-000001 has the alias of a build and no notes of one: take alias "+build.Alias+" away")
	})
}

func TestWritesThatCannotBeGivenBack(t *testing.T) {
	play(t, func(t *testing.T, s *stage) {
		s.written("a", "1")
		cuts := 0
		s.fake.SetFault(func(r *http.Request) elasticfake.Fault {
			if strings.HasSuffix(r.URL.Path, "/_block/write") {
				cuts++
			}
			return elasticfake.Fault{Unreachable: r.URL.Path == "/_aliases" || r.URL.Path == "/"+first+"/_settings"}
		})
		_, err := s.reindexer(nil).Run(t.Context(), s.options())
		require.ErrorContains(t, err, "index x-000001: writes may still be blocked; `reindex --abort` or `reindex --resume` lets them through")
		s.fake.SetFault(nil)
		require.Equal(t, 1, cuts, "it is not tried again")
		require.True(t, s.blocked(first))
		_, err = s.reindexer(nil).Abort(t.Context(), true)
		require.NoError(t, err)
		s.liveIs(first)
	})
}
