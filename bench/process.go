package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is what to run, and how.
type program struct {
	path        string
	arguments   []string
	environment []string // beside our own
	dir         string
}

// process is a program that runs.
type process struct {
	command *exec.Cmd
	started time.Time
	output  tail
	ended   chan struct{}
	err     error // how it ended; set when ended is closed
}

// usage is what a process took.
type usage struct {
	Seconds float64 // from its start to its end
	CPU     float64 // seconds, of all cores together
	RSS     float64 // the most memory it ever had, in MiB
}

// start runs the program. It is killed when ctx ends.
func (p program) start(ctx context.Context) (*process, error) {
	r := &process{command: exec.CommandContext(ctx, p.path, p.arguments...), ended: make(chan struct{})} //nolint:gosec // programs of ours and of the peers
	r.command.Dir = p.dir
	r.command.Env = append(os.Environ(), p.environment...)
	r.command.Stdout, r.command.Stderr = &r.output, &r.output
	r.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r.started = time.Now()
	if err := r.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.path, err)
	}
	go func() {
		defer close(r.ended)
		r.err = r.command.Wait()
	}()
	return r, nil
}

// run runs the program to its end.
func (p program) run(ctx context.Context) (usage, string, error) {
	r, err := p.start(ctx)
	if err != nil {
		return usage{}, "", err
	}
	most := r.watchMemory()
	took := time.Since(r.started)
	u := usage{Seconds: took.Seconds(), CPU: r.cpu(), RSS: most}
	if r.err != nil {
		return u, r.output.String(), fmt.Errorf("%s: %w: %s", p.path, r.err, r.output.String())
	}
	return u, r.output.String(), nil
}

// watchMemory waits for the end, and returns the most memory seen until then. The system's own account of an ended
// process does not do: it counts what we had when we started it.
func (r *process) watchMemory() float64 {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	most := 0.0
	for {
		select {
		case <-r.ended:
			return most
		case <-look.C:
			most = max(most, r.memory())
		}
	}
}

// stop asks the process to end and returns what it took. It is an error when it had ended already.
func (r *process) stop() (usage, error) {
	const patience = 30 * time.Second
	most := r.memory()
	select {
	case <-r.ended:
		return usage{}, fmt.Errorf("%s ended by itself: %w: %s", r.command.Path, errors.Join(r.err), r.output.String())
	default:
	}
	_ = r.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(patience):
		_ = r.command.Process.Kill()
		<-r.ended
	}
	return usage{Seconds: time.Since(r.started).Seconds(), CPU: r.cpu(), RSS: most}, nil
}

// kill ends the process whatever state it is in.
func (r *process) kill() {
	_ = r.command.Process.Kill()
	<-r.ended
}

// cpu is known once the process has ended.
func (r *process) cpu() float64 {
	state := r.command.ProcessState
	return (state.UserTime() + state.SystemTime()).Seconds()
}

// memory is the most that the process has had so far, in MiB; 0 when it has ended.
func (r *process) memory() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.command.Process.Pid))
	if err != nil {
		return 0
	}
	return highWater(string(text))
}

func highWater(status string) float64 {
	for line := range strings.Lines(status) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err == nil {
				return kib / 1024
			}
		}
	}
	return 0
}

// tail keeps the last of what is written. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

// tailBytes is how much of a program's output is kept.
const tailBytes = 64 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept.Write(p)
	if t.kept.Len() > 2*tailBytes {
		t.kept.Next(t.kept.Len() - tailBytes)
	}
	return len(p), nil
}

// String returns what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}
