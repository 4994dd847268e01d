package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/internal/testenv"
)

// program is the built command: the tests use it as a person does.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "connectors")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(folder, "connectors")
	if build, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, build)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(folder)
		os.Exit(code)
	}))
}

// A result is what a run of the program left behind.
type result struct {
	code           int
	stdout, stderr string
}

// connectors runs the program against the Connect of the test environment.
func connectors(t testing.TB, args ...string) result {
	t.Helper()
	return runProgram(t, testenv.Address(t, testenv.ConnectURL), "", args...)
}

func runProgram(t testing.TB, connectURL, stdin string, args ...string) result {
	t.Helper()
	// Not the test's own context: clean-up runs the program too.
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Env = append(os.Environ(), "CONNECT_URL="+connectURL)
	command.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Errorf("connectors %v: %v", args, err)
	}
	return result{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// A connector is events.json with names, a database and topics of its own.
type connector struct {
	name     string            // also its slot and topic prefix
	settings map[string]string // what differs from events.json
	database string            // a superuser's URL
}

// newConnector prepares topics of one partition and the settings for a connector on database, and removes the
// connector with its slot when the test ends.
func newConnector(t testing.TB, name, database string) *connector {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	require.NoError(t, err)
	c := &connector{name: name, database: database, settings: map[string]string{
		"database.dbname": config.Database,
		"slot.name":       name,
		"topic.prefix":    name,
		// The topics' names are all that differs from the expression of events.json.
		"transforms.route.topic.expression": fmt.Sprintf(
			"[c: '%[1]s-created', r: '%[1]s-created', u: '%[1]s-updated', d: '%[1]s-deleted'][value?.op]", name),
	}}
	testenv.Topics(t, 1, c.topics()...)
	t.Cleanup(func() { c.remove(t) })
	return c
}

// topics are those routed to, the one of messages that are not routed, the heartbeat's, and that of logical decoding messages.
func (c *connector) topics() []string {
	return []string{c.name + "-created", c.name + "-updated", c.name + "-deleted", c.name + ".public.events", "__debezium-heartbeat." + c.name, c.name + ".message"}
}

// arguments are those of a command that registers events.json under the connector's name.
func (c *connector) arguments(more ...string) []string {
	args := []string{"register", "events.json", "--name", c.name}
	for _, setting := range slices.Sorted(maps.Keys(c.settings)) {
		args = append(args, "--set", setting+"="+c.settings[setting])
	}
	return append(args, more...)
}

// register has the program register the connector and succeed.
func (c *connector) register(t testing.TB, more ...string) result {
	t.Helper()
	r := connectors(t, c.arguments(append(more, "--settle=200ms")...)...)
	require.Zero(t, r.code, "%s%s", r.stdout, r.stderr)
	return r
}

func (c *connector) remove(t testing.TB) {
	t.Helper()
	if r := connectors(t, "delete", c.name, "--yes", "--offsets"); r.code != 0 && !strings.Contains(r.stderr, "there is no connector") {
		t.Errorf("remove connector %s: %s", c.name, r.stderr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for err := c.dropSlot(ctx); err != nil; err = c.dropSlot(ctx) {
		select {
		case <-ctx.Done():
			t.Errorf("drop slot %s: %v", c.name, err)
			return
		case <-tick.C:
		}
	}
}

// dropSlot fails while the task holds on to its slot, which it does for a moment after its connector is gone.
func (c *connector) dropSlot(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", c.name)
	return err
}

// execute runs SQL as the superuser, each script as one transaction.
func execute(t testing.TB, database string, scripts ...string) {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	conn, err := pgx.Connect(ctx, database)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	for _, script := range scripts {
		_, err := conn.Exec(ctx, script)
		require.NoError(t, err, "%.200s", script)
	}
}
