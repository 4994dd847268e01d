package native

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ticketing/stack/supervisor"
)

// The names of the components.
const (
	Postgres      = "postgres"
	Schema        = "schema"
	Kafka         = "kafka"
	Topics        = "topics"
	Connect       = "connect"
	Elasticsearch = "elasticsearch"
	Connector     = "connector"
	EventAPI      = "eventapi"
	EventSearch   = "eventsearch"
	Indexer       = "cdc-indexer"
)

// programs are the packages of our own programs that a component needs built.
var programs = map[string]string{
	EventAPI: "./eventapi", EventSearch: "./eventsearch", Indexer: "./cdc-indexer", Connector: "./connectors",
}

// companions are the steps without which a server is of no use. They come along when only it is asked for.
var companions = map[string]string{Postgres: Schema, Kafka: Topics}

// Components returns the whole table for the settings.
func Components(s Settings) []supervisor.Component {
	return []supervisor.Component{
		{
			Name: Postgres, Address: address(s.Ports.Postgres),
			Prepare: s.initPostgres, Owner: s.postgresOwner(), Command: s.postgresCommand(),
			Env:  []string{"LC_ALL=C.UTF-8"},
			Stop: syscall.SIGINT, StopWait: 30 * time.Second, // fast shutdown: sessions are ended, not waited for
			Ready: s.postgresReady,
		},
		{Name: Schema, After: []string{Postgres}, Step: s.applySchema},
		{
			Name: Kafka, Address: address(s.Ports.Kafka),
			Prepare: s.formatKafka, Command: s.java("256m", "512m", s.kafkaClasses(), "kafka.Kafka", s.config("server.properties")),
			StopWait: 30 * time.Second, Ready: s.kafkaReady,
		},
		{Name: Topics, After: []string{Kafka}, Step: s.createTopics},
		{
			Name: Connect, After: []string{Kafka}, Address: httpURL(s.Ports.Connect),
			Prepare: s.configureConnect,
			Command: s.java("256m", "512m", s.kafkaClasses(), "org.apache.kafka.connect.cli.ConnectDistributed", s.config("connect.properties")),
			Env: []string{
				"DATABASE_HOST=" + Host, "DATABASE_PORT=" + strconv.Itoa(s.Ports.Postgres), "DATABASE_NAME=" + Database,
				"DATABASE_USER=debezium", "DATABASE_PASSWORD=" + s.Passwords.Debezium,
			},
			StopWait: 20 * time.Second, Ready: httpReady(httpURL(s.Ports.Connect) + "/connectors"),
		},
		{
			Name: Elasticsearch, Address: httpURL(s.Ports.Elasticsearch),
			Prepare: s.configureElasticsearch, Command: s.elasticsearchCommand(),
			StopWait: 30 * time.Second,
			Ready:    httpReady(httpURL(s.Ports.Elasticsearch) + "/_cluster/health?wait_for_status=yellow&timeout=1s"),
		},
		{
			Name: EventAPI, After: []string{Schema}, Address: httpURL(s.Ports.EventAPI),
			Command: []string{s.Program(EventAPI)},
			Env: []string{
				"EVENTAPI_LISTEN=" + address(s.Ports.EventAPI),
				"EVENTAPI_DATABASE_URL=" + s.databaseURL("eventapi", s.Passwords.EventAPI, Database),
			},
			Inputs: []string{s.Program(EventAPI)},
			Ready:  httpReady(httpURL(s.Ports.EventAPI) + "/readyz"),
		},
		{
			// The slot must exist before the first write that is to be streamed, and the snapshot finds what is older.
			Name: Connector, After: []string{Connect, Schema, Topics}, Step: s.registerConnector,
		},
		{
			// It needs no connector to run, but it watches it, and without it nothing arrives.
			Name: Indexer, After: []string{Topics, Elasticsearch, Connector}, Address: httpURL(s.Ports.Indexer),
			Command: []string{s.Program(Indexer), "run"}, Dir: s.Root,
			Env: []string{
				"CDC_INDEXER_LISTEN=" + address(s.Ports.Indexer),
				"CDC_INDEXER_KAFKA_BROKERS=" + address(s.Ports.Kafka),
				"CDC_INDEXER_ELASTICSEARCH_URL=" + httpURL(s.Ports.Elasticsearch),
				"CDC_INDEXER_DATABASE_URL=" + s.databaseURL("indexer", s.Passwords.Indexer, Database),
				"CDC_INDEXER_CONNECT_URL=" + httpURL(s.Ports.Connect),
				"CDC_INDEXER_OPERATOR_TOKEN=" + s.Passwords.Operator,
			},
			Inputs:   []string{s.Program(Indexer), filepath.Join(s.Root, "cdc-indexer", "pipelines")},
			StopWait: 30 * time.Second,
			Ready:    httpReady(httpURL(s.Ports.Indexer) + "/readyz"),
		},
		{
			// It searches what the indexer has made: without an index it is not ready.
			Name: EventSearch, After: []string{Elasticsearch, Indexer}, Address: httpURL(s.Ports.EventSearch),
			Command: []string{s.Program(EventSearch)},
			Env: []string{
				"EVENTSEARCH_LISTEN=" + address(s.Ports.EventSearch),
				"EVENTSEARCH_ELASTICSEARCH_URL=" + httpURL(s.Ports.Elasticsearch),
				"EVENTSEARCH_INDEXER_URL=" + httpURL(s.Ports.Indexer), "EVENTSEARCH_EVENTAPI_URL=" + httpURL(s.Ports.EventAPI),
			},
			Inputs: []string{s.Program(EventSearch)},
			Ready:  httpReady(httpURL(s.Ports.EventSearch) + "/readyz"),
		},
	}
}

// Select returns the rows of the table that names ask for, with what they need, or all of it for no names.
func Select(table []supervisor.Component, names []string) ([]supervisor.Component, error) {
	if len(names) == 0 {
		return table, nil
	}
	wanted := map[string]bool{}
	var want func(name string) error
	want = func(name string) error {
		i := slices.IndexFunc(table, func(c supervisor.Component) bool { return c.Name == name })
		if i < 0 {
			return fmt.Errorf("component %q: %w; there are %s", name, supervisor.ErrUnknown, strings.Join(componentNames(table), ", "))
		}
		if wanted[name] {
			return nil
		}
		wanted[name] = true
		needs := table[i].After
		if companion, ok := companions[name]; ok {
			needs = append(slices.Clip(needs), companion)
		}
		for _, need := range needs {
			if err := want(need); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range names {
		if err := want(name); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(table), func(c supervisor.Component) bool { return !wanted[c.Name] }), nil
}

// Packages returns the Go packages to build for the rows of a table.
func Packages(table []supervisor.Component) []string {
	var packages []string
	for _, c := range table {
		if program, ok := programs[c.Name]; ok {
			packages = append(packages, program)
		}
	}
	return packages
}

func componentNames(table []supervisor.Component) []string {
	names := make([]string, len(table))
	for i, c := range table {
		names[i] = c.Name
	}
	return names
}
