package containers

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/stack/native"
	"ticketing/stack/supervisor"
)

func settings(t *testing.T) native.Settings {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	return native.Settings{
		Root: root, State: "/tmp/stack-1",
		Ports:     native.Ports{Postgres: 1, Kafka: 2, Connect: 3, Elasticsearch: 4},
		Passwords: native.Passwords{Postgres: "p", EventAPI: "e", Debezium: "d", Indexer: "i"},
	}
}

// The compose file is the only place that names images, so every server of the native table must be found in it.
func TestComposeFileHoldsTheServers(t *testing.T) {
	t.Parallel()
	stack := &Stack{settings: settings(t)}
	services, err := readCompose(stack.settings)
	require.NoError(t, err)
	for name := range stack.ports() {
		require.NotEmpty(t, services[name].Image, name)
		require.NotEmpty(t, services[name].Environment, name)
	}
	require.Equal(t, "connectors/Dockerfile", services[native.Connect].Build.Dockerfile)
	require.Equal(t, "5432", services[native.Connect].Environment["DATABASE_PORT"], "numbers too")
	require.Equal(t, "d", services[native.Connect].Environment["DATABASE_PASSWORD"])
	require.Equal(t, "INTERNAL://kafka:29092,EXTERNAL://localhost:2", services[native.Kafka].Environment["KAFKA_ADVERTISED_LISTENERS"])
	require.Contains(t, services[native.Postgres].Command, "-cwal_level=logical")
	require.Contains(t, services[native.Postgres].Environment["PGOPTIONS"], "-c ticketing.indexer_password=i")
}

func TestTableReplacesServersAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	stack := &Stack{settings: settings(t)}
	before := native.Components(stack.settings)
	after := map[string]supervisor.Component{}
	for _, c := range stack.Table(before) {
		after[c.Name] = c
	}
	for _, c := range before {
		_, server := stack.ports()[c.Name]
		require.Equal(t, server || c.Step != nil, after[c.Name].Step != nil, c.Name)
		require.Subset(t, after[c.Name].After, c.After, c.Name)
	}
	require.Contains(t, after[native.Connect].After, imageStep)
	require.Contains(t, after, imageStep)
}

func TestInterpolate(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a 1 b two c", interpolate("a ${A:-one} b ${B:-two} c${C:-}", map[string]string{"A": "1"}))
}
