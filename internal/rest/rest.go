// Package rest is what our REST programs have in common: the router with request ids, access log, metrics and limits;
// problem+json errors; the OpenAPI document and the page that shows it; health; and serving until told to stop.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
)

// Config describes one program's API. Its limits must be positive.
type Config struct {
	Name           string        // the program's: its metrics begin with it
	Title          string        // of the OpenAPI document
	Description    string        // of the OpenAPI document
	MaxInFlight    int           // operations carried out at the same time
	RequestTimeout time.Duration // for everything that an operation waits for

	// SchemaName names the schemas of the OpenAPI document; nil leaves that to huma. huma's own error types are named here.
	SchemaName func(t reflect.Type, hint string) string
	// Ready names each part that requests need and what is wrong with it, or "ok". The error is logged. nil: the program
	// has /healthz, /readyz and /metrics of its own.
	Ready func(ctx context.Context) (parts map[string]string, err error)
	// Traces gets a span of every request but those for health and metrics; nil: none are made.
	Traces trace.TracerProvider
}

// API answers requests. Operations are registered with Huma; Document then ends the set-up.
type API struct {
	Huma huma.API

	config   Config
	log      *slog.Logger
	metrics  *metrics
	router   *chi.Mux
	draining atomic.Bool
}

// New makes an API without operations, which reports to log and to the registry.
func New(config Config, log *slog.Logger, registry *prometheus.Registry) *API {
	a := &API{config: config, log: log, metrics: newMetrics(config.Name, registry), router: chi.NewRouter()}
	if config.Traces != nil {
		a.router.Use(a.trace)
	}
	a.router.Use(a.identify, a.observe, a.recoverPanic, middleware.GetHead)
	a.router.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, "there is nothing at this path; see /docs")
	})
	a.router.MethodNotAllowed(a.methodNotAllowed)
	a.router.Group(func(r chi.Router) {
		r.Use(a.limit, singleRepresentation)
		a.Huma = humachi.New(r, openAPIConfig(config))
		a.Huma.UseMiddleware(a.refuseEmptyParameters)
	})
	if config.Ready != nil {
		a.router.Get("/healthz", healthz)
		a.router.Get("/readyz", a.readyz)
		a.router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	}
	return a
}

// Router is for what is no operation of the API, such as pages. What it serves is logged and measured, too.
func (a *API) Router() chi.Router { return a.router }

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// Drain makes /readyz say that the program is going away.
func (a *API) Drain() { a.draining.Store(true) }
