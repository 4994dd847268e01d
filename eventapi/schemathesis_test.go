package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// TestSchemathesis lets a property-based tester, driven by the OpenAPI document, look for server errors, for answers
// outside of the document, and for requests that are accepted or refused against it. It makes the same requests
// every time.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	database := testenv.Database(t)
	program := installSchemathesis(t)
	p := start(t, testenv.URLAs(t, database, "eventapi"), "--log-level", "warn")

	folder, err := filepath.Abs(filepath.Join("testdata", "schemathesis"))
	require.NoError(t, err)
	ctx := testenv.Context(t, 3*time.Minute) // 15 s on an idle machine
	command := exec.CommandContext(ctx, program,
		"--no-color", "--config-file", filepath.Join(folder, "schemathesis.toml"), "run", p.url+"/openapi.json",
		"--max-examples", "20", "--workers", "1", "--suppress-health-check", "all")
	command.Dir = t.TempDir() // it leaves files where it runs
	command.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS="+filepath.Join(folder, "hooks.py"), "PYTHONDONTWRITEBYTECODE=1")
	output, err := command.CombinedOutput()
	require.NoError(t, ctx.Err(), "not within 3 minutes:\n%s", output)
	require.NoError(t, err, "%s", output)
	require.Empty(t, p.log.String(), "a warning or an error was logged")
}

// installSchemathesis puts the pinned version into a virtual environment of its own, unless it is there already, and
// returns the program's path.
func installSchemathesis(t *testing.T) string {
	t.Helper()
	requirements, err := os.ReadFile(filepath.Join("testdata", "schemathesis", "requirements.txt"))
	require.NoError(t, err)
	folder := filepath.Join(moduleRoot(t), ".stack", "schemathesis")
	program := filepath.Join(folder, "bin", "schemathesis")
	stamp := filepath.Join(folder, "installed.txt")
	if installed, err := os.ReadFile(stamp); err == nil && bytes.Equal(installed, requirements) {
		return program
	}

	python, err := exec.LookPath("python3")
	require.NoError(t, err, "install Python 3.10 or newer (Debian and Ubuntu: apt-get install python3 python3-venv)")
	ctx := testenv.Context(t, 5*time.Minute)
	_, err = execute(ctx, python, "-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)")
	require.NoError(t, err, "Python is older than 3.10 or lacks its venv module (Debian and Ubuntu: apt-get install python3-venv)")
	output, err := execute(ctx, python, "-m", "venv", "--clear", folder)
	require.NoError(t, err, "make a virtual environment: %s", output)
	requirementsFile, err := filepath.Abs(filepath.Join("testdata", "schemathesis", "requirements.txt"))
	require.NoError(t, err)
	output, err = execute(ctx, filepath.Join(folder, "bin", "python"), "-m", "pip", "install",
		"--quiet", "--disable-pip-version-check", "--requirement", requirementsFile)
	require.NoError(t, err, "install schemathesis: %s", output)
	require.NoError(t, os.WriteFile(stamp, requirements, 0o600))
	return program
}

func execute(ctx context.Context, program string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, program, args...).CombinedOutput()
}

// moduleRoot is the folder of go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	require.NoError(t, err)
	for {
		_, err := os.Stat(filepath.Join(folder, "go.mod"))
		if err == nil {
			return folder
		}
		require.ErrorIs(t, err, os.ErrNotExist)
		parent := filepath.Dir(folder)
		require.NotEqual(t, folder, parent, errors.New("no go.mod above the test"))
		folder = parent
	}
}
