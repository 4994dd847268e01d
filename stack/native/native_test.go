package native

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/stack/supervisor"
)

func settings(t *testing.T) Settings {
	t.Helper()
	ports, err := FreePorts()
	require.NoError(t, err)
	return Settings{
		Root: "/checkout", State: t.TempDir(), Artifacts: "/artifacts", Ports: ports,
		Passwords: Passwords{Postgres: "p w", EventAPI: "e", Debezium: "d", Indexer: "i"},
	}
}

func TestPortsFromEnvironment(t *testing.T) {
	for _, port := range (&Ports{}).Each() {
		t.Setenv(port.Variable, "")
	}
	ports, err := PortsFromEnvironment()
	require.NoError(t, err)
	require.Equal(t, Ports{
		Postgres: 5432, Kafka: 9092, KafkaController: 9093, Connect: 8083,
		Elasticsearch: 9200, ElasticsearchTransport: 9300, EventAPI: 8080, EventSearch: 8081, Indexer: 8082,
	}, ports)

	t.Setenv("KAFKA_PORT", "19092")
	ports, err = PortsFromEnvironment()
	require.NoError(t, err)
	require.Equal(t, 19092, ports.Kafka)

	for _, wrong := range []string{"kafka", "0", "65536", "-1"} {
		t.Setenv("KAFKA_PORT", wrong)
		_, err = PortsFromEnvironment()
		require.ErrorContains(t, err, "KAFKA_PORT="+`"`+wrong+`"`)
	}
	t.Setenv("KAFKA_PORT", "9200")
	_, err = PortsFromEnvironment()
	require.ErrorContains(t, err, "KAFKA_PORT and ELASTICSEARCH_PORT are both 9200")
}

func TestFreePortsDiffer(t *testing.T) {
	t.Parallel()
	ports, err := FreePorts()
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, port := range ports.Each() {
		require.Positive(t, *port.Value, port.Variable)
		require.False(t, seen[*port.Value], port.Variable)
		seen[*port.Value] = true
	}
}

func TestPasswordsFromEnvironment(t *testing.T) {
	for _, variable := range []string{"POSTGRES_PASSWORD", "EVENTAPI_DB_PASSWORD", "DEBEZIUM_DB_PASSWORD", "INDEXER_DB_PASSWORD", "CDC_INDEXER_OPERATOR_TOKEN"} {
		t.Setenv(variable, "")
	}
	require.Equal(t, Passwords{"postgres", "eventapi", "debezium", "indexer", "operator"}, PasswordsFromEnvironment())
	t.Setenv("DEBEZIUM_DB_PASSWORD", "secret")
	require.Equal(t, "secret", PasswordsFromEnvironment().Debezium)
}

func TestPasswordsAreEscapedInURLs(t *testing.T) {
	t.Parallel()
	s := settings(t)
	s.Ports.Postgres = 5432
	require.Equal(t, "postgres://postgres:p%20w@127.0.0.1:5432/ticketing?sslmode=disable", s.Environment()["TEST_POSTGRES_URL"])
}

func TestTheTableCanBeRun(t *testing.T) {
	t.Parallel()
	_, err := supervisor.New(t.TempDir(), Components(settings(t)), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
}

func TestSelect(t *testing.T) {
	t.Parallel()
	table := Components(settings(t))
	for _, test := range []struct{ ask, want []string }{
		{nil, componentNames(table)},
		{[]string{Postgres}, []string{Postgres, Schema}},
		{[]string{Connect, Elasticsearch}, []string{Kafka, Topics, Connect, Elasticsearch}},
		{[]string{EventAPI}, []string{Postgres, Schema, EventAPI}},
		{[]string{Connector}, []string{Postgres, Schema, Kafka, Topics, Connect, Connector}},
		{[]string{Indexer}, []string{Postgres, Schema, Kafka, Topics, Connect, Elasticsearch, Connector, Indexer}},
		{[]string{EventSearch}, []string{Postgres, Schema, Kafka, Topics, Connect, Elasticsearch, Connector, Indexer, EventSearch}},
	} {
		selected, err := Select(table, test.ask)
		require.NoError(t, err)
		require.Equal(t, test.want, componentNames(selected))
	}
	_, err := Select(table, []string{"redis"})
	require.ErrorIs(t, err, supervisor.ErrUnknown)
	require.ErrorContains(t, err, "there are postgres, schema")
	require.Equal(t, []string{"./eventapi", "./connectors", "./cdc-indexer", "./eventsearch"}, Packages(table))
}

func TestConfigurationIsFilledIn(t *testing.T) {
	t.Parallel()
	s := settings(t)
	require.NoError(t, s.configure("server.properties", "server.properties"))
	require.NoError(t, s.configureConnect(t.Context(), nil))
	require.NoError(t, s.configureElasticsearch(t.Context(), nil))
	for file, want := range map[string]string{
		"server.properties":               "advertised.listeners=PLAINTEXT://" + address(s.Ports.Kafka) + ",",
		"connect.properties":              "plugin.path=/artifacts/plugins\n",
		"elasticsearch/elasticsearch.yml": `path.data: "` + s.Data(Elasticsearch) + `"`,
	} {
		text, err := os.ReadFile(s.config(file))
		require.NoError(t, err)
		require.Contains(t, string(text), want)
		require.NotContains(t, string(text), "{{")
	}
}

// Only a private stack has a second Kafka listener, which sends its clients to a proxy.
func TestKafkaBehindAProxy(t *testing.T) {
	t.Parallel()
	s := settings(t)
	listeners := func() string {
		require.NoError(t, s.configure("server.properties", "server.properties"))
		text, err := os.ReadFile(s.config("server.properties"))
		require.NoError(t, err)
		return string(text)
	}
	require.Contains(t, listeners(), ",PROXIED://"+s.Environment()["TEST_KAFKA_PROXIED"]+"\n")
	require.Contains(t, listeners(), ",PROXIED://"+s.Environment()["TEST_KAFKA_PROXY"]+"\n")

	s.Ports.KafkaProxied, s.Ports.KafkaProxy = 0, 0
	require.NotContains(t, listeners(), "PROXIED://")
	require.NotContains(t, s.Environment(), "TEST_KAFKA_PROXY")
}

func TestClosedFolders(t *testing.T) {
	t.Parallel()
	open := t.TempDir()
	require.False(t, closed("/usr/bin"))
	inside := filepath.Join(open, "private", "state")
	require.NoError(t, os.MkdirAll(inside, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(inside), 0o700))
	require.True(t, closed(inside))
	require.True(t, closed(filepath.Join(inside, "not", "yet")))
}
