// Package testenv hands the integration tests the real components. It starts nothing itself: `make test` (or any
// command behind `stack exec --`) has started them and says in the environment where they are. A test that needs
// one and finds no address fails, it does not skip: a suite that is green has met the real server.
//
// Everything a test makes carries a name of its own (Name), so tests run in parallel and beside a system in use.
package testenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	initsql "ticketing/init-sql"
)

// The environment variables that say where the components are.
const (
	PostgresURL      = "TEST_POSTGRES_URL"      // a superuser's URL; tests create databases of their own beside it
	KafkaBrokers     = "TEST_KAFKA_BROKERS"     // host:port, comma separated
	ElasticsearchURL = "TEST_ELASTICSEARCH_URL" // http://host:port
	ConnectURL       = "TEST_CONNECT_URL"       // Kafka Connect's REST interface
)

// Address returns the value of one of the variables above. It fails the test when it is not set, and skips it
// under -short, which is the way to run the unit tests alone.
func Address(t testing.TB, variable string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real component, left out by -short")
	}
	value := os.Getenv(variable)
	if value == "" {
		t.Fatalf("%s is not set: run `make test`, or put `go run ./stack exec --` before the go test command (or pass -short)", variable)
	}
	return value
}

// ModuleRoot is the folder of go.mod.
func ModuleRoot(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		if parent := filepath.Dir(folder); parent != folder {
			folder = parent
			continue
		}
		break
	}
	t.Fatalf("no go.mod above the test: %v", err)
	return ""
}

// Name returns a name that no other test has: lower case letters and digits, valid as the name of a topic, an
// index, a database and a replication slot.
func Name(t testing.TB) string {
	t.Helper()
	return "t" + strings.ToLower(rand.Text()[:12])
}

// Context returns the test's context with a bound: no test waits for ever.
func Context(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Eventually calls check every 20 ms until it returns nil, and fails the test with its last error when limit
// passes first.
func Eventually(t testing.TB, limit time.Duration, check func(context.Context) error) {
	t.Helper()
	ctx := Context(t, limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", limit, err)
		case <-tick.C:
		}
	}
}

// Database creates a database with the schema of init-sql, dropped when the test ends, and returns a superuser's
// URL for it. The roles belong to the whole server; URLAs makes one of their URLs.
func Database(t testing.TB) string {
	t.Helper()
	server := Address(t, PostgresURL)
	ctx := Context(t, time.Minute)
	admin := connect(t, ctx, server)
	name := Name(t)
	exec(t, ctx, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		exec(t, ctx, admin, "DROP DATABASE "+name+" WITH (FORCE)")
		_ = admin.Close(ctx)
	})

	database := withPath(t, server, name)
	script, err := initsql.SQL()
	if err != nil {
		t.Fatalf("read init-sql: %v", err)
	}
	// Roles are the server's: two tests that alter one at a time would fail with "tuple concurrently updated".
	exec(t, ctx, admin, "SELECT pg_advisory_lock(4711)")
	defer exec(t, ctx, admin, "SELECT pg_advisory_unlock(4711)")
	conn := connect(t, ctx, database)
	defer func() { _ = conn.Close(ctx) }()
	for _, role := range []string{"eventapi", "debezium", "indexer"} {
		exec(t, ctx, conn, fmt.Sprintf("SET ticketing.%s_password = '%s'", role, RolePassword(role)))
	}
	exec(t, ctx, conn, script)
	return database
}

// RolePassword is the password of one of init-sql's roles: the one that the stack was started with.
func RolePassword(role string) string {
	if password := os.Getenv(strings.ToUpper(role) + "_DB_PASSWORD"); password != "" {
		return password
	}
	return role
}

// URLAs returns the database URL with another role in it.
func URLAs(t testing.TB, databaseURL, role string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatalf("parse database URL: %v", err)
	}
	u.User = url.UserPassword(role, RolePassword(role))
	return u.String()
}

// Topics creates topics of their own for a test, deleted when it ends.
func Topics(t testing.TB, partitions int, names ...string) {
	t.Helper()
	client := KafkaClient(t)
	request := &kafka.CreateTopicsRequest{}
	for _, name := range names {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1})
	}
	response, err := client.CreateTopics(Context(t, time.Minute), request)
	if err != nil {
		t.Fatalf("create topics: %v", err)
	}
	for name, err := range response.Errors {
		if err != nil {
			t.Fatalf("create topic %s: %v", name, err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names}); err != nil {
			t.Errorf("delete topics: %v", err)
		}
	})
	waitForLeaders(t, client, partitions, names)
}

// waitForLeaders waits until every partition answers. The answer to CreateTopics comes a little before the broker
// leads the partitions, and so does the metadata that names it as their leader.
func waitForLeaders(t testing.TB, client *kafka.Client, partitions int, names []string) {
	t.Helper()
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, name := range names {
		for partition := range partitions {
			request.Topics[name] = append(request.Topics[name], kafka.FirstOffsetOf(partition))
		}
	}
	Eventually(t, 30*time.Second, func(ctx context.Context) error {
		response, err := client.ListOffsets(ctx, request)
		if err != nil {
			return err
		}
		for name, offsets := range response.Topics {
			for _, partition := range offsets {
				if partition.Error != nil {
					return fmt.Errorf("topic %s, partition %d: %w", name, partition.Partition, partition.Error)
				}
			}
		}
		return nil
	})
}

// KafkaClient returns a client whose connections are closed when the test ends.
func KafkaClient(t testing.TB) *kafka.Client {
	t.Helper()
	brokers := strings.Split(Address(t, KafkaBrokers), ",")
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, ClientID: "test"}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 30 * time.Second, Transport: transport}
}

// FreePort returns a port of the loopback interface that nothing listened on a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func connect(t testing.TB, ctx context.Context, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatalf("connect to Postgres: %v", err)
	}
	return conn
}

func exec(t testing.TB, ctx context.Context, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Errorf("%.60s: %v", sql, err)
	}
}

func withPath(t testing.TB, rawURL, path string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatalf("parse %s: %v", PostgresURL, err)
	}
	u.Path = "/" + path
	return u.String()
}
