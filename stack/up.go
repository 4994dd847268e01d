package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/stack/native"
	"ticketing/stack/preflight"
	"ticketing/stack/supervisor"
)

const (
	readyWithin   = 5 * time.Minute
	supervisorLog = "supervisor.log"
)

type upCommand struct {
	Only []string `sep:"," placeholder:"NAME" help:"Start these components only, with what they need."`
}

func (c *upCommand) Run(ctx context.Context, where *scope) error {
	report := newProgress(os.Stdout)
	running, err := where.client().Status(ctx)
	switch {
	case errors.Is(err, supervisor.ErrNotRunning):
		err = c.start(ctx, where, report)
	case err == nil:
		err = refresh(ctx, where, running, report)
	}
	if err != nil {
		return err
	}
	if err := waitReady(ctx, where, report); err != nil {
		return err
	}
	running, err = where.client().Status(ctx)
	if err != nil {
		return err
	}
	welcome(os.Stdout, running)
	return nil
}

// start starts the background process, which starts everything else.
func (c *upCommand) start(ctx context.Context, where *scope, report *progress) error {
	settings, err := where.settings("")
	if err != nil {
		return err
	}
	if err := preflight.Check(ctx, where.state, os.Stdout); err != nil {
		return err
	}
	if err := preflight.Ports(settings.Ports.Each()); err != nil {
		return err
	}
	table, err := native.Select(native.Components(settings), c.Only)
	if err != nil {
		return err
	}
	// The one waits for the network, the other for the processors.
	work, together := errgroup.WithContext(ctx)
	work.Go(func() (err error) {
		settings.Artifacts, err = artifacts(together, where, report)
		return err
	})
	work.Go(func() error { return build(together, where.root, native.Packages(table), report) })
	if err := work.Wait(); err != nil {
		return err //nolint:wrapcheck // artifacts and build say what they were doing
	}
	return c.background(ctx, where, settings.Artifacts)
}

func (c *upCommand) background(ctx context.Context, where *scope, artifacts string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the launcher: %w", err)
	}
	logs := filepath.Join(where.state, supervisor.LogDir)
	if err := os.MkdirAll(logs, 0o755); err != nil { //nolint:gosec // Postgres' user passes through
		return fmt.Errorf("make the log folder: %w", err)
	}
	log, err := os.Create(filepath.Join(logs, supervisorLog)) //nolint:gosec // within the state folder
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, "supervise", //nolint:gosec // ourselves
		"--state", where.state, "--artifacts", artifacts, "--only", strings.Join(c.Only, ","))
	cmd.Dir, cmd.Stdout, cmd.Stderr = where.root, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives the terminal
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its log says why it ended
	}()
	for {
		_, err := where.client().Status(ctx)
		if !errors.Is(err, supervisor.ErrNotRunning) {
			return err
		}
		select {
		case <-ended:
			// It may have found another one that was started at the same time.
			if _, err := where.client().Status(ctx); err == nil {
				return nil
			}
			return fmt.Errorf("the supervisor ended at once; see %s", log.Name())
		case <-time.After(pollEvery):
		}
	}
}

// refresh brings a stack that runs to what the checkout says now.
func refresh(ctx context.Context, where *scope, running supervisor.Report, report *progress) error {
	settings, err := where.settings("")
	if err != nil {
		return err
	}
	for variable, value := range settings.Environment() {
		if running.Environment[variable] != value {
			return fmt.Errorf("the stack runs with other ports or passwords than the environment says (%s): "+
				"run `make down` first, or set the variables as they were", variable)
		}
	}
	table := slices.DeleteFunc(native.Components(settings), func(c supervisor.Component) bool {
		return !slices.ContainsFunc(running.Components, func(s supervisor.Status) bool { return s.Name == c.Name })
	})
	if err := build(ctx, where.root, native.Packages(table), report); err != nil {
		return err
	}
	restarted, err := where.client().Refresh(ctx)
	for _, name := range restarted {
		report.line(name, "changed, restarting", "")
	}
	return err
}

type superviseCommand struct {
	Artifacts string   `required:""`
	Only      []string `sep:","`
}

func (c *superviseCommand) Run(ctx context.Context, where *scope) error {
	settings, err := where.settings(c.Artifacts)
	if err != nil {
		return err
	}
	table, err := native.Select(native.Components(settings), slices.DeleteFunc(c.Only, func(name string) bool { return name == "" }))
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return supervisor.Serve(ctx, where.state, table, settings.Environment(), log)
}

// artifacts returns the folder of what Maven fetches. It lies in the checkout, whatever the state folder is.
func artifacts(ctx context.Context, where *scope, report *progress) (string, error) {
	dir, err := native.Fetch(ctx, where.root, filepath.Join(where.root, ".stack", "artifacts"), func() {
		report.line("artifacts", "fetching", "with Maven: about 150 MB, once")
	})
	if err != nil {
		return "", err
	}
	report.line("artifacts", "ready", "")
	return dir, nil
}

// build builds our own programs into .bin.
func build(ctx context.Context, root string, packages []string, report *progress) error {
	if len(packages) == 0 {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", ".bin/"}, packages...)...) //nolint:gosec // our own packages
	cmd.Dir, cmd.Stderr = root, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", strings.Join(packages, " "), notExit(err))
	}
	report.line("programs", "built", "")
	return nil
}

// notExit keeps the exit code of something that exec started on the way from being taken for its command's.
func notExit(err error) error { return errors.New(err.Error()) }

func welcome(out io.Writer, running supervisor.Report) {
	addresses := map[string]string{}
	for _, component := range running.Components {
		addresses[component.Name] = component.Address
	}
	_, _ = fmt.Fprintln(out, "\nEverything is ready:")
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		if addresses[name] != "" {
			_, _ = fmt.Fprintf(out, "  %-14s %s\n", name, addresses[name])
		}
	}
	if api, search := addresses[native.EventAPI], addresses[native.EventSearch]; api != "" && search != "" {
		_, _ = fmt.Fprintf(out, `
What to try next:
  curl -i %s/events -H 'Content-Type: application/json' -d '{"title": "Night of the Proms", "category": "concert",
    "organizer": "City Hall", "status": "published", "starts_at": "2030-05-01T19:00:00Z", "ends_at": "2030-05-01T22:00:00Z"}'
  curl '%s/events?q=proms'
  open %s/ to search, %s/pipeline to watch, or %s/docs
  make demo, make status, make logs, make down
`, api, search, search, search, api)
	}
}
