package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ticketing/stack/supervisor"
)

const (
	pollEvery = 100 * time.Millisecond
	// A component that has ended this often without having been ready will not come up by itself.
	hopeless = 5
)

// progress prints one line for each thing that has come about, with the seconds since the start.
type progress struct {
	out   io.Writer
	began time.Time
}

func newProgress(out io.Writer) *progress { return &progress{out: out, began: time.Now()} }

func (p *progress) line(what, how, where string) {
	text := fmt.Sprintf("%6.1f s  %-14s %-8s %s", time.Since(p.began).Seconds(), what, how, where)
	_, _ = fmt.Fprintln(p.out, strings.TrimRight(text, " "))
}

// waitReady prints what becomes ready, and returns when everything is, or when something can be seen not to.
func waitReady(ctx context.Context, where *scope, report *progress) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := where.client()
	settled := map[string]bool{}
	for {
		running, err := client.Status(ctx)
		if err != nil {
			return err
		}
		var pending []supervisor.Status
		for _, component := range running.Components {
			switch {
			case !component.Settled():
				pending = append(pending, component)
			case !settled[component.Name]:
				settled[component.Name] = true
				report.line(component.Name, string(component.State), component.Address)
			}
		}
		if len(pending) == 0 {
			return nil
		}
		for _, component := range pending {
			if component.Restarts >= hopeless {
				return fmt.Errorf("%s does not start: %s\n%s", component.Name, component.Error, logTail(where.state, component.Name))
			}
		}
		select {
		case <-ctx.Done():
			return notReady(ctx, pending)
		case <-time.After(pollEvery):
		}
	}
}

func notReady(ctx context.Context, pending []supervisor.Status) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err() //nolint:wrapcheck // the user has ended it
	}
	lines := make([]string, len(pending))
	for i, component := range pending {
		lines[i] = fmt.Sprintf("\n  %s is %s %s", component.Name, component.State, component.Error)
	}
	return fmt.Errorf("not ready within %s:%s", readyWithin, strings.Join(lines, ""))
}

// logTail returns the last lines of a component's log, and where the rest is.
func logTail(state, name string) string {
	const lines = 20
	path := filepath.Join(state, supervisor.LogDir, name+".log")
	text, err := os.ReadFile(path) //nolint:gosec // within the state folder
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	tail := bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
	return fmt.Sprintf("The end of %s:\n%s", path, tail)
}
