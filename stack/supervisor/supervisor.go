// Package supervisor runs a set of processes that need one another: it starts each one when what it needs is ready,
// keeps its output, starts it again when it ends by itself, and stops all of them in reverse order. It knows
// nothing of what the processes are; a table of Components says that.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Component is one row of the table: a process that is kept running, or a step that is run once. Exactly one of
// Command and Step is set.
type Component struct {
	Name  string
	After []string // names of the components that must be ready before this one starts

	Command []string                                       // program and arguments
	Prepare func(ctx context.Context, log io.Writer) error // runs before every start of Command
	Step    func(ctx context.Context, log io.Writer) error // repeated until it succeeds

	Env      []string       // NAME=value, added to the supervisor's own environment
	Dir      string         // working directory; the supervisor's own when empty
	Owner    *Owner         // another user to run Command as; nil for the supervisor's own
	Stop     syscall.Signal // asks for a clean stop; SIGTERM when 0
	StopWait time.Duration  // how long a clean stop may take before SIGKILL; 10 s when 0

	Ready   func(ctx context.Context) error // nil as soon as it can be used; a started process counts as ready without it
	Address string                          // where it is, for people
	Inputs  []string                        // files and folders which, when changed, make Refresh restart it
}

// Owner is the user that a process of a supervisor run by root believes to be.
type Owner struct {
	UID, GID uint32
	// InName only: the process is in a user namespace, where these are the names of root, who owns its files and may
	// go where root may. Otherwise it is that user.
	InName bool
}

// HostIDs are the user and group that have to own the owner's files.
func (o Owner) HostIDs() (uid, gid int) {
	if o.InName {
		return os.Getuid(), os.Getgid()
	}
	return int(o.UID), int(o.GID)
}

// State says where a component is between stopped and ready.
type State string

// The states of a component.
const (
	Waiting   State = "waiting"   // for what it needs
	Starting  State = "starting"  // running, not yet ready
	Ready     State = "ready"     // running and answering
	Unhealthy State = "unhealthy" // running, was ready, and does not answer now
	Paused    State = "paused"    // stopped by SIGSTOP
	Failed    State = "failed"    // ended by itself; will be started again
	Stopping  State = "stopping"
	Stopped   State = "stopped" // on request; stays so until it is started
	Done      State = "done"    // a step that has succeeded
)

// Status is what is known of a component.
type Status struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	PID      int       `json:"pid,omitempty"`
	Address  string    `json:"address,omitempty"`
	Since    time.Time `json:"since"`           // when it came into this state
	Restarts int       `json:"restarts"`        // how often it ended by itself
	Error    string    `json:"error,omitempty"` // why it is not ready, or why it ended last
}

// Settled reports whether the component is what `up` waits for.
func (s Status) Settled() bool { return s.State == Ready || s.State == Done }

var (
	// ErrUnknown is returned for a component that is not in the table.
	ErrUnknown = errors.New("no such component")
	// ErrNoProcess is returned by Kill, Pause and Unpause when there is no process to signal.
	ErrNoProcess = errors.New("not running")
)

// Supervisor runs components. Its methods may be called from several goroutines, while Run runs.
type Supervisor struct {
	units []*unit // in the order of starting
	log   *slog.Logger

	mu  sync.Mutex
	ctx context.Context //nolint:containedctx // Run's context: the lifetime of what Start starts later
}

// LogDir is the folder, within a supervisor's folder, that holds NAME.log of each component.
const LogDir = "logs"

// New checks the table and orders it. Output goes to files in dir/logs.
func New(dir string, table []Component, log *slog.Logger) (*Supervisor, error) {
	ordered, err := order(table)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, LogDir), 0o755); err != nil { //nolint:gosec // logs are for everyone who may read the checkout
		return nil, fmt.Errorf("make the log folder: %w", err)
	}
	s := &Supervisor{log: log}
	byName := map[string]*unit{}
	for _, component := range ordered {
		u := newUnit(component, filepath.Join(dir, LogDir, component.Name+".log"), log)
		for _, name := range component.After {
			u.needs = append(u.needs, byName[name])
			byName[name].neededBy = append(byName[name].neededBy, u)
		}
		byName[component.Name] = u
		s.units = append(s.units, u)
	}
	return s, nil
}

