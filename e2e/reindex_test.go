package e2e

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// How long one command may take.
const commandPatience = 5 * time.Minute

var reindexRows = flag.Int("reindex.rows", 5000, "rows that TestReindexUnderWrites rebuilds the index of")

type built struct {
	Index      string
	Old        string        `json:"old_index"`
	Rows       int64         `json:"rows_copied"`
	Changes    int64         `json:"changes_caught_up"`
	Tombstones int64         `json:"tombstones_copied"`
	WritePause time.Duration `json:"write_pause_ns"`
	Duration   time.Duration `json:"duration_ns"`
}

// A new index takes the old one's place while rows are written and searched, and nobody notices.
func TestReindexUnderWrites(t *testing.T) {
	c := newCommands(t)
	tidy(t, c)
	kept := preload(t, *reindexRows)
	before, since := requireLive(t), indexerSince(t)
	writes := startWrites(t)
	history := startHistory(t, kept)

	var result built
	c.run(t, 0, &result, "reindex", "--json")
	writes.wait(t, 50) // and then some on the new index
	history.stop()

	require.Equal(t, before, result.Old)
	require.Equal(t, result.Index, requireLive(t))
	require.NotEqual(t, before, result.Index)
	require.GreaterOrEqual(t, result.Rows, int64(*reindexRows))
	require.Less(t, result.WritePause, 10*time.Second, "--max-write-pause")
	require.Equal(t, since, indexerSince(t), "the indexer must not need a restart")
	finish(t, writes)
	t.Logf("%d rows copied and %d changes caught up with in %s; writes held back for %s; meanwhile %d writes, %d searches, %d failures",
		result.Rows, result.Changes, result.Duration.Round(time.Millisecond), result.WritePause.Round(time.Millisecond),
		writes.count()+history.writes, history.searches, history.failures)
	require.Positive(t, history.searches)
}

// The former index comes back, with all that was written and deleted since.
func TestRollback(t *testing.T) {
	c := newCommands(t)
	tidy(t, c)
	kept := preload(t, 300)
	first := requireLive(t)
	c.run(t, 0, nil, "reindex")
	second := requireLive(t)
	require.NotEqual(t, first, second)

	for n, id := range kept.ids[:20] {
		if n%2 == 0 {
			remove(t, id)
		} else {
			patch(t, id, object{"title": "changed after the reindex"})
		}
	}
	added := create(t, newEvent("made after the reindex"))
	waitTitle(t, added, "made after the reindex")
	waitTitle(t, kept.ids[19], "changed after the reindex")
	waitGone(t, kept.ids[18])
	writes := startWrites(t)

	var result built
	c.run(t, 0, &result, "reindex", "rollback", "--json")
	require.Equal(t, first, requireLive(t))
	require.Equal(t, built{Index: first, Old: second}, built{Index: result.Index, Old: result.Old})
	kept.requireFound(t, 290)
	waitTitle(t, added, "made after the reindex")
	waitTitle(t, kept.ids[19], "changed after the reindex")
	waitGone(t, kept.ids[18])
	finish(t, writes)
	t.Logf("back in %s, writes held back for %s", result.Duration.Round(time.Millisecond), result.WritePause.Round(time.Millisecond))

	// and forth again
	c.run(t, 0, nil, "reindex", "rollback")
	require.Equal(t, second, requireLive(t))
	requireEqual(t)
}

// indexerSince says when the running indexer was started.
func indexerSince(t *testing.T) string {
	t.Helper()
	seconds, err := metric(testenv.Context(t, patience), indexerURL(t), `(?m)^process_start_time_seconds (.+)$`)
	require.NoError(t, err)
	return seconds
}
