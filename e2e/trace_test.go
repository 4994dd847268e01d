package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// traceStep is a step of a trace, as the operations API tells it.
type traceStep struct {
	Stage, Op, Topic, Index, Version, Detail string
	Since                                    *float64 `json:"since_commit_seconds"`
}

// A row is followed through all stages, whichever indexer has it: created, changed, deleted, and created again.
func TestARowIsTraced(t *testing.T) {
	t.Parallel()
	event := newEvent("traced")
	event["id"] = newUUID()
	id := event["id"].(string)
	request, err := http.NewRequestWithContext(testenv.Context(t, patience), http.MethodGet, indexerURL(t)+"/api/trace/"+id+"?until_searchable=false", http.NoBody)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusOK, response.StatusCode)
	steps := bufio.NewScanner(response.Body)

	create(t, event)
	follow(t, steps, "c", "event-created")
	patch(t, id, object{"title": "traced again"})
	follow(t, steps, "u", "event-updated")
	remove(t, id)
	follow(t, steps, "d", "event-deleted")
	create(t, event)
	follow(t, steps, "c", "event-created")
	remove(t, id)

	// The command reads what has passed.
	var printed struct {
		Steps  []traceStep
		Reason string
	}
	newCommands(t).run(t, 0, &printed, "trace", id, "--json", "--since", "5m")
	require.Equal(t, "searchable", printed.Reason)
	require.Len(t, printed.Steps, 5*4)
}

// follow reads the four steps of one change.
func follow(t *testing.T, steps *bufio.Scanner, op, topic string) {
	t.Helper()
	for _, stage := range []string{"postgres", "kafka", "indexer", "searchable"} {
		step := nextStep(t, steps)
		require.Equal(t, stage, step.Stage)
		require.Equal(t, op, step.Op)
		require.Equal(t, topic, step.Topic)
		require.Empty(t, step.Detail)
		require.NotEmpty(t, step.Version)
		require.NotNil(t, step.Since)
		require.Equal(t, stage == "indexer" || stage == "searchable", strings.HasPrefix(step.Index, "events-"), "%+v", step)
	}
}

func nextStep(t *testing.T, lines *bufio.Scanner) (step traceStep) {
	t.Helper()
	for lines.Scan() {
		if data, found := strings.CutPrefix(lines.Text(), "data: "); found {
			require.NoError(t, json.Unmarshal([]byte(data), &step))
			return step
		}
	}
	require.NoError(t, lines.Err())
	require.NoError(t, io.ErrUnexpectedEOF, "the trace has ended")
	return step
}
