package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"ticketing/eventsearch/elastic"
	"ticketing/eventsearch/httpapi"
	"ticketing/eventsearch/pipeline"
	"ticketing/internal/esclient"
	"ticketing/internal/rest"
)

// Config is the program's command line and environment.
type Config struct {
	Listen    string     `default:":8081" env:"EVENTSEARCH_LISTEN" help:"Address to listen on."`
	LogLevel  slog.Level `default:"info" env:"EVENTSEARCH_LOG_LEVEL" help:"debug, info, warn or error."`
	LogFormat string     `default:"json" enum:"json,text" env:"EVENTSEARCH_LOG_FORMAT" help:"json or text."`

	Elasticsearch elasticsearch `embed:"" prefix:"elasticsearch-"`
	ReadAlias     string        `default:"events" env:"EVENTSEARCH_READ_ALIAS" help:"Alias to search through; it hides deleted events."`
	WriteAlias    string        `default:"events-write" env:"EVENTSEARCH_WRITE_ALIAS" help:"Alias that shows the tombstones of deleted events, too. Read only, and only for requests with after=."`

	MaxInFlight    int           `default:"128" env:"EVENTSEARCH_MAX_IN_FLIGHT" help:"Requests carried out at the same time, those that wait for a write included (503 beyond)."`
	MaxSearches    int           `default:"32" env:"EVENTSEARCH_MAX_SEARCHES" help:"Searches at the same time (503 beyond)."`
	MaxSuggestions int           `default:"16" env:"EVENTSEARCH_MAX_SUGGESTIONS" help:"Suggestions at the same time (503 beyond)."`
	MaxWaits       int           `default:"64" env:"EVENTSEARCH_MAX_WAITS" help:"Requests that wait for a write at the same time; those beyond do not wait."`
	SearchTimeout  time.Duration `default:"3s" env:"EVENTSEARCH_SEARCH_TIMEOUT" help:"For Elasticsearch to carry out one search (503 beyond)."`
	SuggestTimeout time.Duration `default:"500ms" env:"EVENTSEARCH_SUGGEST_TIMEOUT" help:"For a suggestion (503 beyond)."`
	RequestTimeout time.Duration `default:"20s" env:"EVENTSEARCH_REQUEST_TIMEOUT" help:"For a request to be carried out (503 beyond)."`
	CursorTTL      time.Duration `default:"2m" name:"cursor-ttl" env:"EVENTSEARCH_CURSOR_TTL" help:"How long Elasticsearch keeps the index as it was for the next page of a search (410 beyond)."`
	MaxAnswerBytes int64         `default:"33554432" env:"EVENTSEARCH_MAX_ANSWER_BYTES" help:"Largest answer of Elasticsearch; pages of large events get shorter."`

	Pipeline    bool   `default:"true" negatable:"" env:"EVENTSEARCH_PIPELINE" help:"Serve the pipeline page at /pipeline, for operators. A public search should not."`
	IndexerURL  string `name:"indexer-url" default:"http://localhost:8082" env:"EVENTSEARCH_INDEXER_URL" help:"Where the pipeline page finds cdc-indexer."`
	EventAPIURL string `name:"eventapi-url" default:"http://localhost:8080" env:"EVENTSEARCH_EVENTAPI_URL" help:"Where the pipeline page writes events to trace."`

	ReadHeaderTimeout time.Duration `default:"5s" env:"EVENTSEARCH_READ_HEADER_TIMEOUT" help:"For a request's header to arrive."`
	ReadTimeout       time.Duration `default:"10s" env:"EVENTSEARCH_READ_TIMEOUT" help:"For a whole request to arrive."`
	WriteTimeout      time.Duration `default:"30s" env:"EVENTSEARCH_WRITE_TIMEOUT" help:"For a request to be answered, its arrival included."`
	IdleTimeout       time.Duration `default:"120s" env:"EVENTSEARCH_IDLE_TIMEOUT" help:"For the next request of a connection."`
	ShutdownDelay     time.Duration `default:"1s" env:"EVENTSEARCH_SHUTDOWN_DELAY" help:"Between /readyz turning 503 and no longer listening."`
	ShutdownTimeout   time.Duration `default:"20s" env:"EVENTSEARCH_SHUTDOWN_TIMEOUT" help:"For running requests to end."`
}

