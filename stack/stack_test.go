package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
	"ticketing/stack/supervisor"
)

// beStack makes the test's own program the command itself.
const beStack = "STACK_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beStack) != "" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// stack runs the command with the arguments.
func stack(t *testing.T, arguments ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(testenv.Context(t, 3*time.Minute), os.Args[0], arguments...)
	cmd.Env = append(os.Environ(), beStack+"=1", "STACK_STATE=")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err = cmd.Run()
	return out.String(), problems.String(), err
}

func TestExecRunsACommandBesideAPrivateStack(t *testing.T) {
	t.Parallel()
	testenv.Address(t, testenv.PostgresURL) // left out by -short, like all that need real components
	script := `set -e
	"$0" stop postgres; "$0" status --json | grep -q '"state": "stopped"'
	"$0" start postgres; until "$0" status --json | grep -q '"state": "ready"'; do :; done
	echo "$TEST_POSTGRES_URL $STACK_STATE"; exit 3`
	stdout, stderr, err := stack(t, "exec", "--only", "postgres", "--", "env", "STACK_TEST_MAIN=1", "sh", "-c",
		strings.ReplaceAll(script, `"$0"`, `"$0" --state "$STACK_STATE"`), os.Args[0])
	var exited *exec.ExitError
	require.ErrorAs(t, err, &exited)
	require.Equal(t, 3, exited.ExitCode(), stderr)
	require.Contains(t, stderr, "schema         done")

	url, state, _ := strings.Cut(strings.TrimSpace(stdout), " ")
	require.NoDirExists(t, state)
	_, err = pgx.Connect(testenv.Context(t, time.Minute), url)
	require.Error(t, err, "Postgres has gone with it")
}

func TestCommandsSayThatNothingRuns(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	for _, command := range []string{"status", "env", "stop postgres", "kill postgres"} {
		_, stderr, err := stack(t, append([]string{"--state", state}, strings.Fields(command)...)...)
		require.Error(t, err, command)
		require.Equal(t, "stack: no stack runs in this folder: start one with `make up`\n", stderr, command)
	}
	stdout, _, err := stack(t, "--state", state, "down")
	require.NoError(t, err)
	require.Equal(t, "Nothing is running.\n", stdout)
}

func TestExecNeedsACommandThatExists(t *testing.T) {
	t.Parallel()
	err := runCommand(t.Context(), []string{filepath.Join(t.TempDir(), "missing")}, nil)
	require.ErrorIs(t, err, os.ErrNotExist)

	var exited *exec.ExitError
	require.ErrorAs(t, runCommand(t.Context(), []string{"sh", "-c", "kill -9 $$"}, nil), &exited)
	require.Equal(t, 128+9, exitCode(exited))
	require.ErrorAs(t, runCommand(t.Context(), []string{"sh", "-c", "exit $CODE"}, map[string]string{"CODE": "7"}), &exited)
	require.Equal(t, 7, exitCode(exited))
}

func TestCleanRemovesWhatTheStackMadeAndNothingElse(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	for _, name := range []string{"data", "config", "logs", "artifacts", "mine"} {
		require.NoError(t, os.MkdirAll(filepath.Join(state, name, "sub"), 0o700))
	}
	_, _, err := stack(t, "--state", state, "clean")
	require.NoError(t, err)
	left, err := os.ReadDir(state)
	require.NoError(t, err)
	require.Len(t, left, 2)
	require.Equal(t, "artifacts", left[0].Name())
	require.Equal(t, "mine", left[1].Name())
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.log")
	write := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = file.WriteString(text)
		require.NoError(t, errors.Join(err, file.Close()))
	}
	var out strings.Builder
	tail := &tail{path: path, prefix: "a | ", out: &out}
	write("one\ntwo\nthree\nhal")
	require.NoError(t, tail.last(2))
	require.Equal(t, "a | two\na | three\n", out.String())

	out.Reset()
	write("f\nnext\n")
	require.NoError(t, tail.more())
	require.Equal(t, "a | half\na | next\n", out.String())

	out.Reset()
	require.NoError(t, os.Rename(path, path+supervisor.OldSuffix))
	require.NoError(t, tail.more())
	write("new\n")
	require.NoError(t, tail.more())
	require.Equal(t, "a | new\n", out.String())
}

func TestTailOfAShortLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.log")
	require.NoError(t, os.WriteFile(path, []byte("one\n"), 0o600))
	var out strings.Builder
	require.NoError(t, (&tail{path: path, out: &out}).last(50))
	require.Equal(t, "one\n", out.String())
	out.Reset()
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, (&tail{path: path, out: &out}).last(50))
	require.Empty(t, out.String())
}

func TestStatusTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, printStatus(&out, []supervisor.Status{
		{Name: "kafka", State: supervisor.Ready, PID: 42, Address: "127.0.0.1:9092", Since: time.Now().Add(-time.Minute)},
		{Name: "connect", State: supervisor.Failed, Restarts: 2, Since: time.Now(), Error: "exit status 1\nmore"},
	}))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, []string{"kafka", "ready", "1m0s", "42", "0", "127.0.0.1:9092"}, strings.Fields(lines[1]))
	require.Equal(t, []string{"connect", "failed", "0s", "2", "exit", "status", "1"}, strings.Fields(lines[2]))
}

func TestCheckoutIsFoundFromWithin(t *testing.T) {
	t.Parallel()
	root, err := findRoot()
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "docker-compose.yml"))
}
