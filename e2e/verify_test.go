package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

type verified struct {
	Missing, Stale, Differing, Orphaned, Ahead int
	Repaired, Unrepaired                       int
	Summed                                     int `json:"documents_by_checksum"`
	Behind                                     string
	Samples                                    []struct{ Kind, Key string }
}

func (v verified) keys(kind string) []string {
	var keys []string
	for _, sample := range v.Samples {
		if sample.Kind == kind {
			keys = append(keys, sample.Key)
		}
	}
	return keys
}

// What is done to the index by hand is found and mended, no more and no less, while rows are written.
func TestVerifyFindsExactly(t *testing.T) {
	c := newCommands(t)
	kept := preload(t, 200)
	requireEqual(t)
	live := requireLive(t)
	writes := startWrites(t)

	missing, differing, rest := kept.ids[:10], kept.ids[10:20], kept.ids[20:]
	for _, id := range missing {
		elastic(t, http.MethodDelete, "/"+live+"/_doc/"+id, nil, http.StatusOK)
	}
	for n, id := range differing {
		elastic(t, http.MethodPost, "/"+live+"/_update/"+id, object{"doc": object{"title": fmt.Sprint("changed by hand ", n)}}, http.StatusOK)
	}
	orphaned := plantOrphans(t, live, 10)
	elastic(t, http.MethodPost, "/"+live+"/_refresh", nil, http.StatusOK)
	untouched := sequenceNumbers(t, live, rest)

	requireFindings := func(found verified, repaired int) {
		t.Helper()
		require.Empty(t, found.Behind)
		require.ElementsMatch(t, missing, found.keys("missing"))
		require.ElementsMatch(t, differing, found.keys("differing"))
		require.ElementsMatch(t, orphaned, found.keys("orphaned"))
		require.Len(t, found.Samples, 30)
		require.Equal(t, []int{10, 0, 10, 10, 0, repaired, 0},
			[]int{found.Missing, found.Stale, found.Differing, found.Orphaned, found.Ahead, found.Repaired, found.Unrepaired})
	}
	var found verified
	c.run(t, 1, &found, "verify", "--json", "--samples", "1000")
	requireFindings(found, 0)
	found = verified{}
	c.run(t, 0, &found, "verify", "--repair", "--json", "--samples", "1000")
	requireFindings(found, 30)
	found = verified{}
	c.run(t, 0, &found, "verify", "--json")
	require.Empty(t, found.Samples)

	require.Equal(t, untouched, sequenceNumbers(t, live, rest), "nothing but the differences may be written")
	for _, id := range orphaned {
		waitGone(t, id)
	}
	kept.requireFound(t, len(kept.ids))
	finish(t, writes)

	// What was mended takes part in the changes that follow.
	patch(t, missing[0], object{"title": "after the repair"})
	waitTitle(t, missing[0], "after the repair")
	remove(t, differing[0])
	waitGone(t, differing[0])
}

// What was read once and not written since is known by its checksum, and a change by hand is found all the same.
func TestVerifyByChecksum(t *testing.T) {
	c := newCommands(t)
	kept := preload(t, 200)
	requireEqual(t)
	var found verified
	c.run(t, 0, nil, "verify", "--full")
	c.run(t, 0, &found, "verify", "--json")
	require.GreaterOrEqual(t, found.Summed, len(kept.ids))
	found = verified{}
	c.run(t, 0, &found, "verify", "--json", "--full")
	require.Zero(t, found.Summed)

	elastic(t, http.MethodPost, "/"+requireLive(t)+"/_update/"+kept.ids[7], object{"doc": object{"title": "changed by hand"}}, http.StatusOK)
	found = verified{}
	c.run(t, 0, &found, "verify", "--json", "--repair", "--wait-pipeline", "0") // nothing is under way
	require.Equal(t, []string{kept.ids[7]}, found.keys("differing"))
	require.Len(t, found.Samples, 1)
	c.run(t, 0, nil, "verify")
}

// plantOrphans writes documents that no row has, half of them as the indexer would and half as nobody in particular.
func plantOrphans(t *testing.T, index string, count int) []string {
	t.Helper()
	ids := make([]string, count)
	for n := range ids {
		ids[n] = newUUID()
		document := newEvent("planted")
		document["id"] = ids[n]
		path := "/" + index + "/_doc/" + ids[n]
		if n%2 == 0 {
			const version = 1 << 16 // a position in the log that has passed
			document["cdc"] = object{"version": version, "lsn": version, "deleted": false, "committed_at": "2027-01-01T00:00:00Z"}
			path += fmt.Sprintf("?version_type=external&version=%d", version)
		}
		elastic(t, http.MethodPut, path, document, http.StatusCreated)
	}
	return ids
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// sequenceNumbers returns the number of the last write to each document.
func sequenceNumbers(t *testing.T, index string, ids []string) map[string]int64 {
	t.Helper()
	var answer struct {
		Docs []struct {
			ID    string `json:"_id"`
			SeqNo int64  `json:"_seq_no"`
			Found bool
		}
	}
	require.NoError(t, json.Unmarshal(elastic(t, http.MethodPost, "/"+index+"/_mget", object{"ids": ids}, http.StatusOK), &answer))
	numbers := map[string]int64{}
	for _, doc := range answer.Docs {
		require.True(t, doc.Found, doc.ID)
		numbers[doc.ID] = doc.SeqNo
	}
	require.Len(t, numbers, len(ids))
	return numbers
}

// inBackground starts a command, which is killed when the test ends, and returns where its end is told.
func inBackground(t *testing.T, command *exec.Cmd) chan error {
	t.Helper()
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		err := <-ended
		if t.Failed() {
			t.Logf("%s ended with %v and said:\n%s", command, err, &log)
		}
	})
	return ended
}

// Run for ever, verify shows drift to whoever watches its metrics.
func TestVerifyInterval(t *testing.T) {
	c := newCommands(t)
	kept := preload(t, 20)
	requireEqual(t)
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	command := c.command(t.Context(), t, "verify", "--interval", "1s", "--wait-pipeline", "20s", "--listen", address)
	ended := inBackground(t, command)
	waitMissing := func(want string) {
		t.Helper()
		testenv.Eventually(t, patience, func(ctx context.Context) error {
			found, err := metric(ctx, "http://"+address, `(?m)^cdc_indexer_verify_differences\{kind="missing"\} (.+)$`)
			if err == nil && found != want {
				err = fmt.Errorf("%w: %s", errNotYet, found)
			}
			return err
		})
	}
	waitMissing("0")
	elastic(t, http.MethodDelete, "/"+requireLive(t)+"/_doc/"+kept.ids[0], nil, http.StatusOK)
	waitMissing("1")
	c.run(t, 0, nil, "verify", "--repair")
	waitMissing("0")

	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case err := <-ended:
		ended <- err
		require.NoError(t, err, "SIGTERM is the way to stop it")
	case <-limit.C:
		t.Fatal("it does not stop")
	}
	requireEqual(t)
}
