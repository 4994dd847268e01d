// Package browser runs tests of pages in headless Chromium: files for Node's own test runner, which drive the browser by
// Playwright. lib.mjs is what they share.
package browser

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

	"ticketing/internal/chromium"
	"ticketing/internal/testenv"
)

//go:embed package.json
var manifest []byte

//go:embed package-lock.json
var lockfile []byte

// Run runs a file of tests against a server. Further variables are for the file to read.
func Run(t *testing.T, file, url string, variables ...string) {
	t.Helper()
	path, found := chromium.Find()
	require.True(t, found, "Chromium is missing: install it (Debian: apt-get install chromium), or set CHROMIUM to its path")
	node, err := exec.LookPath("node")
	require.NoError(t, err, "install Node.js 18 or newer (Debian and Ubuntu: apt-get install nodejs npm)")
	modules := install(t)
	ctx := testenv.Context(t, 4*time.Minute) // a quarter of a minute on an idle machine
	command := exec.CommandContext(ctx, node, "--test", "--test-reporter=spec", file)
	command.Env = append(os.Environ(), "CHROMIUM="+path, "BROWSER_MODULES="+modules, "PAGE_URL="+url)
	command.Env = append(command.Env, variables...)
	// Chromium's processes end with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	output, err := command.CombinedOutput()
	require.NoError(t, ctx.Err(), "not within 4 minutes:\n%s", output)
	require.NoError(t, err, "%s", output)
	t.Logf("%s", output)
}

// install puts the pinned packages into a folder of their own, unless they are there already. Tests of several packages may
// ask for it at the same time.
func install(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(testenv.ModuleRoot(t), ".stack", "browser")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	file, err := os.OpenFile(folder+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.NoError(t, syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
	stamp := filepath.Join(folder, "installed.json")
	if installed, err := os.ReadFile(stamp); err == nil && string(installed) == string(lockfile) {
		return folder
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "package.json"), manifest, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "package-lock.json"), lockfile, 0o600))
	npm(t, folder, "ci", "--no-audit", "--no-fund")
	require.NoError(t, os.WriteFile(stamp, lockfile, 0o600))
	return folder
}

func npm(t *testing.T, folder string, arguments ...string) {
	t.Helper()
	program, err := exec.LookPath("npm")
	require.NoError(t, err, "install npm (Debian and Ubuntu: apt-get install npm)")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = folder
	output, err := command.CombinedOutput()
	require.NoError(t, err, "npm: %s", output)
}
