package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/kafkaconnect"
	"ticketing/internal/testenv"
)

const someEvent = `INSERT INTO events (title, category, organizer, starts_at, ends_at) VALUES ('t', 'c', 'o', now(), now() + interval '1 hour')`

// The settings of events.json are all known to Connect and Debezium, a second registration leaves the connector
// alone, and a change reaches the task.
func TestRegister(t *testing.T) {
	t.Parallel()
	c := newConnector(t, testenv.Name(t), testenv.Database(t))
	r := c.register(t)
	require.Equal(t, c.name+": created: connector RUNNING, task 0 RUNNING\n", r.stdout, "without a warning")

	r = c.register(t, "--json")
	var results []registration
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &results))
	require.Len(t, results, 1)
	require.Equal(t, kafkaconnect.Unchanged, results[0].Outcome)
	require.True(t, results[0].Status.Running())

	r = c.register(t, "--set", "poll.interval.ms=7", "--set", "pol.interval.ms=7")
	require.Contains(t, r.stdout, c.name+": changed: connector RUNNING, task 0 RUNNING\n")
	require.Contains(t, r.stdout, "warning: neither Kafka Connect nor the plugin knows the setting pol.interval.ms\n")

	// What came of the table before, between and after the changes has arrived, routed by its operation.
	readers := topicReaders(t, c)
	execute(t, c.database, someEvent, "UPDATE events SET title = 'u'", "DELETE FROM events")
	for suffix, op := range map[string]string{"-created": "c", "-updated": "u", "-deleted": "d"} {
		message, err := readers[suffix].ReadMessage(testenv.Context(t, time.Minute))
		require.NoError(t, err)
		var envelope struct{ Op string }
		require.NoError(t, json.Unmarshal(message.Value, &envelope))
		require.Equal(t, op, envelope.Op)
		require.Empty(t, message.Headers)
	}
}

// The expression in the file is what routes: with nothing but the topics' names replaced it is the tests' own.
func TestRoutingExpression(t *testing.T) {
	t.Parallel()
	config, err := readConfig("events.json")
	require.NoError(t, err)
	require.Equal(t, "[c: 'event-created', r: 'event-created', u: 'event-updated', d: 'event-deleted'][value?.op]",
		config["transforms.route.topic.expression"])
}

func TestRegisterRejectsSettings(t *testing.T) {
	t.Parallel()
	c := newConnector(t, testenv.Name(t), testenv.Database(t))
	r := connectors(t, c.arguments("--set", "snapshot.mode=sometimes", "--set", "slot.name=Not A Slot")...)
	require.Equal(t, exitNotRunning, r.code)
	require.Contains(t, r.stderr, "the configuration is rejected:")
	require.Contains(t, r.stderr, "\n  snapshot.mode: ")
	require.Contains(t, r.stderr, "\n  slot.name: ")
	require.Contains(t, connectors(t, "status", c.name).stderr, "there is no connector", "nothing was registered")

	r = connectors(t, c.arguments("--json", "--set", "database.dbname=no_such_database")...)
	require.Equal(t, exitNotRunning, r.code)
	var results []registration
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &results))
	require.NotEmpty(t, results[0].InvalidSettings)
}

func TestFailingTask(t *testing.T) {
	t.Parallel()
	c := newConnector(t, testenv.Name(t), testenv.Database(t))
	c.settings["publication.name"] = "no_such_publication"
	r := connectors(t, c.arguments()...)
	require.Equal(t, exitNotRunning, r.code)
	require.Contains(t, r.stderr, c.name+": connector RUNNING, task 0 FAILED\n")
	require.Contains(t, r.stderr, "Publication autocreation is disabled", "the task's trace")

	r = connectors(t, "status", c.name)
	require.Equal(t, exitNotRunning, r.code)
	require.Regexp(t, c.name+` +task 0 +FAILED`, r.stdout)
	require.Contains(t, r.stdout, "Publication autocreation is disabled")

	r = connectors(t, "restart", c.name)
	require.Equal(t, exitNotRunning, r.code, "still without its publication")

	// With the cause mended, restarting what failed is enough.
	execute(t, c.database, "CREATE PUBLICATION no_such_publication FOR TABLE events, debezium_heartbeat")
	r = connectors(t, "restart", c.name)
	require.Zero(t, r.code, r.stderr)
	require.Zero(t, connectors(t, "status", c.name).code)
}

func TestRegisterRestartsWhatFailed(t *testing.T) {
	t.Parallel()
	c := newConnector(t, testenv.Name(t), testenv.Database(t))
	c.settings["publication.name"] = "no_such_publication"
	require.Equal(t, exitNotRunning, connectors(t, c.arguments()...).code)
	execute(t, c.database, "CREATE PUBLICATION no_such_publication FOR TABLE events, debezium_heartbeat")
	require.Contains(t, c.register(t).stdout, ": restarted: ")
}

