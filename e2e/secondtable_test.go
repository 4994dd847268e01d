package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ticketing/internal/compare"
	"ticketing/internal/testenv"
)

// A second table is a second pipeline file and a second connector file, both in testdata, and no code. Its primary
// key has two columns, and its numbers do not fit a float.
func TestASecondTableIsFilesOnly(t *testing.T) {
	t.Parallel()
	conn := database(t)
	run(t, conn, `
		CREATE TABLE public.seats (
			venue text, seat bigint, price numeric(40, 10), layout json, reserved boolean NOT NULL DEFAULT false,
			PRIMARY KEY (venue, seat)
		);
		ALTER TABLE public.seats REPLICA IDENTITY FULL;
		GRANT SELECT ON public.seats TO debezium, indexer;
		CREATE PUBLICATION seats FOR TABLE public.seats;
		INSERT INTO public.seats SELECT 'before', n, n / 3.0 FROM generate_series(1, 100) n`)
	cleanup(t, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "DROP PUBLICATION seats; DROP TABLE public.seats")
		return err
	})
	topics := []string{"seat-created", "seat-updated", "seat-deleted"}
	testenv.Topics(t, 3, topics...)
	testenv.Topics(t, 1, "seat-dlq")
	register(t, conn, "seats")
	startIndexer(t, filepath.Join("testdata", "seats.yaml"))

	run(t, conn, `INSERT INTO public.seats VALUES ('after', 9007199254740993, '123456789012345678901234567890.0123456789', E'{"a":\n 1.10}', true)`)
	run(t, conn, `UPDATE public.seats SET reserved = true WHERE seat % 2 = 0; DELETE FROM public.seats WHERE seat % 10 = 0`)
	var report compare.Report
	testenv.Eventually(t, patience, func(ctx context.Context) (err error) {
		report, err = compare.Table(ctx, compare.Options{
			DatabaseURL: testenv.Address(t, testenv.PostgresURL), Table: "public.seats", Key: []string{"venue", "seat"},
			ElasticsearchURL: elasticsearch(t), Index: "seats", JSONColumns: []string{"layout"},
		})
		if err == nil && (!report.Equal() || report.Rows != 91) {
			err = fmt.Errorf("table and index differ: %s", report)
		}
		return err
	})
	require.Equal(t, 91, report.Documents)
	found, err := search(testenv.Context(t, patience), elasticsearch(t), "seats", "venue", "after")
	require.NoError(t, err)
	require.Contains(t, string(found), `"seat":9007199254740993`)
	require.Contains(t, string(found), `"123456789012345678901234567890.0123456789"`)
	require.Contains(t, string(found), "1.10")
}

// register registers the connector of the second table, or another one like it of that name, and takes it and its slot
// away in the end, and the index with them: the test may run again beside the same servers.
func register(t *testing.T, conn *pgx.Conn, name string, settings ...string) {
	t.Helper()
	connectors := program(t, "connectors")
	connect := func(ctx context.Context, args ...string) ([]byte, error) {
		command := exec.CommandContext(ctx, connectors, args...)
		command.Env = append(os.Environ(), "CONNECT_URL="+testenv.Address(t, testenv.ConnectURL))
		return command.CombinedOutput()
	}
	args := []string{"register", filepath.Join("testdata", "seats.json"), "--name", name}
	for _, setting := range settings {
		args = append(args, "--set", setting)
	}
	output, err := connect(testenv.Context(t, 3*time.Minute), args...)
	require.NoError(t, err, "%s", output)
	cleanup(t, func(ctx context.Context) error {
		if output, err := connect(ctx, "delete", "--yes", "--offsets", name); err != nil {
			return fmt.Errorf("delete connector: %w: %s", err, output)
		}
		if _, _, err := call(ctx, http.MethodDelete, elasticsearch(t)+"/"+name+"-000001", nil, nil); err != nil {
			return err
		}
		return dropSlot(ctx, conn, name)
	})
}

// dropSlot drops a replication slot as soon as nobody holds it any more.
func dropSlot(ctx context.Context, conn *pgx.Conn, slot string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := conn.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", slot)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// startIndexer runs an indexer of our own for a pipeline file, and stops it in the end.
func startIndexer(t *testing.T, pipeline string, environment ...string) {
	t.Helper()
	launch(t, program(t, "cdc-indexer"), []string{
		"run", "--pipeline", pipeline,
		"--kafka-brokers", strings.Join(brokers(t), ","), "--elasticsearch-url", elasticsearch(t),
		"--listen", fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)),
	}, environment)
}

// launch runs a program, with more environment variables than our own, and stops it in the end.
func launch(t *testing.T, program string, arguments, environment []string) {
	t.Helper()
	var output strings.Builder
	command := exec.Command(program, arguments...)
	command.Env = append(os.Environ(), environment...)
	command.Stdout, command.Stderr = &output, &output
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("%s did not stop cleanly: %v", filepath.Base(program), err)
		}
		if t.Failed() {
			t.Logf("%s %s said:\n%s", filepath.Base(program), strings.Join(arguments, " "), output.String())
		}
	})
}
