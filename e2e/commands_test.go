package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// commands runs the indexer's built program for the pipeline of events, unless arguments say otherwise.
type commands struct{ path string }

func newCommands(t testing.TB) commands {
	t.Helper()
	return commands{program(t, "cdc-indexer")}
}

func (c commands) command(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(ctx, c.path, args...)
	command.Dir = root(t) // for the pipeline file
	command.Env = append(os.Environ(),
		"CDC_INDEXER_KAFKA_BROKERS="+strings.Join(brokers(t), ","), "CDC_INDEXER_ELASTICSEARCH_URL="+elasticsearch(t),
		"CDC_INDEXER_DATABASE_URL="+testenv.URLAs(t, testenv.Address(t, testenv.PostgresURL), "indexer"))
	return command
}

// run runs a command to its end and decodes the JSON that it prints, if into is not nil.
func (c commands) run(t testing.TB, wantCode int, into any, args ...string) {
	t.Helper()
	command := c.command(testenv.Context(t, commandPatience), t, args...)
	var log bytes.Buffer
	command.Stderr = &log
	output, err := command.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.Equal(t, wantCode, command.ProcessState.ExitCode(), "%v: %s\n%s", args, output, &log)
	if into != nil {
		require.NoError(t, json.Unmarshal(output, into), "%v: %s", args, output)
	}
}

// elastic asks Elasticsearch, and requires the status.
func elastic(t testing.TB, method, path string, body any, wantStatus int) []byte {
	t.Helper()
	status, answer, err := call(testenv.Context(t, patience), method, elasticsearch(t)+path, nil, body)
	require.NoError(t, err)
	require.Equal(t, wantStatus, status, "%s %s: %s", method, path, answer)
	return answer
}

// indices returns the names of the indices that an alias leads to; * is any alias or none.
func indices(ctx context.Context, t testing.TB, alias string) ([]string, error) {
	path := "/_alias"
	if alias != "*" {
		path += "/" + alias
	}
	status, answer, err := call(ctx, http.MethodGet, elasticsearch(t)+path, nil, nil)
	if err != nil {
		return nil, err
	}
	if status == http.StatusNotFound {
		return nil, nil
	}
	var found map[string]json.RawMessage
	if err := json.Unmarshal(answer, &found); err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("look up alias %s: status %d: %s", alias, status, answer)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// requireLive returns the live index: both aliases must lead to it, and to no other.
func requireLive(t testing.TB) string {
	t.Helper()
	var found map[string]struct{ Aliases map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(elastic(t, http.MethodGet, "/_alias/events,events-write", nil, http.StatusOK), &found))
	require.Len(t, found, 1, "%v", found)
	for index, behind := range found {
		require.Len(t, behind.Aliases, 2, "%v", found)
		return index
	}
	return ""
}

// tidy removes in the end what tests of reindex leave: indices that are not live and, after a failure, a build.
func tidy(t testing.TB, c commands) {
	t.Helper()
	cleanup(t, func(ctx context.Context) error {
		if t.Failed() {
			_ = c.command(ctx, t, "reindex", "--abort", "--force").Run() // there may be none
		}
		live, err := indices(ctx, t, "events-write")
		if err != nil {
			return err
		}
		all, err := indices(ctx, t, "*")
		if err != nil {
			return err
		}
		for _, index := range all {
			if !strings.HasPrefix(index, "events-0") || slices.Contains(live, index) {
				continue
			}
			if _, _, err := call(ctx, http.MethodDelete, elasticsearch(t)+"/"+index, nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func indexerURL(t testing.TB) string { return testenv.Address(t, "TEST_INDEXER_URL") }

// metric returns what a pattern finds in the metrics of a program.
func metric(ctx context.Context, url, pattern string) (string, error) {
	_, body, err := call(ctx, http.MethodGet, url+"/metrics", nil, nil)
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(pattern).FindSubmatch(body)
	if found == nil {
		return "", fmt.Errorf("%w: no metric %s", errNotYet, pattern)
	}
	return string(found[1]), nil
}
