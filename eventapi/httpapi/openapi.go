package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/eventapi/event"
	"ticketing/internal/rest"
)

// schemaName names the schemas for a reader who does not see the packages of their types.
func schemaName(t reflect.Type, hint string) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[event.New]():
		return "NewEvent"
	case reflect.TypeFor[event.Fields]():
		return "EventFields"
	default:
		return huma.DefaultSchemaNamer(t, hint)
	}
}

// Statuses that an operation with a body, and one that changes an event, may answer too.
var (
	bodyErrors = []int{
		http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
	}
	changeErrors = []int{http.StatusNotFound, http.StatusPreconditionFailed, http.StatusPreconditionRequired}
)

// operation is one row of the API: what huma needs, and what its document says about success.
type operation struct {
	method, path, id, summary string

	mediaType string       // of the body; none when empty
	body      reflect.Type // whose schema documents it
	status    int          // of success
	result    reflect.Type // whose schema documents its content; none when nil
	headers   []string     // of success
	errors    [][]int
}

func (a *API) registerEvents() {
	one, fields := reflect.TypeFor[event.Event](), reflect.TypeFor[event.Fields]()
	register(a, operation{
		method: http.MethodPost, path: "/events", id: "create-event", summary: "Create an event",
		mediaType: jsonType, body: reflect.TypeFor[event.New](),
		status: http.StatusCreated, result: one, headers: []string{"ETag", "Location", "Idempotent-Replayed", "Write-Token"},
		errors: [][]int{bodyErrors, {http.StatusConflict}},
	}, a.create)
	register(a, operation{
		method: http.MethodPost, path: "/events:batch", id: "create-events", summary: "Create up to 1000 events, or none of them",
		mediaType: jsonType, body: reflect.TypeFor[batchBody](),
		status: http.StatusCreated, result: reflect.TypeFor[batchAnswer](), headers: []string{"Idempotent-Replayed"},
		errors: [][]int{bodyErrors, {http.StatusConflict}},
	}, a.createBatch)
	register(a, operation{
		method: http.MethodGet, path: "/events", id: "list-events", summary: "List events in the order of their ids",
		status: http.StatusOK, result: reflect.TypeFor[eventPage](),
	}, a.list)
	register(a, operation{
		method: http.MethodGet, path: "/events/{id}", id: "get-event", summary: "Get an event",
		status: http.StatusOK, result: one, headers: []string{"ETag"},
		errors: [][]int{{http.StatusNotFound}},
	}, a.get)
	register(a, operation{
		method: http.MethodPut, path: "/events/{id}", id: "replace-event", summary: "Replace all fields of an event",
		mediaType: jsonType, body: fields, status: http.StatusOK, result: one, headers: []string{"ETag", "Write-Token"},
		errors: [][]int{bodyErrors, changeErrors},
	}, a.put)
	register(a, operation{
		method: http.MethodPatch, path: "/events/{id}", id: "patch-event", summary: "Change some fields of an event (JSON merge patch)",
		mediaType: mergePatchType, body: reflect.TypeFor[eventPatch](), status: http.StatusOK, result: one, headers: []string{"ETag", "Write-Token"},
		errors: [][]int{bodyErrors, changeErrors},
	}, a.patch)
	register(a, operation{
		method: http.MethodDelete, path: "/events/{id}", id: "delete-event", summary: "Delete an event",
		status: http.StatusNoContent, headers: []string{"Write-Token"}, errors: [][]int{changeErrors},
	}, a.delete)
}

// register adds an operation to the router and to the document.
func register[I, O any](a *API, op operation, handler func(context.Context, *I) (*O, error)) {
	document := huma.Operation{
		Method: op.method, Path: op.path, OperationID: op.id, Summary: op.summary, Tags: []string{"events"},
		DefaultStatus: op.status,
		Responses:     map[string]*huma.Response{strconv.Itoa(op.status): a.success(op)},
		Errors:        slices.Concat(rest.AnyErrors(), slices.Concat(op.errors...)),
	}
	if op.mediaType != "" {
		document.Middlewares = huma.Middlewares{a.withBody(op.mediaType)}
	}
	huma.Register(a.Huma, document, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
	a.complete(op)
}

func (a *API) success(op operation) *huma.Response {
	response := &huma.Response{Description: http.StatusText(op.status), Headers: headerDocuments(op.headers...)}
	if op.result != nil {
		response.Content = map[string]*huma.MediaType{jsonType: {Schema: a.schema(op.result)}}
	}
	return response
}

// complete adds to the document what huma does not know: the body that the handler decodes itself, 304, and the
// headers of every answer.
func (a *API) complete(op operation) {
	item := a.Huma.OpenAPI().Paths[op.path]
	document := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[op.method]
	if op.body != nil {
		document.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			op.mediaType: {Schema: a.schema(op.body)},
		}}
	}
	if op.id == "get-event" {
		document.Responses["304"] = &huma.Response{Description: http.StatusText(http.StatusNotModified), Headers: headerDocuments("ETag")}
	}
	rest.DocumentHeaders(document)
	if op.mediaType == mergePatchType {
		response := document.Responses[strconv.Itoa(http.StatusUnsupportedMediaType)]
		response.Headers["Accept-Patch"] = headers["Accept-Patch"]
	}
}

// schema returns the schema of a type of package event, with every field of an answer always there.
func (a *API) schema(t reflect.Type) *huma.Schema {
	registry := a.Huma.OpenAPI().Components.Schemas
	reference := registry.Schema(t, true, t.Name())
	if t == reflect.TypeFor[event.Event]() {
		schema := registry.SchemaFromRef(reference.Ref)
		schema.Required = nil
		for name := range schema.Properties {
			schema.Required = append(schema.Required, name)
		}
		slices.Sort(schema.Required)
	}
	return reference
}

// eventPatch is the documented shape of a merge patch: every field may be left out, and null takes away what an
// event can do without.
type eventPatch struct {
	event.Fields
}

// TransformSchema makes the schema of a patch of that of an event's fields.
func (eventPatch) TransformSchema(_ huma.Registry, schema *huma.Schema) *huma.Schema {
	for name, property := range schema.Properties {
		property.Default = nil
		property.Nullable = !slices.Contains(schema.Required, name)
		if property.Nullable && property.Enum != nil {
			property.Enum = append(property.Enum, nil)
		}
	}
	schema.Required = nil
	return schema
}

// headers documents the headers of answers.
var headers = map[string]*huma.Param{
	"ETag":                {Description: "The event's version", Schema: &huma.Schema{Type: huma.TypeString, Pattern: `^"[0-9]+"$`}},
	"Location":            {Description: "The path of the new event", Schema: &huma.Schema{Type: huma.TypeString, Format: "uri-reference"}},
	"Idempotent-Replayed": {Description: "true when this is the answer to an earlier request with the same key", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"true"}}},
	"Write-Token":         {Description: "Names this write: eventsearch takes it as the parameter after, and answers when the write is searchable", Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9a-f-]{36}:[0-9]+$"}},
	"Accept-Patch":        {Description: "The media type that PATCH takes", Schema: &huma.Schema{Type: huma.TypeString}},
}

func headerDocuments(names ...string) map[string]*huma.Param {
	documents := map[string]*huma.Param{}
	for _, name := range names {
		documents[name] = headers[name]
	}
	return documents
}
