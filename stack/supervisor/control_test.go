package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// serveIn makes the test's own program a supervisor of that folder, for a test to kill.
const serveIn = "SUPERVISOR_TEST_DIR"

func serveUntilKilled(dir string) int {
	err := Serve(context.Background(), dir, []Component{shell(dir, "lasting", lasting("true"))}, nil, slog.New(slog.DiscardHandler))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// serve serves the table until the test ends, and returns a client and what Serve will return.
func serve(t *testing.T, dir string, table ...Component) (*Client, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	served, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		served <- Serve(ctx, dir, table, map[string]string{"WHERE": "here"}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	client := NewClient(dir)
	answers(t, client)
	return client, served
}

func answers(t *testing.T, client *Client) Report {
	t.Helper()
	var report Report
	testenv.Eventually(t, limit, func(ctx context.Context) (err error) {
		report, err = client.Status(ctx)
		if err == nil && !report.Components[0].Settled() {
			err = errors.New("not ready")
		}
		return err
	})
	return report
}

func TestControl(t *testing.T) {
	t.Parallel()
	// deeper than a socket's address can hold
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	_, err := NewClient(dir).Status(t.Context())
	require.ErrorIs(t, err, ErrNotRunning)

	client, served := serve(t, dir, shell(dir, "one", lasting("true")))
	report := answers(t, client)
	require.Equal(t, "one", report.Components[0].Name)
	require.Equal(t, map[string]string{"WHERE": "here"}, report.Environment)

	info, err := os.Stat(filepath.Join(dir, socketName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "the report holds passwords")

	state := func() State {
		t.Helper()
		report, err := client.Status(t.Context())
		require.NoError(t, err)
		return report.Components[0].State
	}
	require.NoError(t, client.Pause(t.Context(), "one"))
	require.Equal(t, Paused, state())
	require.NoError(t, client.Unpause(t.Context(), "one"))
	require.NoError(t, client.Stop(t.Context(), "one"))
	require.Equal(t, Stopped, state())
	require.NoError(t, client.Start(t.Context(), "one"))
	answers(t, client)
	require.NoError(t, client.Kill(t.Context(), "one", false))
	require.Equal(t, Stopped, state())
	_, err = client.Refresh(t.Context())
	require.NoError(t, err)
	answers(t, client)
	require.EqualError(t, client.Stop(t.Context(), "two"), `"two": no such component`)

	require.ErrorIs(t, Serve(t.Context(), dir, nil, nil, slog.New(slog.DiscardHandler)), ErrRunning)

	require.NoError(t, client.Shutdown(t.Context()))
	require.NoError(t, <-served)
	_, err = client.Status(t.Context())
	require.ErrorIs(t, err, ErrNotRunning)
}

func TestKilledSupervisorLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := exec.CommandContext(t.Context(), os.Args[0])
	other.Env = append(os.Environ(), serveIn+"="+dir)
	other.Stderr = os.Stderr
	require.NoError(t, other.Start())

	pid := answers(t, NewClient(dir)).Components[0].PID
	require.NoError(t, other.Process.Kill())
	_ = other.Wait() // killed, as it should be
	gone(t, pid)

	// and does not keep the next one from starting
	client, _ := serve(t, dir, shell(dir, "lasting", lasting("true")))
	require.NotEqual(t, pid, answers(t, client).Components[0].PID)
}
