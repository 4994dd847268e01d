// Package schemathesis tests a REST API against its own OpenAPI document with the property-based tester of that name.
package schemathesis

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

//go:embed requirements.txt
var requirements string

// Run looks for server errors, for answers outside of the document, and for requests that are accepted or refused against
// it. It makes the same requests every time. The folder holds schemathesis.toml and, if need be, hooks.py.
func Run(t *testing.T, url, folder string) {
	t.Helper()
	program := install(t)
	folder, err := filepath.Abs(folder)
	require.NoError(t, err)
	ctx := testenv.Context(t, 3*time.Minute) // 15 s on an idle machine
	command := exec.CommandContext(ctx, program,
		"--no-color", "--config-file", filepath.Join(folder, "schemathesis.toml"), "run", url+"/openapi.json",
		"--max-examples", "20", "--workers", "1", "--suppress-health-check", "all")
	command.Dir = t.TempDir() // it leaves files where it runs
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	hooks := filepath.Join(folder, "hooks.py")
	if _, err := os.Stat(hooks); err == nil {
		command.Env = append(command.Env, "SCHEMATHESIS_HOOKS="+hooks)
	}
	output, err := command.CombinedOutput()
	require.NoError(t, ctx.Err(), "not within 3 minutes:\n%s", output)
	require.NoError(t, err, "%s", output)
}

// install puts the pinned version into a virtual environment of its own, unless it is there already, and returns the
// program's path. Tests of several packages may ask for it at the same time.
func install(t *testing.T) string {
	t.Helper()
	defer lock(t)()
	folder := filepath.Join(testenv.ModuleRoot(t), ".stack", "schemathesis")
	program := filepath.Join(folder, "bin", "schemathesis")
	stamp := filepath.Join(folder, "installed.txt")
	if installed, err := os.ReadFile(stamp); err == nil && string(installed) == requirements {
		return program
	}

	python, err := exec.LookPath("python3")
	require.NoError(t, err, "install Python 3.10 or newer (Debian and Ubuntu: apt-get install python3 python3-venv)")
	ctx := testenv.Context(t, 5*time.Minute)
	_, err = execute(ctx, python, "-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)")
	require.NoError(t, err, "Python is older than 3.10 or lacks its venv module (Debian and Ubuntu: apt-get install python3-venv)")
	output, err := execute(ctx, python, "-m", "venv", "--clear", folder)
	require.NoError(t, err, "make a virtual environment: %s", output)
	list := filepath.Join(t.TempDir(), "requirements.txt")
	require.NoError(t, os.WriteFile(list, []byte(requirements), 0o600))
	output, err = execute(ctx, filepath.Join(folder, "bin", "python"), "-m", "pip", "install",
		"--quiet", "--disable-pip-version-check", "--requirement", list)
	require.NoError(t, err, "install schemathesis: %s", output)
	require.NoError(t, os.WriteFile(stamp, []byte(requirements), 0o600))
	return program
}

// lock waits until no other test installs, and returns what lets the next one.
func lock(t *testing.T) (unlock func()) {
	t.Helper()
	folder := filepath.Join(testenv.ModuleRoot(t), ".stack")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	file, err := os.OpenFile(filepath.Join(folder, "schemathesis.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
	return func() { _ = file.Close() }
}

func execute(ctx context.Context, program string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, program, args...).CombinedOutput()
}
