// Package httpapi is the REST side of the search: its parameters, its answers, waiting for a write, and what its errors
// mean. Package rest has what is not the search's own.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"ticketing/eventsearch/search"
	"ticketing/internal/rest"
)

// Searcher is what the handlers need of an index. Its errors are those of package search; any other is answered
// with 500.
type Searcher interface {
	Search(ctx context.Context, query search.Query) (search.Page, error)
	Get(ctx context.Context, id string) (search.Document, error)
	Suggest(ctx context.Context, text string) (search.Suggestions, error)
	// Searchable says whether searches see a write.
	Searchable(ctx context.Context, token search.Token) (bool, error)
	// Check says what keeps the index from answering, if anything.
	Check(ctx context.Context) error
}

// Config holds the limits of the API, which all must be positive, and where its traces go.
type Config struct {
	MaxInFlight    int           // requests carried out at the same time, those that wait for a write included
	MaxSearches    int           // searches at the same time
	MaxSuggestions int           // suggestions at the same time
	MaxWaits       int           // requests that wait for a write at the same time; those beyond do not wait
	RequestTimeout time.Duration // for everything that a request waits for
	SuggestTimeout time.Duration // the same for a suggestion

	Traces trace.TracerProvider // nil: none
}

// API answers requests.
type API struct {
	*rest.API

	config      Config
	searcher    Searcher
	log         *slog.Logger
	metrics     *metrics
	searches    gate
	suggestions gate
	waits       gate
	polls       chan struct{}
}

// New makes an API that reports to log and to the registry.
func New(config Config, searcher Searcher, log *slog.Logger, registry *prometheus.Registry) (*API, error) {
	a := &API{config: config, searcher: searcher, log: log, metrics: newMetrics(registry), polls: make(chan struct{}, maxPolls)}
	a.searches = newGate(config.MaxSearches, a.metrics.shed.WithLabelValues("searches"))
	a.suggestions = newGate(config.MaxSuggestions, a.metrics.shed.WithLabelValues("suggestions"))
	a.waits = newGate(config.MaxWaits, a.metrics.shed.WithLabelValues("waits"))
	a.API = rest.New(rest.Config{
		Name: "eventsearch", Title: "Ticketing search",
		Description: "Searches the events of a ticketing system. " +
			"Errors are problem details (RFC 9457) whose errors say which parameter is wrong, and why.",
		MaxInFlight: config.MaxInFlight, RequestTimeout: config.RequestTimeout, Ready: a.ready, Traces: config.Traces,
	}, log, registry)
	a.Huma.UseMiddleware(noStore)
	a.registerOperations()
	return a, a.Document()
}

// noStore is for every answer that does not say otherwise, such as a problem: 404 and 410 could be kept.
func noStore(ctx huma.Context, next func(huma.Context)) {
	ctx.SetHeader("Cache-Control", "no-store")
	next(ctx)
}

// ready names the parts that requests need, for /readyz.
func (a *API) ready(ctx context.Context) (map[string]string, error) {
	err := a.searcher.Check(ctx)
	switch {
	case err == nil:
		return map[string]string{"elasticsearch": "ok", "index": "ok"}, nil
	case errors.Is(err, search.ErrNoIndex):
		return map[string]string{"elasticsearch": "ok", "index": noIndexDetail}, err
	default:
		return map[string]string{"elasticsearch": "does not answer", "index": "unknown"}, err
	}
}

const (
	noIndexDetail     = "there is no index yet: the indexer makes it when it starts"
	unavailableDetail = "the index does not answer, or has too much to do; try again"
	expiredDetail     = "the cursor has expired: begin again with the first page"
)

// problem turns an error of a handler into its answer.
func (a *API) problem(ctx context.Context, err error) error {
	if status := huma.StatusError(nil); errors.As(err, &status) {
		return err
	}
	var invalid *search.InvalidError
	switch {
	case errors.As(err, &invalid):
		details := make([]*huma.ErrorDetail, len(invalid.Fields))
		for n, field := range invalid.Fields {
			details[n] = rest.At("query."+field.Field, field.Message)
		}
		return rest.Unprocessable(details...)
	case errors.Is(err, search.ErrNotFound):
		return rest.NewProblem(http.StatusNotFound, search.ErrNotFound.Error())
	case errors.Is(err, search.ErrExpired):
		return rest.NewProblem(http.StatusGone, expiredDetail)
	case errors.Is(err, search.ErrCursor):
		return rest.Unprocessable(rest.At("query.cursor", errCursor.Error()))
	case errors.Is(err, search.ErrNoIndex):
		a.log.LogAttrs(ctx, slog.LevelWarn, "no index", rest.RequestID(ctx), slog.Any("error", err))
		return rest.Unavailable(noIndexDetail)
	case errors.Is(err, search.ErrUnavailable):
		a.log.LogAttrs(ctx, slog.LevelWarn, "unavailable", rest.RequestID(ctx), slog.Any("error", err))
		return rest.Unavailable(unavailableDetail)
	default:
		return a.Internal(ctx, err)
	}
}

func (a *API) registerOperations() {
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/events", OperationID: "search-events", Summary: "Search events",
		Errors: []int{http.StatusGone},
	}, reflect.TypeFor[pageAnswer](), a.search)
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/events/{id}", OperationID: "get-event", Summary: "Get an event as it is indexed",
		Errors: []int{http.StatusNotFound},
	}, reflect.TypeFor[eventAnswer](), a.get)
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/suggest", OperationID: "suggest", Summary: "Complete a text while it is typed",
	}, reflect.TypeFor[suggestAnswer](), a.suggest)
	document := a.Huma.OpenAPI().Paths["/events/{id}"].Get
	document.Responses["304"] = &huma.Response{Description: http.StatusText(http.StatusNotModified)}
	rest.DocumentHeaders(document)
	for _, status := range []string{"200", "304"} {
		document.Responses[status].Headers["ETag"] = &huma.Param{
			Description: "The event's version, as a weak tag", Schema: &huma.Schema{Type: huma.TypeString, Pattern: `^W/"[0-9]+"$`},
		}
	}
}

// register adds an operation to the router and, with the type whose schema is that of its answers, to the document.
func register[I, O any](a *API, operation huma.Operation, result reflect.Type, handler func(context.Context, *I) (*O, error)) {
	operation.Tags = []string{"search"}
	schema := a.Huma.OpenAPI().Components.Schemas.Schema(result, true, result.Name())
	operation.Responses = map[string]*huma.Response{"200": {
		Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{jsonType: {Schema: schema}},
	}}
	operation.Errors = append(operation.Errors, rest.AnyErrors()...)
	huma.Register(a.Huma, operation, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
	rest.DocumentHeaders(a.Huma.OpenAPI().Paths[operation.Path].Get)
}
