package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/health"
	"ticketing/internal/testenv"
)

// statusOf runs the command and returns its error with what it printed.
func statusOf(t *testing.T, args ...string) (text string, err error) {
	t.Helper()
	cli, err := parse(t, append([]string{"status"}, args...)...)
	require.NoError(t, err)
	var out strings.Builder
	err = cli.Status.run(testenv.Context(t, time.Minute), &out, false)
	return out.String(), err
}

// silent returns the address of a server that takes connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var taking sync.WaitGroup
	taking.Go(func() {
		var taken []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			taken = append(taken, conn)
		}
		for _, conn := range taken {
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		taking.Wait()
	})
	return listener.Addr().String()
}

// Whatever is down, and however it is down, the answer comes within the bound and names each part.
func TestStatusNamesEveryPartThatIsDown(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(*testing.T) string{
		"nobody listens": func(t *testing.T) string { t.Helper(); return fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)) },
		"nobody answers": silent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			text, err := statusOf(t, "--pipeline", "pipelines/events.yaml", "--json",
				"--database-url", "postgres://indexer:indexer@"+address(t)+"/ticketing?sslmode=disable",
				"--kafka-brokers", address(t), "--connect-url", "http://"+address(t),
				"--elasticsearch-url", "http://"+address(t), "--indexer-url", "http://"+address(t))
			require.ErrorIs(t, err, errNo)
			require.Less(t, time.Since(start), 6*time.Second)
			var report health.Report
			require.NoError(t, json.Unmarshal([]byte(text), &report))
			require.False(t, report.OK)
			states := map[health.Part]health.State{}
			for _, f := range report.Findings {
				states[f.Part] = f.State
				if f.State == health.Failed {
					require.Contains(t, f.Summary, "cannot be asked")
					require.NotEmpty(t, f.Action)
				}
			}
			for _, part := range []health.Part{
				health.PartPostgres, health.PartConnector, health.PartKafka, health.PartElasticsearch, health.PartIndexer,
			} {
				require.Equal(t, health.Failed, states[part], part)
				delete(states, part)
			}
			for part, state := range states {
				require.Equal(t, health.Unknown, state, part)
			}
		})
	}
}

func TestStatusDefaults(t *testing.T) {
	t.Parallel()
	cli, err := parse(t, "status", "--pipeline", "pipelines/events.yaml")
	require.NoError(t, err)
	require.Equal(t, "http://localhost:8082", cli.Status.IndexerURL)
	require.Equal(t, "http://localhost:8083", cli.Status.ConnectURL)
	require.Contains(t, cli.Status.DatabaseURL, "localhost:5432")
	require.EqualValues(t, 2<<30, cli.Status.MaxSlotWAL)
	require.Equal(t, time.Second, cli.Status.MaxClockSkew)
	require.Less(t, cli.Status.Timeout, 5*time.Second)

	for want, flag := range map[string]string{
		"--max-slot-wal": "--max-slot-wal=0", "--max-clock-skew": "--max-clock-skew=0s", "--max-lag": "--max-lag=0s",
		"--timeout": "--timeout=0s", "--kafka-brokers": "--kafka-brokers=x", "--elasticsearch-timeout": "--elasticsearch-timeout=0s",
	} {
		_, err := parse(t, "status", "--pipeline", "pipelines/events.yaml", flag)
		require.ErrorContains(t, err, want)
	}
	_, err = statusOf(t, "--pipeline", "pipelines/events.yaml", "--connect-url", "localhost")
	require.ErrorContains(t, err, "--connect-url")
}

// Without the addresses that watching takes, run consumes all the same.
func TestRunWatchesOnlyWhatItIsTold(t *testing.T) {
	t.Parallel()
	cli, err := parse(t, run()...)
	require.NoError(t, err)
	require.Empty(t, cli.Run.Watch.DatabaseURL)
	require.Empty(t, cli.Run.Watch.ConnectURL)
	require.Equal(t, 30*time.Second, cli.Run.Watch.CheckInterval)
	_, err = parse(t, run("--check-interval", "10ms")...)
	require.ErrorContains(t, err, "--check-interval")
	_, err = parse(t, run("--max-slot-wal", "-1")...)
	require.ErrorContains(t, err, "--max-slot-wal")
}

// Failed findings hold readiness up, warnings do not, and neither hides what the indexer says of itself.
func TestReadinessTakesInWhatIsAround(t *testing.T) {
	t.Parallel()
	consumers := make([]string, 1, 5)
	consumers[0] = "offsets 1 to 2 were skipped"
	answer := readyAnswer{Ready: true, Warnings: consumers, Parts: map[string]string{"index": "no alias"}, Checks: map[string]string{}}
	answer.add([]health.Finding{
		{Part: health.PartTopics, State: health.OK, Summary: "3 topics"},
		{Part: health.PartClock, State: health.Warning, Summary: "it is late", Action: "Set it."},
		{Part: health.PartKafka, State: health.Failed, Summary: "an old story"},
	})
	require.True(t, answer.Ready)
	require.Equal(t, map[string]string{"topics": "ok"}, answer.Checks, "of Kafka the indexer itself knows more")
	require.Equal(t, []string{"offsets 1 to 2 were skipped", "clock: it is late. Set it."}, answer.Warnings)
	require.Empty(t, consumers[:2][1], "the consumer's own list stays as it is")

	answer.add([]health.Finding{
		{Part: health.PartSlot, State: health.Failed, Summary: "it is lost"},
		{Part: health.PartIndex, State: health.Failed, Summary: "it is red"},
		{Part: health.PartIndex, State: health.Failed, Summary: "it is blocked"},
	})
	require.False(t, answer.Ready)
	require.Equal(t, map[string]string{"topics": "ok", "slot": "it is lost", "index": "it is red; it is blocked"}, answer.Checks)
	require.Equal(t, map[string]string{"index": "no alias"}, answer.Parts)
}

func TestAskIndexerKnowsWhoAnswers(t *testing.T) {
	t.Parallel()
	address := testenv.Address(t, testenv.ElasticsearchURL)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := askIndexer(ctx, address)
	require.ErrorContains(t, err, "is no cdc-indexer")
}

func TestPrintJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	command := statusCommand{JSON: true}
	require.NoError(t, command.print(&out, health.Judge(health.Facts{}, health.About{}, health.Limits{}), true))
	require.NotContains(t, out.String(), "\x1b")
	require.True(t, json.Valid(out.Bytes()))
}
