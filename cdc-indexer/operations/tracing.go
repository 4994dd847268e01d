package operations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/cdc-indexer/trace"
	"ticketing/internal/rest"
)

// TraceLimit is how long a trace goes on at the most, and TraceSince how far back it looks when nobody says.
const (
	TraceLimit = 30 * time.Second
	TraceSince = time.Minute
)

const eventStream = "text/event-stream"

type traceInput struct {
	Key             string    `path:"key" minLength:"1" maxLength:"512" doc:"The _id of the row's document: its primary key"`
	Since           time.Time `query:"since" doc:"From when on messages are read; default: a minute ago"`
	UntilSearchable bool      `query:"until_searchable" default:"true" doc:"End when all changes seen so far are searchable, and there is one; false: go on until the time is over"`
}

func (a *API) registerTrace() {
	operation := huma.Operation{
		Method: http.MethodGet, Path: "/api/trace/{key}", OperationID: "trace-row", Summary: "Follow the changes of one row as they happen",
		Description: "Server-sent events, for 30 s at most: `step` for each change at each stage, and `end` at the end.",
		Errors:      rest.AnyErrors(),
	}
	event := func(name string, data reflect.Type) *huma.Schema {
		content := a.Huma.OpenAPI().Components.Schemas.Schema(data, true, "")
		return &huma.Schema{Type: huma.TypeObject, Required: []string{"event", "data"}, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{name}},
			"data":  {Type: huma.TypeString, Extensions: map[string]any{"contentMediaType": "application/json", "contentSchema": content}},
		}}
	}
	operation.Responses = map[string]*huma.Response{"200": {
		Description: "The events, each with JSON as its data",
		Content: map[string]*huma.MediaType{eventStream: {Schema: &huma.Schema{OneOf: []*huma.Schema{
			event("step", reflect.TypeFor[trace.Step]()), event("end", reflect.TypeFor[trace.End]()),
		}}}},
	}}
	huma.Register(a.Huma, operation, a.trace)
	rest.DocumentHeaders(a.operation(operation))
}

func (a *API) trace(ctx context.Context, in *traceInput) (*huma.StreamResponse, error) {
	leave, err := enter(a.traces, fmt.Sprintf("%d rows are being traced, which is the most at the same time; try again", maxTraces))
	if err != nil {
		return nil, err
	}
	if in.Since.IsZero() {
		in.Since = time.Now().Add(-TraceSince)
	}
	request := trace.Request{Key: in.Key, Since: in.Since, UntilSearchable: in.UntilSearchable, Limit: TraceLimit}
	return &huma.StreamResponse{Body: func(to huma.Context) {
		defer leave()
		a.stream(ctx, to, request)
	}}, nil
}

// stream tells the steps. Once it has begun, an error can only be told as the end.
func (a *API) stream(ctx context.Context, to huma.Context, request trace.Request) {
	to.SetHeader("Content-Type", eventStream)
	to.SetHeader("X-Accel-Buffering", "no") // for proxies that would collect the events
	to.SetStatus(http.StatusOK)
	events := events{to.BodyWriter()}
	events.flush()
	end, err := a.pipeline.Trace(ctx, request, func(step trace.Step) error { return events.send("step", step) })
	if err != nil {
		if errors.Is(err, errGone) || ctx.Err() != nil {
			return
		}
		a.log.LogAttrs(ctx, slog.LevelWarn, "trace failed", rest.RequestID(ctx), slog.Any("error", err))
		end = trace.End{Reason: trace.EndError, Detail: err.Error()}
	}
	_ = events.send("end", end) // the client has gone when this fails
}

// errGone says that nobody reads the events any more.
var errGone = errors.New("the client has gone")

// events writes server-sent events.
type events struct{ to io.Writer }

func (e events) send(name string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", name, err)
	}
	if _, err := fmt.Fprintf(e.to, "event: %s\ndata: %s\n\n", name, text); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	e.flush()
	return nil
}

func (e events) flush() {
	if flusher, ok := e.to.(http.Flusher); ok {
		flusher.Flush()
	}
}
