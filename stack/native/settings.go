// Package native knows the components of the stack and how to run them as plain processes: what they need, their
// command lines, their configuration, and how to see that they are ready.
package native

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

// Host is the address that everything listens on.
const Host = "127.0.0.1"

// Database is the name of the database that holds the events.
const Database = "ticketing"

// Settings say where a stack keeps its state, where it listens, and with which passwords.
type Settings struct {
	Root      string // the checkout
	State     string // the folder of data, logs and configuration
	Artifacts string // what Fetch has laid out
	Ports     Ports
	Passwords Passwords
}

// Ports are the TCP ports of the components.
type Ports struct {
	Postgres, Kafka, KafkaController, Connect, Elasticsearch, ElasticsearchTransport, EventAPI, EventSearch, Indexer int

	// KafkaProxied is a second port of Kafka, whose clients are sent on to KafkaProxy: that is where the fault tests put
	// a proxy between the two. Private stacks have them; zero is none.
	KafkaProxied, KafkaProxy int
}

// Passwords are those of the database's superuser and of the roles of init-sql.
type Passwords struct {
	Postgres, EventAPI, Debezium, Indexer string
	Operator                              string // the token of cdc-indexer's operations API
}

// Port is one port with the environment variable that changes it.
type Port struct {
	Variable string
	Default  int
	Value    *int
}

// Each lists the ports, for those who set or check them.
func (p *Ports) Each() []Port {
	return []Port{
		{"POSTGRES_PORT", 5432, &p.Postgres},
		{"KAFKA_PORT", 9092, &p.Kafka},
		{"KAFKA_CONTROLLER_PORT", 9093, &p.KafkaController},
		{"CONNECT_PORT", 8083, &p.Connect},
		{"ELASTICSEARCH_PORT", 9200, &p.Elasticsearch},
		{"ELASTICSEARCH_TRANSPORT_PORT", 9300, &p.ElasticsearchTransport},
		{"EVENTAPI_PORT", 8080, &p.EventAPI},
		{"EVENTSEARCH_PORT", 8081, &p.EventSearch},
		{"INDEXER_PORT", 8082, &p.Indexer},
	}
}

// PortsFromEnvironment returns the default ports with those that the environment names instead.
func PortsFromEnvironment() (Ports, error) {
	var ports Ports
	taken := map[int]string{}
	for _, port := range ports.Each() {
		*port.Value = port.Default
		if value := os.Getenv(port.Variable); value != "" {
			number, err := strconv.ParseUint(value, 10, 16)
			if err != nil || number == 0 {
				return Ports{}, fmt.Errorf("%s=%q: a port is a number from 1 to 65535", port.Variable, value)
			}
			*port.Value = int(number)
		}
		if other, twice := taken[*port.Value]; twice {
			return Ports{}, fmt.Errorf("%s and %s are both %d: give one of them another port", other, port.Variable, *port.Value)
		}
		taken[*port.Value] = port.Variable
	}
	return ports, nil
}

// FreePorts returns ports that nobody listens on at the moment, for a private stack.
func FreePorts() (Ports, error) {
	var ports Ports
	for _, port := range append(ports.Each(), Port{Value: &ports.KafkaProxied}, Port{Value: &ports.KafkaProxy}) {
		// All stay open until the last is found, so that no two are the same.
		listener, err := net.Listen("tcp", Host+":0") //nolint:noctx // does not wait
		if err != nil {
			return Ports{}, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		*port.Value = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// PasswordsFromEnvironment returns the development passwords with those that the environment names instead.
func PasswordsFromEnvironment() Passwords {
	value := func(variable, development string) string {
		if password := os.Getenv(variable); password != "" {
			return password
		}
		return development
	}
	return Passwords{
		Postgres: value("POSTGRES_PASSWORD", "postgres"),
		EventAPI: value("EVENTAPI_DB_PASSWORD", "eventapi"),
		Debezium: value("DEBEZIUM_DB_PASSWORD", "debezium"),
		Indexer:  value("INDEXER_DB_PASSWORD", "indexer"),
		Operator: value("CDC_INDEXER_OPERATOR_TOKEN", "operator"),
	}
}

// Data is the folder that holds a component's data.
func (s Settings) Data(component string) string { return filepath.Join(s.State, "data", component) }

// Logs is the folder of the logs.
func (s Settings) Logs() string { return filepath.Join(s.State, "logs") }

func (s Settings) config(name string) string { return filepath.Join(s.State, "config", name) }

// Program is the path of one of our own programs.
func (s Settings) Program(name string) string { return filepath.Join(s.Root, ".bin", name) }

func (s Settings) databaseURL(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password), Host: address(s.Ports.Postgres),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func address(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }

func httpURL(port int) string { return "http://" + address(port) }

// Environment returns the variables by which tests and tools find this stack.
func (s Settings) Environment() map[string]string {
	variables := map[string]string{
		"STACK_STATE":            s.State,
		"TEST_POSTGRES_URL":      s.databaseURL("postgres", s.Passwords.Postgres, Database),
		"TEST_KAFKA_BROKERS":     address(s.Ports.Kafka),
		"TEST_CONNECT_URL":       httpURL(s.Ports.Connect),
		"TEST_ELASTICSEARCH_URL": httpURL(s.Ports.Elasticsearch),
		"TEST_EVENTAPI_URL":      httpURL(s.Ports.EventAPI),
		"TEST_EVENTSEARCH_URL":   httpURL(s.Ports.EventSearch),
		"TEST_INDEXER_URL":       httpURL(s.Ports.Indexer),
		"POSTGRES_PASSWORD":      s.Passwords.Postgres,
		"EVENTAPI_DB_PASSWORD":   s.Passwords.EventAPI,
		"DEBEZIUM_DB_PASSWORD":   s.Passwords.Debezium,
		"INDEXER_DB_PASSWORD":    s.Passwords.Indexer,

		"CDC_INDEXER_OPERATOR_TOKEN": s.Passwords.Operator,
	}
	if s.Ports.KafkaProxied != 0 {
		variables["TEST_KAFKA_PROXIED"] = address(s.Ports.KafkaProxied)
		variables["TEST_KAFKA_PROXY"] = address(s.Ports.KafkaProxy)
	}
	return variables
}
