// Package operations is what operators do with a running pipeline over HTTP: look at it, deal with dead letters, follow a
// row, and start what takes long as jobs. It declares what it needs of the pipeline; package main hands in the commands' own
// code. Its answers are what the commands print with --json.
package operations

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/trace"
	"ticketing/internal/rest"
)

// Pipeline is what can be looked at and done. Its errors are ErrNotFound, a *SettingError, or say what did not work.
type Pipeline interface {
	// Status looks at everything. Calls do not overlap.
	Status(ctx context.Context) (health.Report, error)
	// Freshness says how long the newest changes in the index took to get there.
	Freshness(ctx context.Context, last int) (Freshness, error)
	// Letters returns the dead letters that are open, the oldest of each partition first.
	Letters(ctx context.Context, filter Filter, limit int) (Letters, error)
	Letter(ctx context.Context, id string) (LetterDetails, error)
	Replay(ctx context.Context, which Selection) (Replayed, error)
	// RestartConnector restarts the connector and its tasks, or those of them that have failed.
	RestartConnector(ctx context.Context, onlyFailed bool) error
	// Work returns what a job is to do, or says at once why it cannot be done.
	Work(task Task) (Work, error)
	// Trace follows a row until its changes are searchable or it has taken too long.
	Trace(ctx context.Context, request trace.Request, each func(trace.Step) error) (trace.End, error)
}

// ErrNotFound is something that does not exist.
var ErrNotFound = errors.New("not found")

// A SettingError says that something cannot be done as long as a setting is missing.
type SettingError struct{ Setting string }

func (e *SettingError) Error() string {
	return "this needs a setting that the indexer was started without: " + e.Setting
}

// Limits of the API, beside those of package rest.
const (
	maxInFlight    = 64
	requestTimeout = 45 * time.Second // a trace takes 30 s
	maxReadings    = 2                // of the dead-letter topic, which is read from its start
	maxTraces      = 8
	statusFor      = time.Second // how old a status may be
	maxBody        = 64 << 10
)

// API answers requests.
type API struct {
	*rest.API

	pipeline Pipeline
	jobs     *Jobs
	log      *slog.Logger
	token    string
	status   shared[health.Report]
	readings chan struct{}
	traces   chan struct{}
}

// New makes an API that reports to log and to the registry. Changes are for those who know the token; without one
// there are none.
func New(pipeline Pipeline, jobs *Jobs, token string, log *slog.Logger, registry *prometheus.Registry) (*API, error) {
	a := &API{
		pipeline: pipeline, jobs: jobs, log: log, token: token,
		readings: make(chan struct{}, maxReadings), traces: make(chan struct{}, maxTraces),
	}
	a.status = newShared(statusFor, pipeline.Status)
	a.API = rest.New(rest.Config{
		Name: "cdc_indexer", Title: "Operations of cdc-indexer",
		Description: "What operators look at and do while a pipeline runs. Reading is open; changes need the operator's token. " +
			"Errors are problem details (RFC 9457).",
		MaxInFlight: maxInFlight, RequestTimeout: requestTimeout,
	}, log, registry)
	a.Huma.OpenAPI().Components.SecuritySchemes = map[string]*huma.SecurityScheme{operator: {
		Type: "http", Scheme: "bearer", Description: "The value of --operator-token, or CDC_INDEXER_OPERATOR_TOKEN",
	}}
	a.Huma.UseMiddleware(noStore, a.authorize)
	a.register()
	return a, a.Document()
}

func noStore(ctx huma.Context, next func(huma.Context)) {
	ctx.SetHeader("Cache-Control", "no-store")
	next(ctx)
}

func (a *API) register() {
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/status", OperationID: "get-status",
		Summary:     "Look at everything from the table to the index",
		Description: "The same as `cdc-indexer status --json`. ok is the verdict; an answer may be a second old.",
	}, a.getStatus)
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/freshness", OperationID: "get-freshness",
		Summary:     "How long the newest changes took from commit to index",
		Description: "Of the newest changes that are in the index, whichever process wrote them. Rows that a snapshot has read do not count.",
	}, a.getFreshness)
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/dead-letters", OperationID: "list-dead-letters", Summary: "List the dead letters that are open",
		Description: "The oldest of each partition first.",
	}, a.listLetters)
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/dead-letters/{id}", OperationID: "get-dead-letter", Summary: "Everything about one dead letter",
		Errors: []int{http.StatusNotFound},
	}, a.getLetter)
	register(a, change(huma.Operation{
		Method: http.MethodPost, Path: "/api/dead-letters/replay", OperationID: "replay-dead-letters", Summary: "Try again to index dead letters",
		Description: "An older letter never overwrites a newer state.",
		Errors:      []int{http.StatusNotFound},
	}), a.replayLetters)
	register(a, change(huma.Operation{
		Method: http.MethodPost, Path: "/api/connector/restart", OperationID: "restart-connector", Summary: "Restart the connector and its tasks",
		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound},
	}), a.restartConnector)
	a.registerJobs()
	a.registerTrace()
}

// change marks an operation that needs the operator's token.
func change(operation huma.Operation) huma.Operation {
	operation.Security = []map[string][]string{{operator: {}}}
	operation.Errors = append(operation.Errors, http.StatusUnauthorized, http.StatusForbidden)
	return operation
}

// register adds an operation whose errors become problems.
func register[I, O any](a *API, operation huma.Operation, handler func(context.Context, *I) (*O, error)) {
	operation.Errors = append(operation.Errors, rest.AnyErrors()...)
	if _, body := reflect.TypeFor[I]().FieldByName("Body"); body {
		operation.Errors = append(operation.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
		operation.MaxBodyBytes = maxBody
	}
	huma.Register(a.Huma, operation, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
	rest.DocumentHeaders(a.operation(operation))
}

// operation returns what is documented of an operation.
func (a *API) operation(operation huma.Operation) *huma.Operation {
	item := a.Huma.OpenAPI().Paths[operation.Path]
	return map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete}[operation.Method]
}

// problem turns an error into its answer. What did not work is told as it is: it is for those who run the pipeline, and
// most often a part of it is away.
func (a *API) problem(ctx context.Context, err error) error {
	var status huma.StatusError
	var setting *SettingError
	switch {
	case errors.As(err, &status):
		return err
	case errors.As(err, &setting):
		return rest.NewProblem(http.StatusServiceUnavailable, setting.Error())
	case errors.Is(err, ErrNotFound):
		return rest.NewProblem(http.StatusNotFound, err.Error())
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		return rest.Unavailable("not done within " + requestTimeout.String())
	default:
		a.log.LogAttrs(ctx, slog.LevelWarn, "operation failed", rest.RequestID(ctx), slog.Any("error", err))
		return rest.Unavailable(err.Error())
	}
}

// enter takes one of the places that limit how often something is done at the same time. It returns a function that
// gives it back.
func enter(places chan struct{}, what string) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, rest.Unavailable(what)
	}
}

// answer is a body of JSON.
type answer[T any] struct{ Body T }
