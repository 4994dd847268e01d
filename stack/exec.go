package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"ticketing/stack/containers"
	"ticketing/stack/native"
	"ticketing/stack/preflight"
	"ticketing/stack/supervisor"
)

// A command that was asked to end has this long before it is made to.
const commandStopWait = 10 * time.Second

type execCommand struct {
	Provider string   `enum:"native,docker" default:"native" help:"Run the servers as processes (native) or as containers (docker)."`
	Only     []string `sep:"," placeholder:"NAME" help:"Start these components only, with what they need."`
	Command  []string `arg:"" passthrough:"" help:"The command, behind --. It finds the stack by TEST_... variables; STACK_STATE lets it run stack kill and the like."`
}

func (c *execCommand) Run(ctx context.Context, where *scope) error {
	if len(c.Command) > 0 && c.Command[0] == "--" {
		c.Command = c.Command[1:]
	}
	if len(c.Command) == 0 {
		return errors.New("no command: put it behind --")
	}
	ctx, stop := endWithParent(ctx)
	defer stop()
	return c.run(ctx, where)
}

// run makes a private stack and runs the command beside it.
func (c *execCommand) run(ctx context.Context, where *scope) (err error) {
	report := newProgress(os.Stderr)
	private, err := privateState(where)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeState(private, where, err)) }()
	settings := native.Settings{Root: private.root, State: private.state, Passwords: native.PasswordsFromEnvironment()}
	if settings.Ports, err = native.FreePorts(); err != nil {
		return err
	}
	if c.Provider == "native" {
		if err := preflight.Check(ctx, private.state, os.Stderr); err != nil {
			return err
		}
		if settings.Artifacts, err = artifacts(ctx, where, report); err != nil {
			return err
		}
	}
	table, err := native.Select(native.Components(settings), c.Only)
	if err != nil {
		return err
	}
	// The launcher too, so that the command can have .bin/stack stop and kill components.
	if err := build(ctx, where.root, append(native.Packages(table), "./stack"), report); err != nil {
		return err
	}
	if c.Provider == "docker" {
		servers, err := containers.New(ctx, settings)
		if err != nil {
			return err
		}
		err = c.beside(ctx, private, servers.Table(table), settings.Environment(), report)
		return errors.Join(err, servers.Close())
	}
	return c.beside(ctx, private, table, settings.Environment(), report)
}

// beside runs the command while the table runs.
func (c *execCommand) beside(ctx context.Context, private *scope, table []supervisor.Component, environment map[string]string, report *progress) error {
	// The stack ends after the command, not with it.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	output := &supervisor.LogFile{Path: filepath.Join(private.state, supervisor.LogDir, supervisorLog)}
	log := slog.New(slog.NewTextHandler(output, nil))
	served := make(chan error, 1)
	go func() { served <- supervisor.Serve(serving, private.state, table, environment, log) }()

	err := waitServing(ctx, private)
	if err == nil {
		err = waitReady(ctx, private, report)
	}
	if err == nil {
		err = runCommand(ctx, c.Command, environment)
	}
	stop()
	return errors.Join(err, <-served, output.Close())
}

func waitServing(ctx context.Context, where *scope) error {
	for {
		_, err := where.client().Status(ctx)
		if !errors.Is(err, supervisor.ErrNotRunning) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the user has ended it
		case <-time.After(pollEvery):
		}
	}
}

// runCommand runs the command with our standard streams. Ctrl-C reaches it from the terminal; SIGTERM is passed on.
func runCommand(ctx context.Context, command []string, environment map[string]string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // what the user asks for
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = os.Environ()
	for variable, value := range environment {
		cmd.Env = append(cmd.Env, variable+"="+value)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = commandStopWait
	if err := cmd.Run(); err != nil {
		var exited *exec.ExitError
		if errors.As(err, &exited) {
			return exited
		}
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	return nil
}

// privateState makes a state folder that goes with the command.
func privateState(where *scope) (*scope, error) {
	if where.root == "" {
		return nil, errors.New("not in a checkout of the project")
	}
	dir, err := os.MkdirTemp("", "stack-")
	if err != nil {
		return nil, fmt.Errorf("make a state folder: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Postgres' user passes through
		return nil, fmt.Errorf("make a state folder: %w", err)
	}
	return &scope{root: where.root, state: dir}, nil
}

// removeState removes the private state folder. When something went wrong the logs are kept.
func removeState(private, where *scope, failure error) error {
	if failure != nil {
		kept := filepath.Join(where.root, ".stack", "failed")
		if err := keepLogs(private.state, kept); err == nil {
			_, _ = fmt.Fprintf(os.Stderr, "stack: the components' logs of this run are kept in %s\n", kept)
		}
	}
	if err := os.RemoveAll(private.state); err != nil {
		return fmt.Errorf("remove the private state folder: %w", err)
	}
	return nil
}

func keepLogs(state, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err //nolint:wrapcheck // names the path
	}
	return os.CopyFS(to, os.DirFS(filepath.Join(state, supervisor.LogDir))) //nolint:wrapcheck // names the path
}
