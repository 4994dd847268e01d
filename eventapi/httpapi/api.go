// Package httpapi is the REST side of the event service: routes, request decoding, conditional requests,
// idempotent creation, problem+json errors, the OpenAPI document, and what operators look at.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
)

// Store is what the handlers need of a store. Its errors are those of packages event and idempotency; any other is
// answered with 500.
type Store interface {
	Get(ctx context.Context, id event.ID) (event.Event, error)
	List(ctx context.Context, query event.Query) (event.Page, error)

	// Create writes all events or none. An *event.ItemError says which one was refused.
	Create(ctx context.Context, events []event.New) ([]event.Event, error)
	// CreateOnce does the same once for every key; render makes the answer to keep.
	CreateOnce(ctx context.Context, request idempotency.Request, events []event.New,
		render func([]event.Event) (idempotency.Answer, error)) (idempotency.Answer, error)

	// Update and Delete check the version and write with no other write in between; a nil accept takes any version.
	Update(ctx context.Context, id event.ID, accept func(version int64) bool,
		change func(event.Event) (event.Fields, error)) (event.Event, error)
	Delete(ctx context.Context, id event.ID, accept func(version int64) bool) error

	// Check says what keeps the store from working, if anything.
	Check(ctx context.Context) (database, schema error)
}

// Config holds the limits of the API. All must be positive.
type Config struct {
	RequireIfMatch bool          // PUT, PATCH and DELETE without If-Match are refused
	MaxBodyBytes   int64         // of a request
	MaxInFlight    int           // requests to /events carried out at the same time
	RequestTimeout time.Duration // for everything that a request to /events waits for
}

// API answers requests.
type API struct {
	config   Config
	store    Store
	log      *slog.Logger
	metrics  *metrics
	router   *chi.Mux
	huma     huma.API
	draining atomic.Bool
}

// New makes an API that reports to log and to the registry.
func New(config Config, store Store, log *slog.Logger, registry *prometheus.Registry) (*API, error) {
	a := &API{config: config, store: store, log: log, metrics: newMetrics(registry), router: chi.NewRouter()}
	a.router.Use(a.identify, a.observe, a.recoverPanic, middleware.GetHead)
	a.router.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, "there is nothing at this path; see /docs")
	})
	a.router.MethodNotAllowed(a.methodNotAllowed)
	a.router.Group(func(r chi.Router) {
		r.Use(a.limit, singleRepresentation)
		a.huma = humachi.New(r, openAPIConfig())
		a.huma.UseMiddleware(a.refuseEmptyParameters)
		a.registerEvents()
	})
	a.router.Get("/healthz", healthz)
	a.router.Get("/readyz", a.readyz)
	a.router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	if err := a.serveDocuments(); err != nil {
		return nil, err
	}
	return a, nil
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// Drain makes /readyz say that the program is going away.
func (a *API) Drain() { a.draining.Store(true) }
