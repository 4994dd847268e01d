// Package httpapi is the REST side of the event service: routes, request decoding, conditional requests,
// idempotent creation, and what its errors mean. Package rest has what is not the event service's own.
package httpapi

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
	"ticketing/internal/rest"
)

// Store is what the handlers need of a store. Its errors are those of packages event and idempotency; any other is
// answered with 500.
type Store interface {
	Get(ctx context.Context, id event.ID) (event.Event, error)
	List(ctx context.Context, query event.Query) (event.Page, error)

	// Create writes all events or none; the position holds for each. An *event.ItemError says which one was refused.
	Create(ctx context.Context, events []event.New) ([]event.Event, event.Position, error)
	// CreateOnce does the same once for every key; render makes the answer to keep.
	CreateOnce(ctx context.Context, request idempotency.Request, events []event.New,
		render func([]event.Event, event.Position) (idempotency.Answer, error)) (idempotency.Answer, error)

	// Update and Delete check the version and write with no other write in between; a nil accept takes any version.
	Update(ctx context.Context, id event.ID, accept func(version int64) bool,
		change func(event.Event) (event.Fields, error)) (event.Event, event.Position, error)
	Delete(ctx context.Context, id event.ID, accept func(version int64) bool) (event.Position, error)

	// Check says what keeps the store from working, if anything.
	Check(ctx context.Context) (database, schema error)
}

// Config holds the limits of the API, which all must be positive, and where its traces go.
type Config struct {
	RequireIfMatch bool          // PUT, PATCH and DELETE without If-Match are refused
	MaxBodyBytes   int64         // of a request
	MaxInFlight    int           // requests to /events carried out at the same time
	RequestTimeout time.Duration // for everything that a request to /events waits for

	Traces trace.TracerProvider // nil: none
}

// API answers requests.
type API struct {
	*rest.API

	config Config
	store  Store
	log    *slog.Logger
}

// New makes an API that reports to log and to the registry.
func New(config Config, store Store, log *slog.Logger, registry *prometheus.Registry) (*API, error) {
	a := &API{config: config, store: store, log: log}
	a.API = rest.New(rest.Config{
		Name: "eventapi", Title: "Ticketing events",
		Description: "Writes the events of a ticketing system. " +
			"Errors are problem details (RFC 9457) whose errors say which field is wrong, and why. " +
			"Every write changes an event's ETag; send it in If-Match to change only what you have read.",
		MaxInFlight: config.MaxInFlight, RequestTimeout: config.RequestTimeout,
		SchemaName: schemaName, Ready: a.ready, Traces: config.Traces,
	}, log, registry)
	a.registerEvents()
	return a, a.Document()
}

// ready names the parts that requests need, for /readyz.
func (a *API) ready(ctx context.Context) (map[string]string, error) {
	database, schema := a.store.Check(ctx)
	switch {
	case database != nil:
		return map[string]string{"database": "does not answer", "schema": "unknown"}, database
	case schema != nil:
		return map[string]string{"database": "ok", "schema": schema.Error()}, schema
	default:
		return map[string]string{"database": "ok", "schema": "ok"}, nil
	}
}
