package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// letters follows the dead-letter topic for all tests of this package.
var letters struct {
	once sync.Once
	mu   sync.Mutex
	all  map[string]kafka.Message // by value
}

func followLetters(t testing.TB) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers(t), Topic: "event-dlq", MaxWait: 100 * time.Millisecond, MaxBytes: 20 << 20})
	letters.all = map[string]kafka.Message{}
	go func() { // until the test program ends
		for {
			message, err := reader.ReadMessage(context.Background())
			if err != nil {
				return
			}
			letters.mu.Lock()
			letters.all[string(message.Value)] = message
			letters.mu.Unlock()
		}
	}()
}

// waitLetter waits for a dead letter with that value and returns its headers.
func waitLetter(t testing.TB, value string) map[string]string {
	t.Helper()
	letters.once.Do(func() { followLetters(t) })
	headers := map[string]string{}
	testenv.Eventually(t, patience, func(context.Context) error {
		letters.mu.Lock()
		defer letters.mu.Unlock()
		letter, found := letters.all[value]
		if !found {
			return errNotYet
		}
		for _, header := range letter.Headers {
			headers[header.Key] = string(header.Value)
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
	require.Equal(t, "events", headers["dlq-pipeline"])

	headers = waitLetter(t, rejected)
	require.Equal(t, "document_parsing_exception", headers["dlq-reason"])
	require.Contains(t, headers["dlq-detail"], "starts_at")

	produceInOrder(t, "event-deleted", key(id), envelope{op: "d", s: far << 1, lsn: far<<1 + 8}.value(id))
	waitGone(t, id)
}
