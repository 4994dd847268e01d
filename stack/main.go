// Command stack runs the whole system on this machine without containers: Postgres, Kafka, Kafka Connect with
// Debezium, and Elasticsearch from Maven artifacts, and then our own programs. `stack up` starts it in the
// background; `stack exec -- COMMAND` runs a command beside a private one, which is how the tests get theirs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"ticketing/stack/native"
	"ticketing/stack/supervisor"
)

type commandLine struct {
	State string `env:"STACK_STATE" placeholder:"DIR" help:"Folder of data, logs and process state (default: .stack in the checkout)."`

	Up      upCommand      `cmd:"" help:"Start everything in the background and wait until it is ready. Harmless when it runs already."`
	Down    downCommand    `cmd:"" help:"Stop everything. The data stays."`
	Status  statusCommand  `cmd:"" help:"Show what runs, and where."`
	Logs    logsCommand    `cmd:"" help:"Show the components' logs."`
	Clean   cleanCommand   `cmd:"" help:"Stop everything and remove data, logs and configuration. Downloads stay."`
	Start   startCommand   `cmd:"" help:"Start one component that was stopped."`
	Stop    stopCommand    `cmd:"" help:"Stop one component. The others go on."`
	Kill    killCommand    `cmd:"" help:"End one component's process with SIGKILL. It is started again."`
	Pause   pauseCommand   `cmd:"" help:"Stop one component where it is, with SIGSTOP."`
	Unpause unpauseCommand `cmd:"" help:"Let a paused component go on."`
	Env     envCommand     `cmd:"" help:"Print the variables that say where the running stack's components are."`
	Exec    execCommand    `cmd:"" help:"Run a command beside a private stack on free ports, which ends with it."`

	Supervise superviseCommand `cmd:"" hidden:"" help:"Be the background process of up."`
	Tools     toolsCommand     `cmd:"" hidden:"" help:"Install what the tests need besides, or say how to."`
}

// scope is what every command is handed.
type scope struct {
	root  string // the checkout; empty outside of one
	state string
}

func (s scope) client() *supervisor.Client { return supervisor.NewClient(s.state) }

// settings are those of the environment, with what Maven has fetched.
func (s scope) settings(artifacts string) (native.Settings, error) {
	ports, err := native.PortsFromEnvironment()
	if err != nil {
		return native.Settings{}, err
	}
	return native.Settings{
		Root: s.root, State: s.state, Artifacts: artifacts,
		Ports: ports, Passwords: native.PasswordsFromEnvironment(),
	}, nil
}

func main() { os.Exit(run()) }

func run() int {
	var cli commandLine
	parsed := kong.Parse(&cli, kong.Name("stack"), kong.UsageOnError(),
		kong.Description("Runs the whole system on this machine without containers."))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	// asked for by the commands that need a checkout or a state folder only
	err := parsed.BindToProvider(func() (*scope, error) { return locate(cli.State) })
	if err == nil {
		err = parsed.Run()
	}
	var exited *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exited): // exec's command has said what was wrong
		return exitCode(exited)
	}
	fmt.Fprintln(os.Stderr, "stack:", err)
	return 1
}

// exitCode is the command's own, or what a shell makes of its end by a signal.
func exitCode(exited *exec.ExitError) int {
	if status, ok := exited.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exited.ExitCode()
}

// locate finds the checkout that the working folder is in, and from it the state folder when none is given.
func locate(state string) (*scope, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	if state == "" {
		if root == "" {
			return nil, errors.New("not in a checkout of the project: go there, or name the state folder with --state")
		}
		state = filepath.Join(root, ".stack")
	}
	state, err = filepath.Abs(state)
	if err != nil {
		return nil, fmt.Errorf("find the state folder: %w", err)
	}
	return &scope{root: root, state: state}, nil
}

func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		module, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // the checkout's own
		if err == nil && strings.HasPrefix(string(module), "module ticketing\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
		dir = filepath.Dir(dir)
	}
}
