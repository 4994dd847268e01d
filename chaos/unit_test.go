package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

func TestNoPartIsBrokenTwiceAtATime(t *testing.T) {
	t.Parallel()
	choices := &picker{table: []fault{
		{name: "a", weight: 1, breaks: []string{"kafka"}},
		{name: "b", weight: 1, breaks: []string{"kafka", "postgres"}},
		{name: "c", weight: 3, breaks: []string{"elasticsearch"}},
		{name: "d", weight: 100, breaks: []string{"connect"}},
	}}
	config := Config{Seed: 1}
	random := config.random(1)
	allowed := func(f fault) bool { return f.name != "d" }
	often := map[string]int{}
	for range 1000 {
		first, release, ok := choices.take(random, allowed)
		require.True(t, ok)
		often[first.name]++
		second, releaseSecond, ok := choices.take(random, allowed)
		require.True(t, ok)
		require.Equal(t, first.name == "c", second.name != "c", "%s and %s", first.name, second.name)
		_, _, ok = choices.take(random, allowed)
		require.False(t, ok, "everything is broken")
		releaseSecond()
		release()
	}
	require.Zero(t, often["d"])
	require.InDelta(t, 600, often["c"], 80)
}

func TestFaultsThatInterruptDebezium(t *testing.T) {
	t.Parallel()
	require.True(t, fault{breaks: []string{"cdc-indexer", "kafka"}}.interruptsCapture())
	require.False(t, fault{breaks: []string{"cdc-indexer", "elasticsearch"}}.interruptsCapture())
}

// No fault that interrupts Debezium is chosen while a COPY holds the lock, and no COPY gets it during such a fault.
func TestACopyIsNotCut(t *testing.T) {
	t.Parallel()
	s := &system{config: Config{Seed: 1}}
	choices := &picker{table: []fault{{name: "kafka", weight: 1000, breaks: []string{"kafka"}}, {name: "indexer", weight: 1, breaks: []string{"cdc-indexer"}}}}
	random := s.config.random(1)

	s.copying.Lock()
	chosen, release, ok := s.take(choices, random)
	require.True(t, ok)
	require.Equal(t, "indexer", chosen.name)
	release()
	s.copying.Unlock()

	chosen, release, ok = s.take(choices, random)
	require.True(t, ok)
	require.Equal(t, "kafka", chosen.name)
	require.False(t, s.copying.TryLock())
	release()
	require.True(t, s.copying.TryLock())
}

func TestOffsetsAreSetBackWithinTheLog(t *testing.T) {
	t.Parallel()
	config := Config{Seed: 1}
	random := config.random(1)
	for range 200 {
		offsets := rewound([]position{
			{topic: "a", partition: 0, first: 10, end: 9000, committed: 9000},
			{topic: "a", partition: 1, first: 10, end: 20, committed: 15},
			{topic: "a", partition: 2, first: 0, end: 5, committed: -1},
			{topic: "b", partition: 0, first: 10, end: 20, committed: 5}, // expired
		}, random)
		require.Len(t, offsets["a"], 2)
		require.LessOrEqual(t, offsets["a"][0].Offset, int64(9000))
		require.GreaterOrEqual(t, offsets["a"][0].Offset, int64(10))
		require.LessOrEqual(t, offsets["a"][1].Offset, int64(15))
		require.GreaterOrEqual(t, offsets["a"][1].Offset, int64(10))
		require.Equal(t, int64(5), offsets["b"][0].Offset)
	}
}

func TestLag(t *testing.T) {
	t.Parallel()
	require.Equal(t, int64(15), lag([]position{
		{first: 0, end: 10, committed: 10}, {first: 0, end: 10, committed: 5}, {first: 10, end: 20, committed: -1},
	}))
}

// A link loses, delays and cuts answers as it is told to, and behaves again afterwards.
func TestLink(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	t.Cleanup(server.Close)
	ctx := testenv.Context(t, time.Minute)
	l, err := openLink(ctx, "test", "127.0.0.1:0", strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(l.close)
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.address(), http.NoBody)
		require.NoError(t, err)
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		_, err = io.ReadAll(response.Body)
		return err
	}
	require.NoError(t, ask())
	for name, test := range map[string]struct {
		toxics  []toxic
		arrives bool // the request
	}{
		"slow":      {[]toxic{newToxic("latency", downstream, map[string]int64{"latency": 10_000})}, true},
		"narrow":    {[]toxic{newToxic("bandwidth", downstream, map[string]int64{"rate": 1})}, true},
		"half-open": {[]toxic{newToxic("timeout", upstream, nil), newToxic("timeout", downstream, nil)}, false},
		"lost":      {[]toxic{newToxic("timeout", downstream, map[string]int64{"timeout": 100})}, true},
		"cut":       {[]toxic{newToxic("limit_data", downstream, map[string]int64{"bytes": 500})}, true},
		"reset":     {[]toxic{newToxic("reset_peer", downstream, map[string]int64{"timeout": 0})}, true},
	} {
		before := requests.Load()
		require.NoError(t, l.behave(ctx, test.toxics...), name)
		require.Error(t, ask(), name)
		require.Equal(t, test.arrives, requests.Load() > before, name)
		require.NoError(t, l.behave(ctx), name)
		require.NoError(t, ask(), name)
	}
	l.close()
	require.Error(t, ask())
	require.NoError(t, l.mend(ctx))
	require.NoError(t, ask())
}

