package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/internal/compare"
	"ticketing/internal/testenv"
)

// How long something may take to get from the table into the index before a test gives up. It is far above what it
// takes: these tests are about what arrives, the benchmarks are about when.
const patience = 60 * time.Second

var errNotYet = errors.New("not yet")

func eventAPI(t testing.TB) string      { return testenv.Address(t, "TEST_EVENTAPI_URL") }
func elasticsearch(t testing.TB) string { return testenv.Address(t, testenv.ElasticsearchURL) }

var client = &http.Client{Timeout: patience} // reading a stream to its end included

// call sends a request and returns the answer's status and body.
func call(ctx context.Context, method, url string, header http.Header, body any) (int, []byte, error) {
	status, _, answer, err := callWithHeader(ctx, method, url, header, body)
	return status, answer, err
}

// callWithHeader returns the answer's header, too.
func callWithHeader(ctx context.Context, method, url string, header http.Header, body any) (int, http.Header, []byte, error) {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, answer, err
}

// object is any JSON object.
type object = map[string]any

func newEvent(title string) object {
	return object{
		"title": title, "category": "concert", "status": "published", "organizer": "e2e",
		"starts_at": "2027-03-01T19:00:00Z", "ends_at": "2027-03-01T22:00:00.123456Z",
	}
}

// create writes an event through REST and returns its id.
func create(t testing.TB, event object) string {
	t.Helper()
	status, body, err := call(testenv.Context(t, patience), http.MethodPost, eventAPI(t)+"/events", nil, event)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, "%s", body)
	var created struct{ ID string }
	require.NoError(t, json.Unmarshal(body, &created))
	return created.ID
}

func patch(t testing.TB, id string, change object) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/merge-patch+json"}}
	status, body, err := call(testenv.Context(t, patience), http.MethodPatch, eventAPI(t)+"/events/"+id, header, change)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", body)
}

func remove(t testing.TB, id string) {
	t.Helper()
	status, body, err := call(testenv.Context(t, patience), http.MethodDelete, eventAPI(t)+"/events/"+id, nil, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, status, "%s", body)
}

// search returns the source of the document with that id as searches through the read alias see it, nil for none.
func search(ctx context.Context, server, alias, key, id string) (json.RawMessage, error) {
	query := object{"query": object{"term": object{key: id}}}
	status, body, err := call(ctx, http.MethodPost, server+"/"+alias+"/_search", nil, query)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("search: status %d: %s", status, body)
	}
	var answer struct {
		Hits struct {
			Hits []struct {
				Source json.RawMessage `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Hits.Hits) == 0 {
		return nil, nil
	}
	return answer.Hits.Hits[0].Source, nil
}

// waitTitle waits until a search finds the event with that title, and returns the document.
func waitTitle(t testing.TB, id, title string) json.RawMessage {
	t.Helper()
	var found json.RawMessage
	testenv.Eventually(t, patience, func(ctx context.Context) (err error) {
		if found, err = search(ctx, elasticsearch(t), "events", "id", id); err != nil {
			return err
		}
		var document struct{ Title string }
		if found == nil || json.Unmarshal(found, &document) != nil || document.Title != title {
			return fmt.Errorf("%w: %s", errNotYet, found)
		}
		return nil
	})
	return found
}

// waitGone waits until no search finds the event any more.
func waitGone(t testing.TB, id string) {
	t.Helper()
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		found, err := search(ctx, elasticsearch(t), "events", "id", id)
		if err == nil && found != nil {
			err = errNotYet
		}
		return err
	})
}

// requireEqual waits until the index is equal to the table, document by document and field by field.
func requireEqual(t testing.TB) compare.Report {
	t.Helper()
	return requireTableEqual(t, compare.Options{
		DatabaseURL: testenv.Address(t, testenv.PostgresURL), Table: "public.events", Key: []string{"id"},
		ElasticsearchURL: elasticsearch(t), Index: "events", JSONColumns: []string{"attributes"},
		GeoPoints: []compare.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
	})
}

func requireTableEqual(t testing.TB, options compare.Options) compare.Report {
	t.Helper()
	var report compare.Report
	testenv.Eventually(t, 3*time.Minute, func(ctx context.Context) (err error) {
		if report, err = compare.Table(ctx, options); err == nil && !report.Equal() {
			err = fmt.Errorf("table and index differ: %s", report)
		}
		return err
	})
	return report
}

// database connects as the superuser.
func database(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(testenv.Context(t, patience), testenv.Address(t, testenv.PostgresURL))
	require.NoError(t, err)
	cleanup(t, func(ctx context.Context) error { return conn.Close(ctx) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(testenv.Context(t, patience), sql)
	require.NoError(t, err, sql)
}

// cleanup runs undo when the test ends. The test's own context has ended by then.
func cleanup(t testing.TB, undo func(ctx context.Context) error) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := undo(ctx); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
}

// produce writes a message into a topic. The key decides its partition as it does for Debezium's messages: by
// murmur2, Kafka's default.
func produce(t testing.TB, topic, key, value string) {
	t.Helper()
	balance(t, kafka.Murmur2Balancer{}, topic, key, value)
}

// onePartition is where produceInOrder writes to.
const onePartition = 5

// produceInOrder writes a message behind all that it wrote into the topic before, whatever their keys.
func produceInOrder(t testing.TB, topic, key, value string) {
	t.Helper()
	balance(t, kafka.BalancerFunc(func(kafka.Message, ...int) int { return onePartition }), topic, key, value)
}

func balance(t testing.TB, balancer kafka.Balancer, topic, key, value string) {
	t.Helper()
	writer := &kafka.Writer{
		Addr: kafka.TCP(brokers(t)...), Topic: topic, Balancer: balancer,
		RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
	}
	defer func() { _ = writer.Close() }()
	require.NoError(t, writer.WriteMessages(testenv.Context(t, patience), kafka.Message{Key: []byte(key), Value: []byte(value)}))
}

func brokers(t testing.TB) []string {
	return strings.Split(testenv.Address(t, testenv.KafkaBrokers), ",")
}

// control does something to a component of the running system: stop, start or kill (with SIGKILL).
func control(t testing.TB, action, component string) {
	t.Helper()
	command := exec.CommandContext(testenv.Context(t, 2*time.Minute), filepath.Join(root(t), ".bin", "stack"), action, component)
	if os.Getenv("E2E_PROVIDER") == "docker" {
		command = exec.CommandContext(testenv.Context(t, 2*time.Minute), "docker", "compose", action, component)
		command.Dir = root(t)
	}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s %s: %s", action, component, output)
}

// restartKilled starts a component after a kill: the native supervisor does so by itself, and Compose does not start
// what was killed by hand.
func restartKilled(t testing.TB, component string) {
	t.Helper()
	if os.Getenv("E2E_PROVIDER") == "docker" {
		control(t, "start", component)
	}
}

func root(t testing.TB) string {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	return filepath.Dir(here)
}

// program returns the path of one of our programs, built if need be.
func program(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	command := exec.CommandContext(testenv.Context(t, 5*time.Minute), "go", "build", "-o", path, "./"+name)
	command.Dir = root(t)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return path
}
