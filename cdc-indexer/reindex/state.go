package reindex

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"ticketing/cdc-indexer/elastic"
)

// Names of the notes in an index.
const (
	noteBuild = "build" // State, in an index under construction
	noteKept  = "kept"  // Kept, in an index that was swapped out
)

const (
	kindReindex  = "reindex"
	kindRollback = "rollback"
)

// State is what is kept of a build in its index, so that another process can go on with it or clean up.
type State struct {
	Kind      string    `json:"kind"`
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	SeenAt    time.Time `json:"seen_at"` // the last sign of life
	Live      string    `json:"live"`    // the index that is to be replaced
	From      Offsets   `json:"from"`    // where the changes begin that the snapshot may not hold
	Copied    bool      `json:"copied"`  // all rows are in the index
	Rows      int64     `json:"rows"`
	Position  int64     `json:"position"` // of the snapshot
	// Cutting says that writes to Live were about to be blocked: whoever finds that may have to unblock them.
	Cutting bool `json:"cutting"`

	mu    sync.Mutex // of what is saved
	build elastic.Build
}

// Kept is what is kept of an index that was swapped out, for the way back.
type Kept struct {
	At       time.Time `json:"at"`
	By       string    `json:"by"`      // the index that took its place
	Offsets  Offsets   `json:"offsets"` // every change before that is in it
	Position int64     `json:"position"`
}

func newState(kind, live string) *State {
	s := &State{Kind: kind, StartedAt: time.Now().UTC(), Live: live}
	s.sign()
	return s
}

// sign puts this process's name into the state.
func (s *State) sign() {
	s.Host, _ = os.Hostname() // for people; a host without a name is no reason to stop
	s.PID, s.SeenAt = os.Getpid(), time.Now().UTC()
}

// owner tells people whose build it is.
func (s *State) owner() string {
	return fmt.Sprintf("process %d on %s, begun %s, last sign of life %s ago",
		s.PID, s.Host, s.StartedAt.Format(time.RFC3339), time.Since(s.SeenAt).Round(time.Second))
}

// aliveFor is how long after its last sign of life a build is taken for alive.
const aliveFor = 30 * time.Second

// ErrBusy says that somebody else builds an index.
var ErrBusy = errors.New("an index is being built already")

// nobodyElse returns ErrBusy when there is a build.
func (r *Reindexer) nobodyElse(ctx context.Context) error {
	build, state, err := r.Status(ctx)
	if errors.Is(err, elastic.ErrNoBuild) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s, by %s; --resume goes on with a build that was interrupted and --abort removes it", ErrBusy, build.Index, state.owner())
}

// Status returns the build under way, or elastic.ErrNoBuild.
func (r *Reindexer) Status(ctx context.Context) (elastic.Build, *State, error) {
	build, err := r.Index.Find(ctx)
	if err != nil {
		return elastic.Build{}, nil, err
	}
	state := &State{}
	found, err := r.Index.Note(ctx, build.Index, noteBuild, state)
	if err != nil {
		return elastic.Build{}, nil, err
	}
	if !found {
		return elastic.Build{}, nil, fmt.Errorf("index %s has the alias of a build and no notes of one: take alias %s away", build.Index, build.Alias)
	}
	state.build = build
	return build, state, nil
}

// takeOver makes the build this process's.
func (r *Reindexer) takeOver(ctx context.Context, force bool) (*State, error) {
	build, state, err := r.Status(ctx)
	if err != nil {
		return nil, err
	}
	if !force && time.Since(state.SeenAt) < aliveFor {
		return nil, fmt.Errorf("%w: %s, by %s; --force takes it away from a process that is alive", ErrBusy, build.Index, state.owner())
	}
	if build, err = r.Index.TakeOver(ctx, build); err != nil {
		return nil, err
	}
	// Until just now its process may have gone on, and begun to hold writes back.
	if _, state, err = r.Status(ctx); err != nil {
		return nil, err
	}
	state.build = build
	state.sign()
	return state, r.save(ctx, state)
}

// Abort removes the build. The live index stays as it is, and gets its writes back should the build have held them.
func (r *Reindexer) Abort(ctx context.Context, force bool) (index string, err error) {
	state, err := r.takeOver(ctx, force)
	if err != nil {
		return "", err
	}
	if state.Cutting {
		if err := r.letWrite(ctx, state); err != nil {
			return state.build.Index, err
		}
	}
	if state.Kind == kindRollback {
		return state.build.Index, errors.Join(r.Index.Block(ctx, state.build.Index), r.Index.Release(ctx, state.build))
	}
	return state.build.Index, r.Index.Delete(ctx, state.build.Index)
}

// letWrite unblocks the live index, if it is still the live one.
func (r *Reindexer) letWrite(ctx context.Context, state *State) error {
	live, err := r.Index.Live(ctx)
	if err != nil {
		return err
	}
	if live != state.Live {
		return nil // it has been swapped out: it must not be written to
	}
	return r.Index.Unblock(ctx, live)
}

func (r *Reindexer) save(ctx context.Context, state *State) error {
	state.mu.Lock()
	defer state.mu.Unlock()
	return r.Index.SetNote(ctx, state.build.Index, noteBuild, state)
}

// change changes the state and saves it.
func (r *Reindexer) change(ctx context.Context, state *State, edit func(*State)) error {
	state.mu.Lock()
	edit(state)
	state.mu.Unlock()
	return r.save(ctx, state)
}

// watch returns a context that ends when the build is no longer ours, with elastic.ErrLost as its cause, and keeps
// the sign of life fresh. A server that does not answer is no reason to end.
func (r *Reindexer) watch(ctx context.Context, state *State, every time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	if every > 0 {
		watching.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				if err := r.Index.Check(ctx, state.build); errors.Is(err, elastic.ErrLost) {
					cancel(err)
					return
				}
				_ = r.change(ctx, state, (*State).sign) // only a sign of life: the next one will do
			}
		})
	}
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}
