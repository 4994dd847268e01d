package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	probeEvery  = 100 * time.Millisecond
	probeWithin = 3 * time.Second

	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 10 * time.Second

	defaultStopWait = 10 * time.Second
)

// unit is a component at run time. One goroutine, live, owns its process from start to stop.
type unit struct {
	Component
	log             *slog.Logger
	needs, neededBy []*unit
	output          *LogFile

	ready     chan struct{} // closed when it is ready for the first time
	readyOnce sync.Once

	mu          sync.Mutex
	status      Status
	process     *os.Process
	paused      bool
	fingerprint string             // of Inputs, when the process was started
	cancel      context.CancelFunc // ends live
	ended       chan struct{}      // closed when live has returned; nil before the first start
	stopWith    syscall.Signal     // the signal live ends the process with
}

func newUnit(c Component, logPath string, log *slog.Logger) *unit {
	if c.Stop == 0 {
		c.Stop = syscall.SIGTERM
	}
	if c.StopWait == 0 {
		c.StopWait = defaultStopWait
	}
	return &unit{
		Component: c,
		log:       log.With("component", c.Name),
		output:    &LogFile{Path: logPath},
		ready:     make(chan struct{}),
		status:    Status{Name: c.Name, State: Stopped, Address: c.Address, Since: time.Now()},
	}
}

// start makes the component run until stop; without effect while it does.
func (u *unit) start(ctx context.Context) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.alive() {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	u.cancel, u.ended, u.stopWith = cancel, ended, u.Stop
	go func() {
		defer close(ended)
		defer cancel()
		u.live(ctx)
	}()
}

// running reports whether the component is wanted to run, be it that its process has just ended by itself.
func (u *unit) running() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.alive()
}

// alive is running for those who hold the lock.
func (u *unit) alive() bool {
	if u.ended == nil {
		return false
	}
	select {
	case <-u.ended:
		return false
	default:
		return true
	}
}

// stop ends the component with the signal, or with its own for a clean stop when that is 0, and waits for the end.
func (u *unit) stop(signal syscall.Signal) {
	u.mu.Lock()
	cancel, ended := u.cancel, u.ended
	if signal != 0 {
		u.stopWith = signal
	}
	u.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	<-ended
}

// live keeps the component running until ctx ends, or until its step has succeeded.
func (u *unit) live(ctx context.Context) {
	u.set(Waiting, nil)
	for _, need := range u.needs {
		select {
		case <-need.ready:
		case <-ctx.Done():
			u.set(Stopped, nil)
			return
		}
	}
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval = firstBackoff, maxBackoff
	for {
		wasReady, err := u.once(ctx)
		switch {
		case u.Step != nil && err == nil:
			u.set(Done, nil)
			u.readyOnce.Do(func() { close(u.ready) })
			return
		case ctx.Err() != nil:
			u.set(Stopped, nil)
			return
		}
		if wasReady {
			delays.Reset()
		}
		delay := delays.NextBackOff()
		u.log.WarnContext(ctx, "ended by itself", "error", err, "again_in", delay)
		u.fail(err)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
	}
}

// once runs the step, or the process from its start to its end, and reports whether it was ready in between.
func (u *unit) once(ctx context.Context) (wasReady bool, err error) {
	u.set(Starting, nil)
	if u.Step != nil {
		return false, u.Step(ctx, u.output)
	}
	if u.Prepare != nil {
		if err := u.Prepare(ctx, u.output); err != nil {
			return false, fmt.Errorf("prepare: %w", err)
		}
	}
	fingerprint, err := Fingerprint(u.Inputs)
	if err != nil {
		return false, err
	}
	process, exited, err := spawn(ctx, u.Component, u.output)
	if err != nil {
		return false, err
	}
	u.mu.Lock()
	u.process, u.status.PID, u.fingerprint = process, process.Pid, fingerprint
	u.mu.Unlock()
	u.log.InfoContext(ctx, "started", "pid", process.Pid)

	probing, stopProbing := context.WithCancel(ctx)
	probed := make(chan bool, 1)
	go func() { probed <- u.probe(probing) }()
	select {
	case err = <-exited:
	case <-ctx.Done():
		err = u.terminate(process, exited)
	}
	stopProbing()
	wasReady = <-probed

	u.mu.Lock()
	u.process, u.paused, u.status.PID = nil, false, 0
	u.mu.Unlock()
	if err == nil {
		err = errors.New("exit status 0")
	}
	return wasReady, err
}

// terminate asks the process to stop, and ends it when it has not done so in time.
func (u *unit) terminate(process *os.Process, exited <-chan error) error {
	u.set(Stopping, nil)
	u.mu.Lock()
	signal := u.stopWith
	u.mu.Unlock()
	signalTree(process.Pid, syscall.SIGCONT) // a paused process takes no other signal but SIGKILL
	// An error means that it has ended by itself meanwhile, which exited tells.
	_ = process.Signal(signal)
	select {
	case err := <-exited:
		return err
	case <-time.After(u.StopWait):
	}
	u.log.Warn("did not stop in time", "after", u.StopWait)
	_ = process.Kill()
	return <-exited
}

// probe asks until the component is ready, and reports whether it came to that before ctx ended.
func (u *unit) probe(ctx context.Context) bool {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := u.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			u.set(Ready, nil)
			u.readyOnce.Do(func() { close(u.ready) })
			return true
		}
		u.set(Starting, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func (u *unit) ask(ctx context.Context) error {
	if u.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	return u.Ready(ctx)
}

// check returns the status, with a fresh look at a component that was ready.
func (u *unit) check(ctx context.Context) Status {
	status := u.current()
	if status.State != Ready {
		return status
	}
	if err := u.ask(ctx); err != nil {
		// It may have ended or been stopped during the question.
		if status = u.current(); status.State == Ready {
			status.State, status.Error = Unhealthy, err.Error()
		}
	}
	return status
}

func (u *unit) current() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	status := u.status
	if u.paused {
		status.State = Paused
	}
	return status
}

func (u *unit) set(state State, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.status.State != state {
		u.status.State, u.status.Since = state, time.Now()
	}
	if err != nil {
		u.status.Error = err.Error()
	} else if state != Starting { // while it starts, why it ended before is worth knowing
		u.status.Error = ""
	}
}

func (u *unit) fail(err error) {
	u.set(Failed, err)
	u.countRestart()
}

func (u *unit) countRestart() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.status.Restarts++
}

func (u *unit) pause(on bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.process == nil {
		return fmt.Errorf("%s: %w", u.Name, ErrNoProcess)
	}
	signal := syscall.SIGCONT
	if on {
		signal = syscall.SIGSTOP
	}
	signalTree(u.process.Pid, signal)
	u.paused = on
	return nil
}

// outdated reports whether the inputs have changed since the process was started.
func (u *unit) outdated() bool {
	now, err := Fingerprint(u.Inputs)
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.process != nil && err == nil && now != u.fingerprint
}
