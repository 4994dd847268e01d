package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/internal/testenv"
)

const limit = 20 * time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveIn); dir != "" {
		os.Exit(serveUntilKilled(dir))
	}
	goleak.VerifyTestMain(m)
}

// shell is a component that runs a script, in dir, until it is stopped. The script's $NAME is the component's name.
func shell(dir, name, script string, after ...string) Component {
	return Component{
		Name: name, After: after, Dir: dir, Env: []string{"NAME=" + name},
		Command: []string{"sh", "-c", script}, StopWait: 5 * time.Second,
	}
}

// lasting keeps a script alive until SIGTERM, when it runs the last words. A shell waits for a command before it
// looks at a signal, but not for a command in the background.
func lasting(lastWords string) string {
	return fmt.Sprintf("trap '%s; kill $!; exit 0' TERM; while :; do sleep 60 & wait $!; done", lastWords)
}

// run runs the table until the test ends, or until stop is called.
func run(t *testing.T, dir string, table ...Component) (s *Supervisor, stop func()) {
	t.Helper()
	s, err := New(dir, table, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return s, stop
}

func status(t *testing.T, s *Supervisor, name string) Status {
	t.Helper()
	for _, status := range s.Status(t.Context()) {
		if status.Name == name {
			return status
		}
	}
	t.Fatalf("no component %s", name)
	return Status{}
}

// reaches waits until the component is in the state.
func reaches(t *testing.T, s *Supervisor, name string, want State) Status {
	t.Helper()
	testenv.Eventually(t, limit, func(context.Context) error {
		if is := status(t, s, name); is.State != want {
			return fmt.Errorf("%s is %s (%s), not %s", name, is.State, is.Error, want)
		}
		return nil
	})
	return status(t, s, name)
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	require.NoError(t, err)
	return string(text)
}

// fileExists is ready when a process has made the file.
func fileExists(parts ...string) func(context.Context) error {
	return func(context.Context) error {
		_, err := os.Stat(filepath.Join(parts...))
		return err
	}
}

func TestStartsBehindWhatItNeedsAndStopsInReverseOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	names := []string{"third", "second", "first"} // not the order of starting
	table := make([]Component, 0, len(names))
	for _, name := range names {
		after := map[string][]string{"second": {"first"}, "third": {"first", "second"}}[name]
		c := shell(dir, name, "echo start $NAME >> story; touch ready-$NAME; "+lasting("echo stop $NAME >> story"), after...)
		c.Ready = fileExists(dir, "ready-"+name)
		table = append(table, c)
	}
	s, stop := run(t, dir, table...)
	reaches(t, s, "third", Ready)
	stop()
	require.Equal(t, "start first\nstart second\nstart third\nstop third\nstop second\nstop first\n", read(t, dir, "story"))
	for _, is := range s.Status(t.Context()) {
		require.Equal(t, Stopped, is.State, is.Name)
	}
}

func TestWaitsForWhatItNeedsToBeReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := shell(dir, "base", lasting("true"))
	base.Ready = fileExists(dir, "go")
	s, _ := run(t, dir, base, shell(dir, "top", lasting("true"), "base"))

	testenv.Eventually(t, limit, func(context.Context) error {
		if is := status(t, s, "base"); is.PID == 0 || is.Error == "" {
			return errors.New("not probed yet")
		}
		return nil
	})
	require.Equal(t, Waiting, status(t, s, "top").State)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	reaches(t, s, "top", Ready)
}

func TestAProcessThatEndsIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := shell(dir, "shaky", "echo $NAME says hello; echo x >> tries; test $(wc -l < tries) -ge 3 || exit 7; touch up; "+lasting("true"))
	c.Ready = fileExists(dir, "up")
	s, _ := run(t, dir, c)
	is := reaches(t, s, "shaky", Ready)
	require.Equal(t, 2, is.Restarts)
	// What a process prints comes to its log through a pipe, a moment later.
	testenv.Eventually(t, limit, func(context.Context) error {
		if hellos := strings.Count(read(t, dir, LogDir, "shaky.log"), "shaky says hello"); hellos != 3 {
			return fmt.Errorf("%d in the log", hellos)
		}
		return nil
	})
}

func TestAProcessThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := run(t, dir,
		Component{Name: "missing", Command: []string{filepath.Join(dir, "no-such-program")}},
		Component{Name: "unprepared", Command: []string{"true"}, Prepare: func(context.Context, io.Writer) error { return errors.New("no room") }})
	require.Contains(t, reaches(t, s, "missing", Failed).Error, "no-such-program")
	require.Equal(t, "prepare: no room", reaches(t, s, "unprepared", Failed).Error)
}

func TestAStepIsRepeatedUntilItSucceedsAndThenNeverAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var tries atomic.Int32
	step := Component{Name: "step", Step: func(_ context.Context, log io.Writer) error {
		_, _ = fmt.Fprintln(log, "trying")
		if tries.Add(1) < 3 {
			return errors.New("not yet")
		}
		return nil
	}}
	s, _ := run(t, dir, step, shell(dir, "after", lasting("true"), "step"))
	reaches(t, s, "after", Ready)
	require.Equal(t, Done, status(t, s, "step").State)
	require.Equal(t, "trying\ntrying\ntrying\n", read(t, dir, LogDir, "step.log"))

	require.NoError(t, s.Kill("after", true))
	testenv.Eventually(t, limit, func(context.Context) error {
		if status(t, s, "after").Restarts == 0 {
			return errors.New("not killed yet")
		}
		return nil
	})
	reaches(t, s, "after", Ready)
	require.EqualValues(t, 3, tries.Load())
}

func TestStopIsForGoodUntilStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := run(t, dir, shell(dir, "one", lasting("echo bye >> story")), shell(dir, "other", lasting("true"), "one"))
	other := reaches(t, s, "other", Ready).PID

	require.NoError(t, s.Stop("one"))
	is := status(t, s, "one")
	require.Equal(t, Stopped, is.State)
	require.Zero(t, is.PID)
	require.Equal(t, "bye\n", read(t, dir, "story"))
	require.Equal(t, other, status(t, s, "other").PID, "what needs it goes on")
	require.NoError(t, s.Stop("one"), "again")

	require.NoError(t, s.Start("one"))
	reaches(t, s, "one", Ready)
	require.ErrorIs(t, s.Stop("two"), ErrUnknown)
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := shell(dir, "deaf", "trap '' TERM; touch up; while :; do sleep 60; done")
	c.StopWait = 50 * time.Millisecond
	c.Ready = fileExists(dir, "up")
	s, _ := run(t, dir, c)
	pid := reaches(t, s, "deaf", Ready).PID
	require.NoError(t, s.Stop("deaf"))
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := run(t, dir, shell(dir, "victim", lasting("echo no last words >> story")))
	first := reaches(t, s, "victim", Ready).PID

	require.NoError(t, s.Kill("victim", true))
	testenv.Eventually(t, limit, func(context.Context) error {
		if is := status(t, s, "victim"); is.State != Ready || is.PID == first {
			return fmt.Errorf("still %+v", is)
		}
		return nil
	})
	require.Equal(t, 1, status(t, s, "victim").Restarts)
	for range 5 { // however soon after another
		require.NoError(t, s.Kill("victim", true))
	}
	reaches(t, s, "victim", Ready)

	require.NoError(t, s.Kill("victim", false))
	require.Equal(t, Stopped, status(t, s, "victim").State)
	require.NoFileExists(t, filepath.Join(dir, "story"))
	require.ErrorIs(t, s.Kill("victim", true), ErrNoProcess)
	require.ErrorIs(t, s.Pause("victim"), ErrNoProcess)
}

func TestChildrenOfAKilledProcessGoWithIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := shell(dir, "parent", "sleep 60 & echo $! > child; wait")
	c.Ready = fileExists(dir, "child")
	s, _ := run(t, dir, c)
	reaches(t, s, "parent", Ready)
	var child int
	_, err := fmt.Sscan(read(t, dir, "child"), &child)
	require.NoError(t, err)
	require.NoError(t, s.Kill("parent", false))
	gone(t, child)
}

// gone waits until there is no such process, but for one that nobody has asked for its exit status.
func gone(t *testing.T, pid int) {
	t.Helper()
	testenv.Eventually(t, limit, func(context.Context) error {
		if state := processState(pid); state != "" && state != "Z" {
			return fmt.Errorf("process %d is in state %s", pid, state)
		}
		return nil
	})
}

// processState is the letter of proc(5), or nothing when there is no such process.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, behind, _ := strings.Cut(string(stat), ") ")
	return behind[:1]
}

func TestPauseStopsTheWholeTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// setsid puts the child into a group of its own, as Postgres does
	c := shell(dir, "tree", "setsid sh -c 'echo $$ > child; exec sleep 60' & "+lasting("kill $(cat child)"))
	c.Ready = func(context.Context) error {
		if text, err := os.ReadFile(filepath.Join(dir, "child")); err != nil || len(text) == 0 {
			return errors.New("no child yet")
		}
		return nil
	}
	s, _ := run(t, dir, c)
	parent := reaches(t, s, "tree", Ready).PID
	var child int
	_, err := fmt.Sscan(read(t, dir, "child"), &child)
	require.NoError(t, err)

	inState := func(want string) {
		t.Helper()
		testenv.Eventually(t, limit, func(context.Context) error {
			if got := processState(parent) + processState(child); got != want {
				return fmt.Errorf("states %s, not %s", got, want)
			}
			return nil
		})
	}
	require.NoError(t, s.Pause("tree"))
	inState("TT")
	require.Equal(t, Paused, status(t, s, "tree").State)
	require.NoError(t, s.Unpause("tree"))
	inState("SS")
	require.Equal(t, Ready, status(t, s, "tree").State)

	require.NoError(t, s.Pause("tree"))
	require.NoError(t, s.Stop("tree"), "a paused process can be stopped")
	require.Equal(t, Stopped, status(t, s, "tree").State)
}

func TestStatusTellsWhatDoesNotAnswerAnyMore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var broken atomic.Bool
	c := shell(dir, "server", lasting("true"))
	c.Ready = func(context.Context) error {
		if broken.Load() {
			return errors.New("connection refused")
		}
		return nil
	}
	s, _ := run(t, dir, c)
	reaches(t, s, "server", Ready)
	broken.Store(true)
	is := status(t, s, "server")
	require.Equal(t, Unhealthy, is.State)
	require.Equal(t, "connection refused", is.Error)
	require.False(t, is.Settled())
	broken.Store(false)
	require.True(t, status(t, s, "server").Settled())
}

func TestRefreshRestartsWhatHasChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, []byte("version 1"), 0o600))
	var steps atomic.Int32
	changed, same := shell(dir, "changed", lasting("true")), shell(dir, "same", lasting("true"))
	changed.Inputs = []string{program}
	same.Inputs = []string{t.TempDir()}
	step := Component{Name: "step", Step: func(context.Context, io.Writer) error {
		steps.Add(1)
		return nil
	}}
	s, _ := run(t, dir, changed, same, step)
	reaches(t, s, "step", Done)
	before, kept := reaches(t, s, "changed", Ready).PID, reaches(t, s, "same", Ready).PID

	require.NoError(t, os.WriteFile(program, []byte("version 2"), 0o600))
	restarted, err := s.Refresh()
	require.NoError(t, err)
	require.Equal(t, []string{"changed"}, restarted)
	require.NotEqual(t, before, reaches(t, s, "changed", Ready).PID)
	require.Equal(t, kept, status(t, s, "same").PID)
	testenv.Eventually(t, limit, func(context.Context) error {
		if steps.Load() != 2 {
			return errors.New("the step was not run again")
		}
		return nil
	})

	restarted, err = s.Refresh()
	require.NoError(t, err)
	require.Empty(t, restarted)
}

func TestRefusesATableThatMakesNoSense(t *testing.T) {
	t.Parallel()
	command := []string{"true"}
	for want, table := range map[string][]Component{
		`"b": no such`:     {{Name: "a", Command: command, After: []string{"b"}}},
		"comes after it":   {{Name: "a", Command: command, After: []string{"b"}}, {Name: "b", Command: command, After: []string{"a"}}},
		"used twice":       {{Name: "a", Command: command}, {Name: "a", Command: command}},
		"either a command": {{Name: "a"}},
	} {
		_, err := New(t.TempDir(), table, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, want)
	}
}

func TestLogsAreBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.log")
	log := &LogFile{Path: path}
	block := []byte(strings.Repeat("x", maxLog/4))
	for range 9 {
		_, err := log.Write(block)
		require.NoError(t, err)
	}
	require.NoError(t, log.Close())
	for name, blocks := range map[string]int64{path: 1, path + OldSuffix: 4} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, blocks*maxLog/4, info.Size(), name)
	}

	// goes on where it was, also in a new process
	_, err := log.Write([]byte("more"))
	require.NoError(t, err)
	require.NoError(t, log.Close())
	require.True(t, strings.HasSuffix(read(t, path), "xmore"))
}