func TestEveryFaultOfTheNetworkIsKnownToTheProxy(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, time.Minute)
	l, err := openLink(ctx, "test", "127.0.0.1:0", "127.0.0.1:1")
	require.NoError(t, err)
	s := &system{config: Config{Seed: 1}, links: &links{elasticsearch: []*link{l}}}
	t.Cleanup(s.links.close)
	ended, end := context.WithCancel(ctx)
	end() // the waits in between
	for _, f := range s.linkFaults() {
		require.NoError(t, f.run(ended, s.config.random(1)), f.name)
	}
}

func TestWritesAreCountedByKind(t *testing.T) {
	t.Parallel()
	var counts tally
	counts.add("copy", 10, nil)
	counts.add("copy", 5, nil)
	counts.add("copy", 0, errors.New("gone"))
	require.Equal(t, map[string]Count{"copy": {Done: 2, Failed: 1, Rows: 15, Error: "gone"}}, counts.counts)
	require.Equal(t, Count{Done: 4, Failed: 2, Rows: 30}, sum(merge(map[string]Count{"other": {Done: 2, Failed: 1, Rows: 15}}, counts.counts)))
}

func TestAReportTellsWhatWasFoundAndHowToRunAgain(t *testing.T) {
	t.Parallel()
	config := Config{Seed: 7, Duration: 30 * time.Minute, Indexers: 2, Report: filepath.Join(t.TempDir(), "chaos.md")}
	report := newReport(config)
	report.add(&Round{Number: 1, Comparison: Comparison{Rows: 10, Documents: 10}, Faults: map[string]Count{"kill kafka": {Done: 2}}, DeadLetters: 3})
	var out strings.Builder
	require.NoError(t, report.finish(config, &out))
	require.Contains(t, out.String(), "EQUAL after each of 1 rounds")

	report.add(&Round{
		Number: 2, Comparison: Comparison{Rows: 20, Documents: 19, Missing: 1, Samples: []string{"4711: the row has no document"}},
		Faults: map[string]Count{"kill kafka": {Done: 1, Failed: 1, Error: "no|process"}}, ConnectorRestarts: []string{"slot"}, DeadLetters: 5,
	})
	require.ErrorIs(t, report.finish(config, &out), errRoundFailed)
	require.Contains(t, out.String(), "FAILED in round 2")
	require.Contains(t, out.String(), "make chaos SEED=7 DURATION=30m0s")

	markdown, err := os.ReadFile(config.Report)
	require.NoError(t, err)
	for _, want := range []string{
		"**FAILED.**", "| **differences** | **1** |", "| kill kafka | 3 | 1 | no\\|process |", "30 rows with 29 documents",
		"- round 2, difference: 4711: the row has no document", "- round 2, the connector had failed: slot", "among the dead letters | 5 |",
	} {
		require.Contains(t, string(markdown), want)
	}
	text, err := os.ReadFile(strings.TrimSuffix(config.Report, ".md") + ".json")
	require.NoError(t, err)
	var decoded Report
	require.NoError(t, json.Unmarshal(text, &decoded))
	require.Equal(t, report, &decoded)
}

// Offsets that are set back bring letters about messages from before the run.
func TestOldLettersAreNoFinding(t *testing.T) {
	t.Parallel()
	l := &letters{began: map[string]map[int]int64{"event-created": {3: 100}}}
	letter := func(topic, partition, offset string) message {
		return message{headers: []kafka.Header{
			{Key: "dlq-topic", Value: []byte(topic)}, {Key: "dlq-partition", Value: []byte(partition)}, {Key: "dlq-offset", Value: []byte(offset)},
		}}
	}
	require.True(t, l.older(letter("event-created", "3", "99")))
	require.False(t, l.older(letter("event-created", "3", "100")))
	require.False(t, l.older(letter("event-created", "2", "0")))
	require.False(t, l.older(letter("event-deleted", "3", "0")))
	require.False(t, l.older(message{}))
}

// A round that did not catch up has failed, although nothing was compared.
func TestAProblemFailsARound(t *testing.T) {
	t.Parallel()
	require.True(t, (&Round{Problems: []string{"did not catch up"}}).failed())
	require.False(t, (&Round{Warnings: []string{"look"}, ConnectorRestarts: []string{"slot"}}).failed())
}

func TestOnlyTheCausesOfATraceAreKept(t *testing.T) {
	t.Parallel()
	require.Equal(t, "events: task 0 FAILED / java.lang.Exception: no / Caused by: gone",
		causes("events: task 0 FAILED\njava.lang.Exception: no\n\tat a.b(C.java:1)\n\t... 3 more\nCaused by: gone\n\tat d.e\n"))
}

func TestWithoutAStackTheProgramSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := addressesFromEnvironment(func(string) string { return "" })
	require.ErrorContains(t, err, "STACK_STATE is not set")
	require.ErrorContains(t, err, "TEST_POSTGRES_URL is not set")
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	require.NoError(t, (&Config{Duration: time.Second, Indexers: 1, Report: "a.md"}).Validate())
	err := (&Config{Indexers: 9, Report: "a.txt"}).Validate()
	for _, flag := range []string{"--duration", "--indexers", "--report"} {
		require.ErrorContains(t, err, flag)
	}
}
