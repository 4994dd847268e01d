package deadletter_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/deadletter"
	"ticketing/internal/testenv"
)

func TestTallyFollowsTheTopic(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	var read int64
	l.Progress = func(done, _ int64) { read = done }
	tally := l.NewTally()
	requireCount := func(readAnew int64, byReason map[string]int) {
		t.Helper()
		read = 0
		summary, err := tally.Count(l.ctx())
		require.NoError(t, err)
		require.Equal(t, byReason, summary.ByReason)
		require.Equal(t, readAnew, read, "messages read")
	}
	requireCount(0, map[string]int{})
	l.put("a", "1", "2")
	l.put("b", "3")
	requireCount(3, map[string]int{"a": 2, "b": 1})
	requireCount(0, map[string]int{"a": 2, "b": 1})
	l.drop(deadletter.Selection{Reason: "b"})
	requireCount(1, map[string]int{"a": 2})
	testenv.DeleteRecords(t, l.topic, 0, 1)
	requireCount(0, map[string]int{"a": 1})
	testenv.DeleteRecords(t, l.topic, 0, 4)
	requireCount(0, map[string]int{})
	l.put("c", "4")
	requireCount(1, map[string]int{"c": 1})
}

func TestTallyGoesOnAfterACountThatWasCutOff(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	large := make([]byte, 1<<20)
	for range 3 { // each in a fetch of its own
		l.put("reason", string(large))
	}
	tally := l.NewTally()
	ctx, stop := context.WithCancel(l.ctx())
	l.Progress = func(done, _ int64) {
		if done == 2 {
			stop()
		}
	}
	_, err := tally.Count(ctx)
	require.ErrorIs(t, err, context.Canceled)
	var read int64
	l.Progress = func(done, _ int64) { read = done }
	summary, err := tally.Count(l.ctx())
	require.NoError(t, err)
	require.Equal(t, 3, summary.Open)
	require.EqualValues(t, 1, read, "what was read before is not read again")
}