type elasticsearch struct {
	URL      string        `name:"url" default:"http://localhost:9200" env:"EVENTSEARCH_ELASTICSEARCH_URL" help:"Address of Elasticsearch."`
	Username string        `env:"EVENTSEARCH_ELASTICSEARCH_USERNAME" help:"For basic authentication."`
	Password string        `env:"EVENTSEARCH_ELASTICSEARCH_PASSWORD" help:"For basic authentication."`
	APIKey   string        `name:"api-key" env:"EVENTSEARCH_ELASTICSEARCH_API_KEY" help:"Goes before username and password."`
	CAFile   string        `name:"ca-file" type:"existingfile" env:"EVENTSEARCH_ELASTICSEARCH_CA_FILE" help:"PEM file of the authority that signed the server's certificate."`
	Timeout  time.Duration `default:"5s" env:"EVENTSEARCH_ELASTICSEARCH_TIMEOUT" help:"Bound of one request."`
}

// Validate names every option that cannot work. Kong calls it.
func (c *Config) Validate() error {
	var errs []error
	if _, err := esclient.New(c.client()); err != nil {
		errs = append(errs, fmt.Errorf("--elasticsearch-url (EVENTSEARCH_ELASTICSEARCH_URL): %w", err))
	}
	if c.Pipeline {
		if _, err := pipeline.New(c.pipeline(), nil); err != nil {
			errs = append(errs, err)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("--listen (EVENTSEARCH_LISTEN) must be HOST:PORT or :PORT: %w", err))
	}
	for option, value := range map[string]string{"read-alias": c.ReadAlias, "write-alias": c.WriteAlias} {
		if value == "" {
			errs = append(errs, fmt.Errorf("--%s must not be empty", option))
		}
	}
	for _, limit := range []struct {
		option string
		value  int64
	}{
		{"elasticsearch-timeout", int64(c.Elasticsearch.Timeout)},
		{"max-in-flight", int64(c.MaxInFlight)},
		{"max-searches", int64(c.MaxSearches)},
		{"max-suggestions", int64(c.MaxSuggestions)},
		{"max-waits", int64(c.MaxWaits)},
		{"search-timeout", c.SearchTimeout.Milliseconds()},
		{"suggest-timeout", int64(c.SuggestTimeout)},
		{"request-timeout", int64(c.RequestTimeout)},
		{"cursor-ttl", c.CursorTTL.Milliseconds()},
		{"max-answer-bytes", c.MaxAnswerBytes},
		{"read-header-timeout", int64(c.ReadHeaderTimeout)},
		{"read-timeout", int64(c.ReadTimeout)},
		{"write-timeout", int64(c.WriteTimeout)},
		{"idle-timeout", int64(c.IdleTimeout)},
		{"shutdown-timeout", int64(c.ShutdownTimeout)},
	} {
		if limit.value <= 0 {
			errs = append(errs, fmt.Errorf("--%s must be positive", limit.option))
		}
	}
	for option, value := range map[string]time.Duration{"search-timeout": c.SearchTimeout, "suggest-timeout": c.SuggestTimeout} {
		if request := c.Elasticsearch.Timeout; value > request {
			errs = append(errs, fmt.Errorf("--%s (%s) must not be longer than --elasticsearch-timeout (%s), which ends its request", option, value, request))
		}
	}
	if c.ShutdownDelay < 0 {
		errs = append(errs, errors.New("--shutdown-delay must not be negative"))
	}
	return errors.Join(errs...)
}

func (c *Config) client() esclient.Config {
	e := c.Elasticsearch
	return esclient.Config{
		URL: e.URL, Username: e.Username, Password: e.Password, APIKey: e.APIKey, CAFile: e.CAFile, Timeout: e.Timeout,
		MaxAnswer: c.MaxAnswerBytes,
	}
}

func (c *Config) index() elastic.Config {
	return elastic.Config{ReadAlias: c.ReadAlias, WriteAlias: c.WriteAlias, SearchTimeout: c.SearchTimeout, CursorTTL: c.CursorTTL}
}

func (c *Config) pipeline() pipeline.Config {
	return pipeline.Config{IndexerURL: c.IndexerURL, EventAPIURL: c.EventAPIURL}
}

func (c *Config) api() httpapi.Config {
	return httpapi.Config{
		MaxInFlight:    c.MaxInFlight,
		MaxSearches:    c.MaxSearches,
		MaxSuggestions: c.MaxSuggestions,
		MaxWaits:       c.MaxWaits,
		RequestTimeout: c.RequestTimeout,
		SuggestTimeout: c.SuggestTimeout,
	}
}

func (c *Config) serve() rest.ServeConfig {
	return rest.ServeConfig{
		Listen:            c.Listen,
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		ReadTimeout:       c.ReadTimeout,
		WriteTimeout:      c.WriteTimeout,
		IdleTimeout:       c.IdleTimeout,
		ShutdownDelay:     c.ShutdownDelay,
		ShutdownTimeout:   c.ShutdownTimeout,
	}
}
