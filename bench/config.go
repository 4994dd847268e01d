package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
)

// runCommand is the command line of a run.
type runCommand struct {
	Only    []string `sep:"," placeholder:"NAME" help:"Measure these only: ceiling, catchup, lean, apart, peers, reindex, freshness, verify, eventapi, scaling, growth. Default: all."`
	Rounds  int      `default:"3" help:"How often everything is measured, in turns."`
	WarmUps int      `default:"4" help:"Rounds before, which are not counted: Elasticsearch compiles its hot code for minutes."`
	Events  int      `default:"100000" help:"Rows, and so events in the backlog."`
	Sizes   []int    `sep:"," default:"10000,100000,1000000" help:"Numbers of rows that reindex and catch-up are measured with, for growth: rates and memory."`
	Bytes   []int    `sep:"," default:"500,2000,16000" help:"Sizes of documents that catch-up is measured with, for growth."`
	Seconds int      `default:"60" help:"How long a load of writes goes on: freshness, eventapi."`
	Beside  []string `sep:"," placeholder:"FILE" type:"existingfile" help:"Other builds of cdc-indexer to measure catch-up and freshness with, in the same rounds: to hold two versions against each other."`
	Install bool     `help:"Install the other programs that are missing: Debian packages, as root, and Python packages into a folder of their own."`
	Results string   `default:".stack/bench/results.json" placeholder:"FILE.json" help:"Where to put the results; results of what is not measured this time are kept. The report goes beside it."`
	Report  string   `placeholder:"FILE.md" help:"Where to put the report. Its plots go into a folder beside it. Default: beside the results."`
	Root    string   `default:"." type:"existingdir" help:"The checkout, where .bin holds the programs."`
}

// The names of what can be measured.
const (
	ceiling   = "ceiling"
	catchUp   = "catchup"
	lean      = "lean"
	apart     = "apart"
	peers     = "peers"
	reindex   = "reindex"
	freshness = "freshness"
	verify    = "verify"
	eventAPI  = "eventapi"
	scaling   = "scaling"
	growth    = "growth"
)

var everything = []string{ceiling, catchUp, lean, apart, peers, reindex, freshness, verify, eventAPI, scaling, growth}

// Validate is called by kong; its error names the flag.
func (c *runCommand) Validate() error {
	var problems []error
	check := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, errors.New(problem))
		}
	}
	for _, name := range c.Only {
		check(slices.Contains(everything, name), fmt.Sprintf("--only: there is no %q; there are %v", name, everything))
	}
	check(c.Rounds >= 1 && c.Rounds <= 100, "--rounds must be 1 to 100")
	check(c.WarmUps >= 0 && c.WarmUps <= 100, "--warm-ups must be 0 to 100")
	check(c.Events >= 1000 && c.Events <= 10_000_000, "--events must be 1000 to 10000000")
	check(c.Seconds >= 2 && c.Seconds <= 3600, "--seconds must be 2 to 3600")
	for _, size := range c.Sizes {
		check(size >= 1000 && size <= 10_000_000, "--sizes must be 1000 to 10000000 each")
	}
	for _, size := range c.Bytes {
		check(size >= 300 && size <= 1_000_000, "--bytes must be 300 to 1000000 each")
	}
	check(filepath.Ext(c.Results) == ".json", "--results must be a file that ends in .json")
	return errors.Join(problems...)
}

// wants says whether one of these is to be measured.
func (c *runCommand) wants(names ...string) bool {
	return len(c.Only) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(c.Only, name) })
}

// addresses say where the stack is.
type addresses struct {
	State         string // its folder
	Postgres      string // the superuser's URL
	IndexerURL    string // the same database as the role indexer
	Kafka         string // host:port
	Connect       string // http://host:port, as the following
	Elasticsearch string
	EventAPI      string
}

func addressesFromEnvironment(getenv func(string) string) (addresses, error) {
	var problems []error
	required := func(variable string) string {
		value := getenv(variable)
		if value == "" {
			problems = append(problems, fmt.Errorf("%s is not set: use `make bench`, or put `go run ./stack exec --` before the command", variable))
		}
		return value
	}
	at := addresses{
		State:         required("STACK_STATE"),
		Postgres:      required("TEST_POSTGRES_URL"),
		Kafka:         required("TEST_KAFKA_BROKERS"),
		Connect:       required("TEST_CONNECT_URL"),
		Elasticsearch: required("TEST_ELASTICSEARCH_URL"),
		EventAPI:      required("TEST_EVENTAPI_URL"),
	}
	if len(problems) > 0 {
		return at, errors.Join(problems...)
	}
	database, err := url.Parse(at.Postgres)
	if err != nil {
		return at, fmt.Errorf("TEST_POSTGRES_URL: %w", err)
	}
	database.User = url.UserPassword("indexer", required("INDEXER_DB_PASSWORD"))
	at.IndexerURL = database.String()
	return at, errors.Join(problems...)
}

func (c *runCommand) program(name string) string {
	path, err := filepath.Abs(filepath.Join(c.Root, ".bin", name))
	if err != nil {
		return name // started from where it is looked for then
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
