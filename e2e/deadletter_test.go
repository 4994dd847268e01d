package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// letters follows the dead-letter topic for all tests of this package, and keeps the letters of the stack's pipeline:
// another pipeline that a test runs beside it has the same messages to refuse, and writes letters with the same values.
var letters struct {
	once sync.Once
	mu   sync.Mutex
	all  map[string]map[string]string // headers by value
}

func followLetters(t testing.TB) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers(t), Topic: "event-dlq", MaxWait: 100 * time.Millisecond, MaxBytes: 20 << 20})
	letters.all = map[string]map[string]string{}
	go func() { // until the test program ends
		for {
			message, err := reader.ReadMessage(context.Background())
			if err != nil {
				return
			}
			headers := map[string]string{}
			for _, header := range message.Headers {
				headers[header.Key] = string(header.Value)
			}
			if headers["dlq-pipeline"] != "events" {
				continue
			}
			letters.mu.Lock()
			letters.all[string(message.Value)] = headers
			letters.mu.Unlock()
		}
	}()
}

// waitLetter waits for a dead letter of the stack's pipeline with that value and returns its headers.
func waitLetter(t testing.TB, value string) (headers map[string]string) {
	t.Helper()
	letters.once.Do(func() { followLetters(t) })
	testenv.Eventually(t, patience, func(context.Context) error {
		letters.mu.Lock()
		defer letters.mu.Unlock()
		if headers = letters.all[value]; headers == nil {
			return errNotYet
		}
		return nil
	})
	return headers
}

func TestBadMessagesBecomeLettersAndOthersPass(t *testing.T) {
	t.Parallel()
	const far = 1 << 51
	id := "dlq-" + strings.ToLower(rand.Text()[:10])
	key := func(id string) string { return fmt.Sprintf(`{"id":%q}`, id) }
	// All in one partition, so that the good one stands behind the bad ones; and with keys of their own, since a bad
	// message that a newer one of its row has overtaken is no letter but stale.
	malformed := `{"op": "c", ` + rand.Text()
	rejected := strings.Replace(envelope{"c", far, far + 8, "rejected"}.value(id+"-rejected"), "2027-01-01T00:00:00Z", "no date at all", 1)
	produceInOrder(t, "event-created", key(id), malformed)
	produceInOrder(t, "event-created", key(id+"-rejected"), rejected)
	produceInOrder(t, "event-created", key(id), envelope{"c", far, far + 16, "behind"}.value(id))
	waitTitle(t, id, "behind")

	headers := waitLetter(t, malformed)
	require.Equal(t, "malformed-envelope", headers["dlq-reason"])
	require.Contains(t, headers["dlq-detail"], "no JSON")
	require.Equal(t, "event-created", headers["dlq-topic"])
	require.Equal(t, strconv.Itoa(onePartition), headers["dlq-partition"])
	require.Regexp(t, `^\d+$`, headers["dlq-offset"])

	headers = waitLetter(t, rejected)
	require.Equal(t, "document_parsing_exception", headers["dlq-reason"])
	require.Contains(t, headers["dlq-detail"], "starts_at")

	produceInOrder(t, "event-deleted", key(id), envelope{op: "d", s: far << 1, lsn: far<<1 + 8}.value(id))
	waitGone(t, id)
	replayEdited(t, id+"-rejected", envelope{"u", far + 16, far + 24, "newer"})
}

// replayEdited mends a row's letter with the built command, and then has the row change.
func replayEdited(t *testing.T, id string, newer envelope) {
	t.Helper()
	key := fmt.Sprintf(`{"id":%q}`, id)
	indexer := program(t, "cdc-indexer")
	found := dlq(t, indexer, 0, "list", "--key", id)
	require.Len(t, found.Letters, 1)
	letter := found.Letters[0].ID
	require.Equal(t, map[string]int{"rejected": 1}, dlq(t, indexer, 1, "replay", "--id", letter).Outcomes)

	file := filepath.Join(t.TempDir(), "row.json")
	row := fmt.Sprintf(`{"id":%q,"title":"mended","category":"c","status":"draft","organizer":"o","starts_at":"2027-01-01T00:00:00Z"}`, id)
	require.NoError(t, os.WriteFile(file, []byte(row), 0o600))
	require.Equal(t, map[string]int{"applied": 1}, dlq(t, indexer, 0, "replay", "--id", letter, "--edit", file).Outcomes)
	waitTitle(t, id, "mended")
	require.Empty(t, dlq(t, indexer, 0, "list", "--key", id).Letters)

	produceInOrder(t, newer.topic(), key, newer.value(id))
	waitTitle(t, id, newer.title)
	produceInOrder(t, "event-deleted", key, envelope{op: "d", s: newer.s << 1, lsn: newer.s<<1 + 8}.value(id))
	waitGone(t, id)
}

type dlqAnswer struct {
	Letters  []struct{ ID string }
	Outcomes map[string]int
}

// dlq runs one of the indexer's commands for dead letters.
func dlq(t *testing.T, indexer string, wantCode int, args ...string) (answer dlqAnswer) {
	t.Helper()
	command := exec.CommandContext(testenv.Context(t, patience), indexer, append([]string{"dlq"}, append(args, "--json")...)...)
	command.Dir = root(t) // for the pipeline file
	command.Env = append(os.Environ(), "CDC_INDEXER_KAFKA_BROKERS="+strings.Join(brokers(t), ","), "CDC_INDEXER_ELASTICSEARCH_URL="+elasticsearch(t))
	output, err := command.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.Equal(t, wantCode, command.ProcessState.ExitCode(), "%s", output)
	require.NoError(t, json.Unmarshal(output, &answer))
	return answer
}
