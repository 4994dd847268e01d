package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

// parse parses a command line without ending the program.
func parse(t *testing.T, args ...string) (commandLine, error) {
	t.Helper()
	var cli commandLine
	parser, err := kong.New(&cli)
	require.NoError(t, err)
	_, err = parser.Parse(args)
	return cli, err
}

func run(args ...string) []string {
	return append([]string{"run", "--pipeline", "pipelines/events.yaml"}, args...)
}

func configFileWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	cli, err := parse(t, run()...)
	require.NoError(t, err)
	require.Equal(t, []string{"localhost:9092"}, cli.Run.KafkaBrokers)
	require.Equal(t, "http://localhost:9200", cli.Run.Elasticsearch.URL)
	require.Equal(t, ":8082", cli.Run.Listen)
}

func TestCommandLineBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	path := configFileWith(t, "listen: ':1'\nfetch-bytes: 2048\nconcurrency: 7\nkafka-brokers: ['a:1', 'b:2']\nelasticsearch-url: http://file:9200\n")
	t.Setenv("CDC_INDEXER_FETCH_BYTES", "4096")
	t.Setenv("CDC_INDEXER_LISTEN", ":2")
	cli, err := parse(t, run("--config", path, "--listen", ":3")...)
	require.NoError(t, err)
	require.Equal(t, ":3", cli.Run.Listen)
	require.Equal(t, 4096, cli.Run.FetchBytes)
	require.Equal(t, 7, cli.Run.Concurrency)
	require.Equal(t, []string{"a:1", "b:2"}, cli.Run.KafkaBrokers)
	require.Equal(t, "http://file:9200", cli.Run.Elasticsearch.URL)
	require.Equal(t, 10*time.Second, cli.Run.SessionTimeout)
}

func TestBadConfigurationIsRefusedByName(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"--kafka-brokers":         run("--kafka-brokers", "localhost"),
		"--fetch-bytes":           run("--fetch-bytes", "5"),
		"--concurrency":           run("--concurrency", "0"),
		"--refresh-share":         run("--refresh-share", "0"),
		"--session-timeout":       run("--session-timeout", "1s"),
		"--drain-timeout":         run("--drain-timeout", "1m"),
		"--operator-token":        run("--operator-token", "two words"),
		"--elasticsearch-timeout": run("--elasticsearch-timeout", "-1s"),
		"--log-level":             run("--log-level", "loud"),
		"absent.yaml":             {"run", "--pipeline", "absent.yaml"},
		`"lsten"`:                 run("--config", configFileWith(t, "lsten: ':1'")),
		"--config":                run("--config", "absent.yaml"),
		"concurrency":             run("--config", configFileWith(t, "concurrency: many")),
	}
	for want, args := range tests {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, args...)
			require.ErrorContains(t, err, want)
		})
	}
}

// What a job has no flag for is as it would be for the command, and what run was given stays.
func TestACommandWithoutItsFlags(t *testing.T) {
	t.Setenv("CDC_INDEXER_WAIT_TRANSACTIONS", "3m")
	command := &reindexBuildCommand{buildFlags: buildFlags{
		pipelineFlags: pipelineFlags{Pipeline: "pipelines/events.yaml"}, databaseFlags: databaseFlags{DatabaseURL: "postgres://x"},
	}, Resume: true}
	require.NoError(t, withDefaults(command))
	parsed, err := parse(t, "reindex", "--pipeline", "pipelines/events.yaml", "--database-url", "postgres://x", "--resume")
	require.NoError(t, err)
	command.Pipeline = parsed.Reindex.Build.Pipeline // the command line's is made absolute
	require.Equal(t, parsed.Reindex.Build, *command)
	require.Equal(t, 3*time.Minute, command.WaitTransactions)
	require.Equal(t, 2, command.Workers)
}
