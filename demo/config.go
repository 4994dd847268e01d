package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
)

// Config is the program's command line and environment.
type Config struct {
	Events      int           `default:"10000" help:"How many events to create. A fifth of them is changed afterwards, and a tenth deleted."`
	Concurrency int           `default:"4" help:"Requests at the same time."`
	Seed        uint64        `default:"1" help:"The same seed makes the same events."`
	Timeout     time.Duration `default:"2m" help:"How long the index may take to catch up."`
	Clean       bool          `help:"Delete the events of all runs of the demo, and write none."`

	EventAPIURL      string `name:"eventapi-url" env:"EVENTAPI_URL" default:"http://localhost:${eventapi_port}" help:"The REST API. EVENTAPI_PORT changes the port alone."`
	ElasticsearchURL string `env:"ELASTICSEARCH_URL" default:"http://localhost:${elasticsearch_port}" help:"Where to search. ELASTICSEARCH_PORT changes the port alone."`
	Index            string `default:"events" help:"The alias to search through."`
	DatabaseURL      string `env:"INDEXER_DATABASE_URL" help:"Where to read the table, with the role indexer of init-sql. Made of POSTGRES_PORT and INDEXER_DB_PASSWORD when not given." placeholder:"postgres://indexer:PASSWORD@localhost:5432/ticketing"`

	// Parts of the default DatabaseURL. Not shown, as --help would print the password.
	PostgresPort string `env:"POSTGRES_PORT" default:"5432" hidden:""`
	Password     string `env:"INDEXER_DB_PASSWORD" default:"indexer" hidden:""`
}

// variables are the parts of the defaults that the environment may change.
func variables(getenv func(string) string) kong.Vars {
	return kong.Vars{
		"eventapi_port":      cmp.Or(getenv("EVENTAPI_PORT"), "8080"),
		"elasticsearch_port": cmp.Or(getenv("ELASTICSEARCH_PORT"), "9200"),
	}
}

// Validate names every option that cannot work. Kong calls it.
func (c *Config) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(c.Events > 0, "--events must be at least 1")
	check(c.Concurrency > 0 && c.Concurrency <= 64, "--concurrency must be 1 to 64")
	check(c.Timeout > 0, "--timeout must be positive")
	check(c.Index != "", "--index must not be empty")
	check(isHTTP(c.EventAPIURL), "--eventapi-url (EVENTAPI_URL) must look like http://localhost:8080, not %q", c.EventAPIURL)
	check(isHTTP(c.ElasticsearchURL), "--elasticsearch-url (ELASTICSEARCH_URL) must look like http://localhost:9200, not %q", c.ElasticsearchURL)
	_, err := pgx.ParseConfig(c.databaseURL())
	check(err == nil, "--database-url (INDEXER_DATABASE_URL) must look like postgres://indexer:PASSWORD@localhost:5432/ticketing: %w", err)
	return errors.Join(problems...)
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (c *Config) databaseURL() string {
	if c.DatabaseURL != "" {
		return c.DatabaseURL
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("indexer", c.Password), Host: net.JoinHostPort("localhost", c.PostgresPort),
		Path: "/ticketing", RawQuery: "sslmode=disable",
	}
	return u.String()
}
