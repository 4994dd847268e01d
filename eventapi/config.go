package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"ticketing/eventapi/httpapi"
	"ticketing/eventapi/postgres"
	"ticketing/internal/rest"
)

// Config is the program's command line and environment.
type Config struct {
	Listen         string     `default:":8080" env:"EVENTAPI_LISTEN" help:"Address to listen on."`
	DatabaseURL    string     `env:"EVENTAPI_DATABASE_URL" help:"Postgres URL, with the role eventapi of init-sql. Required; better in the environment than on the command line, where every user sees it." placeholder:"postgres://eventapi:PASSWORD@localhost:5432/ticketing"`
	RequireIfMatch bool       `env:"EVENTAPI_REQUIRE_IF_MATCH" help:"Refuse PUT, PATCH and DELETE without If-Match (428)."`
	LogLevel       slog.Level `default:"info" env:"EVENTAPI_LOG_LEVEL" help:"debug, info, warn or error."`
	LogFormat      string     `default:"json" enum:"json,text" env:"EVENTAPI_LOG_FORMAT" help:"json or text."`

	MaxBodyBytes int64 `default:"16777216" env:"EVENTAPI_MAX_BODY_BYTES" help:"Largest request body (413 beyond)."`
	MaxInFlight  int   `default:"64" env:"EVENTAPI_MAX_IN_FLIGHT" help:"Requests carried out at the same time (503 beyond)."`
	MaxConns     int32 `default:"10" env:"EVENTAPI_MAX_CONNS" help:"Database connections."`

	ReadHeaderTimeout time.Duration `default:"5s" env:"EVENTAPI_READ_HEADER_TIMEOUT" help:"For a request's header to arrive."`
	ReadTimeout       time.Duration `default:"30s" env:"EVENTAPI_READ_TIMEOUT" help:"For a whole request to arrive (408 beyond)."`
	WriteTimeout      time.Duration `default:"60s" env:"EVENTAPI_WRITE_TIMEOUT" help:"For a request to be answered, its arrival included."`
	IdleTimeout       time.Duration `default:"120s" env:"EVENTAPI_IDLE_TIMEOUT" help:"For the next request of a connection."`
	RequestTimeout    time.Duration `default:"45s" env:"EVENTAPI_REQUEST_TIMEOUT" help:"For a request to be carried out, its arrival included (503 beyond)."`
	StatementTimeout  time.Duration `default:"10s" env:"EVENTAPI_STATEMENT_TIMEOUT" help:"For one SQL statement, waiting for locks included (503 beyond)."`
	ConnectTimeout    time.Duration `default:"5s" env:"EVENTAPI_CONNECT_TIMEOUT" help:"For a database connection."`
	ShutdownDelay     time.Duration `default:"1s" env:"EVENTAPI_SHUTDOWN_DELAY" help:"Between /readyz turning 503 and no longer listening."`
	ShutdownTimeout   time.Duration `default:"20s" env:"EVENTAPI_SHUTDOWN_TIMEOUT" help:"For running requests to end."`

	IdempotencyTTL time.Duration `default:"24h" env:"EVENTAPI_IDEMPOTENCY_TTL" help:"How long answers to requests with an Idempotency-Key are kept."`
	PurgeInterval  time.Duration `default:"5m" env:"EVENTAPI_PURGE_INTERVAL" help:"How often older ones are deleted."`
}

// Validate names every option that cannot work. Kong calls it.
func (c *Config) Validate() error {
	var errs []error
	if c.DatabaseURL == "" {
		errs = append(errs, errors.New("--database-url (EVENTAPI_DATABASE_URL) is required, "+
			"such as postgres://eventapi:PASSWORD@localhost:5432/ticketing"))
	} else if err := postgres.CheckURL(c.DatabaseURL); err != nil {
		errs = append(errs, fmt.Errorf("--database-url (EVENTAPI_DATABASE_URL): %w", err))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("--listen (EVENTAPI_LISTEN) must be HOST:PORT or :PORT: %w", err))
	}
	for _, limit := range []struct {
		option string
		value  int64
	}{
		{"max-body-bytes", c.MaxBodyBytes},
		{"max-in-flight", int64(c.MaxInFlight)},
		{"max-conns", int64(c.MaxConns)},
		{"read-header-timeout", int64(c.ReadHeaderTimeout)},
		{"read-timeout", int64(c.ReadTimeout)},
		{"write-timeout", int64(c.WriteTimeout)},
		{"idle-timeout", int64(c.IdleTimeout)},
		{"request-timeout", int64(c.RequestTimeout)},
		{"statement-timeout", c.StatementTimeout.Milliseconds()},
		{"connect-timeout", int64(c.ConnectTimeout)},
		{"shutdown-timeout", int64(c.ShutdownTimeout)},
		{"idempotency-ttl", int64(c.IdempotencyTTL)},
		{"purge-interval", int64(c.PurgeInterval)},
	} {
		if limit.value <= 0 {
			errs = append(errs, fmt.Errorf("--%s must be positive", limit.option))
		}
	}
	if c.ShutdownDelay < 0 {
		errs = append(errs, errors.New("--shutdown-delay must not be negative"))
	}
	return errors.Join(errs...)
}

func (c *Config) api() httpapi.Config {
	return httpapi.Config{
		RequireIfMatch: c.RequireIfMatch,
		MaxBodyBytes:   c.MaxBodyBytes,
		MaxInFlight:    c.MaxInFlight,
		RequestTimeout: c.RequestTimeout,
	}
}

func (c *Config) store() postgres.Config {
	return postgres.Config{
		URL:              c.DatabaseURL,
		MaxConns:         c.MaxConns,
		ConnectTimeout:   c.ConnectTimeout,
		StatementTimeout: c.StatementTimeout,
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
