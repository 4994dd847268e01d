package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// The tests of this file do not run in parallel: one needs a system that nobody stops parts of, the other changes a
// setting of Postgres that other slots would feel.

// A system that is up and in use has nothing to complain about.
func TestStatusOfASystemThatIsWell(t *testing.T) {
	status := statusCommand(t, filepath.Join("..", "cdc-indexer", "pipelines", "events.yaml"))
	waitTitle(t, create(t, newEvent("status")), "status")
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		text, err := status(ctx)
		if err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		return nil
	})
}

// A slot that Postgres has given up is told from one that is only inactive.
func TestStatusOfALostSlot(t *testing.T) {
	conn := database(t)
	slot := testenv.Name(t)
	run(t, conn, fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", slot))
	cleanup(t, func(ctx context.Context) error { return dropSlot(ctx, conn, slot) })

	folder := t.TempDir()
	pipelines := filepath.Join("..", "cdc-indexer", "pipelines")
	require.NoError(t, os.CopyFS(folder, os.DirFS(pipelines)))
	file := filepath.Join(folder, "events.yaml")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	changed := strings.Replace(string(text), "  slot: events ", "  slot: "+slot+" ", 1)
	require.NotEqual(t, string(text), changed)
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))

	run(t, conn, "ALTER SYSTEM SET idle_replication_slot_timeout = '1s'")
	cleanup(t, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "ALTER SYSTEM RESET idle_replication_slot_timeout")
		if err == nil {
			_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
		}
		return err
	})
	run(t, conn, "SELECT pg_reload_conf()")
	status := statusCommand(t, file)
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		if _, err := conn.Exec(ctx, "CHECKPOINT"); err != nil { // gives up slots that have been idle for too long
			return err
		}
		text, err := status(ctx)
		var exited *exec.ExitError
		if !errors.As(err, &exited) || exited.ExitCode() != 1 || !strings.Contains(text, "slot "+slot+" is lost (idle_timeout)") {
			return fmt.Errorf("%w: %s", err, text)
		}
		return nil
	})
}

// statusCommand returns a function that runs `cdc-indexer status` against the system.
func statusCommand(t *testing.T, pipeline string) func(context.Context) (string, error) {
	t.Helper()
	indexer := program(t, "cdc-indexer")
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		output, err := exec.CommandContext(ctx, indexer, "status", "--pipeline", pipeline,
			"--kafka-brokers", strings.Join(brokers(t), ","), "--elasticsearch-url", elasticsearch(t),
			"--database-url", testenv.URLAs(t, testenv.Address(t, testenv.PostgresURL), "indexer"),
			"--connect-url", testenv.Address(t, testenv.ConnectURL), "--indexer-url", testenv.Address(t, "TEST_INDEXER_URL"),
		).CombinedOutput()
		return string(output), err
	}
}