// A lost slot must not be a silent gap: the connector fails, and says so.
func TestLostSlotFails(t *testing.T) {
	t.Parallel()
	c := newConnector(t, testenv.Name(t), testenv.Database(t))
	c.register(t)
	readers := topicReaders(t, c)
	execute(t, c.database, someEvent)
	_, err := readers["-created"].ReadMessage(testenv.Context(t, time.Minute))
	require.NoError(t, err)
	r := connectors(t, "delete", c.name, "--yes") // keeps its offsets
	require.Zero(t, r.code, r.stderr)
	testenv.Eventually(t, time.Minute, c.dropSlot)

	r = connectors(t, c.arguments()...)
	require.Equal(t, exitNotRunning, r.code, r.stdout)
	require.Contains(t, r.stderr, "no longer available on the server")

	// The way out that README.md names: forget the offsets, and take a new snapshot.
	r = connectors(t, "delete", c.name, "--yes", "--offsets")
	require.Zero(t, r.code, r.stderr)
	c.register(t)
	message, err := readers["-created"].ReadMessage(testenv.Context(t, time.Minute))
	require.NoError(t, err)
	require.Contains(t, string(message.Value), `"op":"r"`)
}

func TestPauseResumeDelete(t *testing.T) {
	t.Parallel()
	c := newConnector(t, testenv.Name(t), testenv.Database(t))
	c.register(t)

	r := connectors(t, "pause", c.name)
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, c.name+` +task 0 +PAUSED`, r.stdout)
	require.Equal(t, exitNotRunning, connectors(t, "status", c.name).code)

	r = connectors(t, "resume", c.name)
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, c.name+` +task 0 +RUNNING`, r.stdout)

	require.Zero(t, connectors(t, "pause", c.name).code)
	require.Contains(t, c.register(t).stdout, ": resumed: ")

	r = runProgram(t, testenv.Address(t, testenv.ConnectURL), "no\n", "delete", c.name)
	require.Equal(t, exitNotRunning, r.code)
	require.Contains(t, r.stderr, "not confirmed")
	require.Zero(t, connectors(t, "status", c.name).code)

	r = runProgram(t, testenv.Address(t, testenv.ConnectURL), "yes\n", "delete", c.name)
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, fmt.Sprintf("pg_drop_replication_slot('%s')", c.name))
	r = connectors(t, "status", c.name)
	require.Equal(t, exitNotRunning, r.code)
	require.Contains(t, r.stderr, fmt.Sprintf("there is no connector %q", c.name))
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	c := newConnector(t, testenv.Name(t), testenv.Database(t))
	c.register(t)
	r := connectors(t, "status", c.name, "--json")
	require.Zero(t, r.code, r.stderr)
	var statuses []kafkaconnect.Status
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &statuses))
	require.Len(t, statuses, 1)
	require.Equal(t, c.name, statuses[0].Name)
	require.True(t, statuses[0].Running())

	r = connectors(t, "restart", c.name, "--all", "--json")
	require.Zero(t, r.code, r.stderr)
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"connector.class": "c", "tasks.max": 1}`), 0o600))
	tests := map[string][]string{
		"unknown flag":                     {"status", "--nope"},
		"setting tasks.max: want a string": {"register", broken},
		"no such file":                     {"register", "no-such.json"},
		"want name=value":                  {"register", "events.json", "--set", "x"},
		"--name: takes a single file":      {"register", "events.json", "events.json", "--name", "x"},
		"address of Kafka Connect":         {"status", "--connect-url", "localhost"},
		"expected \"<names> ...\"":         {"delete"},
	}
	for message, args := range tests {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			r := runProgram(t, "http://127.0.0.1:1", "", args...)
			require.Equal(t, exitUsage, r.code, r.stderr)
			require.Contains(t, r.stderr, message)
		})
	}
}

func TestConnectIsDown(t *testing.T) {
	t.Parallel()
	url := fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))
	for _, args := range [][]string{{"status"}, {"register", "events.json", "--timeout", "500ms"}} {
		r := runProgram(t, url, "", args...)
		require.Equal(t, exitUnreachable, r.code)
		require.Contains(t, r.stderr, "Kafka Connect at "+url+" does not answer: ")
	}
}

func TestHelpNamesTheExitCodes(t *testing.T) {
	t.Parallel()
	r := runProgram(t, "http://127.0.0.1:1", "", "--help")
	require.Zero(t, r.code)
	for _, command := range []string{"register", "status", "restart", "pause", "resume", "delete", "Exit codes"} {
		require.Contains(t, r.stdout, command)
	}
}
