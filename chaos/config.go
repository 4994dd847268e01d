package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"
)

// Config is the program's command line.
type Config struct {
	Duration time.Duration `default:"10m" help:"How long to go on. The round that is under way then is finished."`
	Seed     uint64        `default:"1" help:"The same seed makes the same choices of writes and faults. How they meet in time is up to the machine."`
	Report   string        `placeholder:"FILE.md" help:"Where to put the report; its JSON form goes beside it."`
	Indexers int           `default:"2" help:"Indexers to run beside the stack's own, behind proxies that break their connections."`
	Root     string        `default:"." type:"existingdir" help:"The checkout, where .bin holds the programs."`
	Verbose  bool          `help:"Log every fault and every write that failed."`
}

// Validate is called by kong; its error names the flag.
func (c *Config) Validate() error {
	var problems []error
	check := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, errors.New(problem))
		}
	}
	check(c.Duration > 0, "--duration must be above 0")
	check(c.Indexers >= 1 && c.Indexers <= 5, "--indexers must be 1 to 5: there are six partitions")
	check(c.Report == "" || filepath.Ext(c.Report) == ".md", "--report must be a file that ends in .md")
	return errors.Join(problems...)
}

// random returns a generator of the run's seed. The stream keeps those apart that choose different things.
func (c *Config) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(c.Seed, stream)) //nolint:gosec // no secret is made of it
}

// addresses say where the stack is.
type addresses struct {
	State         string // its folder, where its control socket and the logs are
	Postgres      string // the superuser's URL
	Kafka         string // host:port
	KafkaProxied  string // host:port of the listener behind the proxy; empty for none
	KafkaProxy    string // host:port where that listener's clients look for it
	Connect       string // http://host:port, as the following
	Elasticsearch string
	EventAPI      string
	Indexer       string
}

func addressesFromEnvironment(getenv func(string) string) (addresses, error) {
	var problems []error
	required := func(variable string) string {
		value := getenv(variable)
		if value == "" {
			problems = append(problems, fmt.Errorf("%s is not set: put `go run ./stack exec --` before the command", variable))
		}
		return value
	}
	at := addresses{
		State:         required("STACK_STATE"),
		Postgres:      required("TEST_POSTGRES_URL"),
		Kafka:         required("TEST_KAFKA_BROKERS"),
		KafkaProxied:  getenv("TEST_KAFKA_PROXIED"),
		KafkaProxy:    getenv("TEST_KAFKA_PROXY"),
		Connect:       required("TEST_CONNECT_URL"),
		Elasticsearch: required("TEST_ELASTICSEARCH_URL"),
		EventAPI:      required("TEST_EVENTAPI_URL"),
		Indexer:       required("TEST_INDEXER_URL"),
	}
	return at, errors.Join(problems...)
}
