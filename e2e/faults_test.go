package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// The tests of this file stop parts of the system, so they do not run in parallel with any other: Go runs them
// before those that do.

func TestElasticsearchAwayUnderWrites(t *testing.T) {
	writes := startWrites(t)
	control(t, "stop", "elasticsearch")
	away := time.NewTimer(30 * time.Second)
	defer away.Stop()
	<-away.C
	requireNotReady(t, "elasticsearch")
	control(t, "start", "elasticsearch")
	finish(t, writes)
}

func TestIndexerKilledUnderWrites(t *testing.T) {
	writes := startWrites(t)
	for range 3 {
		writes.wait(t, 100)
		control(t, "kill", "cdc-indexer")
		restartKilled(t, "cdc-indexer")
	}
	finish(t, writes)
}

func TestKafkaRestartedUnderWrites(t *testing.T) {
	writes := startWrites(t)
	control(t, "stop", "kafka")
	writes.wait(t, 100) // the write side does not notice
	control(t, "start", "kafka")
	finish(t, writes)
}

// TRUNCATE empties the index too, and one that is rolled back does not.
func TestTruncate(t *testing.T) {
	for n := range 5 {
		create(t, newEvent(fmt.Sprint("to be truncated ", n)))
	}
	conn := database(t)
	run(t, conn, "BEGIN; TRUNCATE public.events; ROLLBACK")
	report := requireEqual(t)
	require.GreaterOrEqual(t, report.Rows, 5)
	run(t, conn, "TRUNCATE public.events")
	report = requireEqual(t)
	require.Zero(t, report.Documents)
}

func finish(t *testing.T, w *writes) {
	t.Helper()
	w.wait(t, 100)
	w.stop()
	report := requireEqual(t)
	t.Logf("%d writes, %d rows, %d documents, no difference", w.count(), report.Rows, report.Documents)
	require.Positive(t, report.Rows)
}

func requireNotReady(t *testing.T, part string) {
	t.Helper()
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		status, body, err := call(ctx, http.MethodGet, testenv.Address(t, "TEST_INDEXER_URL")+"/readyz", nil, nil)
		if err != nil {
			return err
		}
		var answer struct{ Parts map[string]string }
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if status != http.StatusServiceUnavailable || answer.Parts[part] == "ok" {
			return fmt.Errorf("%w: %d %s", errNotYet, status, body)
		}
		return nil
	})
}

// writes are creates, updates and deletes through REST from several writers, until stopped.
type writes struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	done    int
}

func startWrites(t *testing.T) *writes {
	t.Helper()
	eventAPI(t) // here, where a test may be skipped
	ctx, cancel := context.WithCancel(t.Context())
	w := &writes{cancel: cancel}
	for n := range uint64(4) {
		w.running.Go(func() { w.write(ctx, t, rand.New(rand.NewPCG(1, n))) })
	}
	t.Cleanup(w.stop)
	w.wait(t, 50)
	return w
}

func (w *writes) stop() {
	w.cancel()
	w.running.Wait()
}

func (w *writes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// wait waits for that many more writes.
func (w *writes) wait(t *testing.T, more int) {
	t.Helper()
	until := w.count() + more
	testenv.Eventually(t, 2*time.Minute, func(context.Context) error {
		if n := w.count(); n < until {
			return fmt.Errorf("%d writes of %d", n, until)
		}
		return nil
	})
}

func (w *writes) write(ctx context.Context, t *testing.T, random *rand.Rand) {
	merge := http.Header{"Content-Type": {"application/merge-patch+json"}}
	var ids []string
	for n := 0; ctx.Err() == nil; n++ {
		var status, want int
		var body []byte
		var err error
		pick := func() int { return random.IntN(len(ids)) }
		switch choice := random.IntN(10); {
		case len(ids) < 5 || choice < 4:
			want = http.StatusCreated
			status, body, err = call(ctx, http.MethodPost, eventAPI(t)+"/events", nil, newEvent(fmt.Sprint("under faults ", n)))
			var created struct{ ID string }
			if status == want && json.Unmarshal(body, &created) == nil {
				ids = append(ids, created.ID)
			}
		case choice < 8:
			want = http.StatusOK
			status, body, err = call(ctx, http.MethodPatch, eventAPI(t)+"/events/"+ids[pick()], merge, object{"title": fmt.Sprint("changed ", n)})
		default:
			want = http.StatusNoContent
			at := pick()
			status, body, err = call(ctx, http.MethodDelete, eventAPI(t)+"/events/"+ids[at], nil, nil)
			ids = append(ids[:at], ids[at+1:]...)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil || status != want {
			t.Errorf("write failed: status %d, want %d: %v %s", status, want, err, body)
			return
		}
		w.mu.Lock()
		w.done++
		w.mu.Unlock()
	}
}