// order sorts the table so that each component comes behind what it needs.
func order(table []Component) ([]Component, error) {
	known := map[string]Component{}
	for _, c := range table {
		if _, twice := known[c.Name]; twice || c.Name == "" {
			return nil, fmt.Errorf("component %q: the name is empty or used twice", c.Name)
		}
		if (len(c.Command) == 0) == (c.Step == nil) {
			return nil, fmt.Errorf("component %q: needs either a command or a step", c.Name)
		}
		known[c.Name] = c
	}
	var ordered []Component
	visiting, visited := map[string]bool{}, map[string]bool{}
	var visit func(name, by string) error
	visit = func(name, by string) error {
		c, ok := known[name]
		switch {
		case !ok:
			return fmt.Errorf("component %q comes after %q: %w", by, name, ErrUnknown)
		case visiting[name]:
			return fmt.Errorf("component %q comes after itself", name)
		case visited[name]:
			return nil
		}
		visiting[name] = true
		for _, need := range c.After {
			if err := visit(need, name); err != nil {
				return err
			}
		}
		visiting[name], visited[name] = false, true
		ordered = append(ordered, c)
		return nil
	}
	for _, c := range table {
		if err := visit(c.Name, ""); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// Run starts everything, waits until ctx ends, and returns when everything has stopped, in reverse order.
func (s *Supervisor) Run(ctx context.Context) {
	// What runs is ended by stopAll, in order, and not by ctx all at once.
	lifetime := context.WithoutCancel(ctx)
	s.mu.Lock()
	s.ctx = lifetime
	for _, u := range s.units {
		u.start(lifetime)
	}
	s.mu.Unlock()

	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil
	s.mu.Unlock()
	s.stopAll()
}

// stopAll stops each component once those that need it have stopped.
func (s *Supervisor) stopAll() {
	stopped := map[*unit]chan struct{}{}
	for _, u := range s.units {
		stopped[u] = make(chan struct{})
	}
	var wg sync.WaitGroup
	for _, u := range s.units {
		wg.Go(func() {
			defer close(stopped[u])
			for _, dependent := range u.neededBy {
				<-stopped[dependent]
			}
			u.stop(0)
		})
	}
	wg.Wait()
	for _, u := range s.units {
		if err := u.output.Close(); err != nil {
			s.log.Warn("close log", "component", u.Name, "error", err)
		}
	}
}

// Status returns the components' states, in the order of starting. Those that were ready are asked whether they
// still are; ctx bounds that.
func (s *Supervisor) Status(ctx context.Context) []Status {
	all := make([]Status, len(s.units))
	var wg sync.WaitGroup
	for i, u := range s.units {
		wg.Go(func() { all[i] = u.check(ctx) })
	}
	wg.Wait()
	return all
}

// Start starts a component that was stopped. It returns at once.
func (s *Supervisor) Start(name string) error {
	u, err := s.find(name)
	if err != nil {
		return err
	}
	return s.begin(u)
}

func (s *Supervisor) begin(u *unit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		return fmt.Errorf("start %s: the stack is being stopped", u.Name)
	}
	u.start(s.ctx)
	return nil
}

// Stop stops a component cleanly and returns when it has ended. It is not started again by itself.
func (s *Supervisor) Stop(name string) error {
	u, err := s.find(name)
	if err != nil {
		return err
	}
	u.stop(0)
	return nil
}

// Kill ends a component's process with SIGKILL, and waits for the end. It is started again at once unless restart is
// false.
func (s *Supervisor) Kill(name string, restart bool) error {
	u, err := s.find(name)
	if err != nil {
		return err
	}
	if !u.running() {
		return fmt.Errorf("%s: %w", u.Name, ErrNoProcess)
	}
	u.stop(syscall.SIGKILL)
	if !restart {
		return nil
	}
	u.countRestart()
	return s.begin(u)
}

// Pause stops a component's process and its children where they are, with SIGSTOP.
func (s *Supervisor) Pause(name string) error {
	u, err := s.find(name)
	if err != nil {
		return err
	}
	return u.pause(true)
}

// Unpause lets a paused component go on.
func (s *Supervisor) Unpause(name string) error {
	u, err := s.find(name)
	if err != nil {
		return err
	}
	return u.pause(false)
}

// Refresh starts what is stopped, runs the steps again, and restarts the components whose inputs have changed since
// they were started. It returns the names of those restarted, once they have stopped.
func (s *Supervisor) Refresh() ([]string, error) {
	var restarted []string
	for _, u := range s.units {
		if u.outdated() {
			u.stop(0)
			restarted = append(restarted, u.Name)
		}
		if err := s.begin(u); err != nil {
			return restarted, err
		}
	}
	return restarted, nil
}

func (s *Supervisor) find(name string) (*unit, error) {
	i := slices.IndexFunc(s.units, func(u *unit) bool { return u.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%q: %w", name, ErrUnknown)
	}
	return s.units[i], nil
}
