package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	jsonpatch "github.com/evanphx/json-patch/v5"

	"ticketing/eventapi/event"
	"ticketing/internal/rest"
)

// EventID is exported because huma reads exported fields only, embedded ones included.
type EventID struct {
	ID string `path:"id" format:"uuid" doc:"The event's id"`
}

func (in EventID) parse() (event.ID, error) {
	id, err := event.ParseID(in.ID)
	if err != nil {
		return id, rest.Unprocessable(rest.At("path.id", err.Error()))
	}
	return id, nil
}

// eventOutput is an answer that holds an event or a list of them.
type eventOutput struct {
	Status      int
	ContentType string `header:"Content-Type" hidden:"true"`
	ETag        string `header:"ETag" hidden:"true"`
	Location    string `header:"Location" hidden:"true"`
	Replayed    string `header:"Idempotent-Replayed" hidden:"true"`
	WriteToken  string `header:"Write-Token" hidden:"true"`
	Body        []byte
}

// answer makes the answer that holds value.
func answer(status int, value any) (*eventOutput, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return &eventOutput{Status: status, ContentType: jsonType, Body: text.Bytes()}, nil
}

func eventAnswer(status int, e event.Event) (*eventOutput, error) {
	out, err := answer(status, e)
	if err != nil {
		return nil, err
	}
	out.ETag = etag(e.Version)
	return out, nil
}

// opaque is the part of an entity tag between the quotes.
func opaque(version int64) string { return strconv.FormatInt(version, 10) }

func etag(version int64) string { return `"` + opaque(version) + `"` }

type getInput struct {
	EventID
	IfNoneMatch string `header:"If-None-Match" minLength:"1" pattern:"^([*]|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$" patternDescription:"* or a list of entity tags in double quotes" doc:"Answers 304 when the event's ETag is among these"`
}

func (a *API) get(ctx context.Context, in *getInput) (*eventOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	tags, err := rest.ParseEntityTags(in.IfNoneMatch)
	if err != nil {
		return nil, rest.Unprocessable(rest.At("header.If-None-Match", err.Error()))
	}
	found, err := a.store.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if tags.MatchWeak(opaque(found.Version)) {
		return &eventOutput{Status: http.StatusNotModified, ETag: etag(found.Version)}, nil
	}
	return eventAnswer(http.StatusOK, found)
}

type listInput struct {
	Limit        int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most this many events; a page of large events may have fewer"`
	Cursor       string `query:"cursor" minLength:"1" maxLength:"64" doc:"next_cursor of the page before, with the same filters"`
	Status       string `query:"status" enum:"draft,published,postponed,cancelled,sold_out"`
	Category     string `query:"category" minLength:"1" maxLength:"100"`
	City         string `query:"city" minLength:"1" maxLength:"200"`
	StartsFrom   string `query:"starts_from" format:"date-time" doc:"Events that start then or later"`
	StartsBefore string `query:"starts_before" format:"date-time" doc:"Events that start earlier than this"`
}

type eventPage struct {
	Items      []event.Event `json:"items" nullable:"false"`
	NextCursor *string       `json:"next_cursor" doc:"Asks for the next page; null on the last one"`
}

func (in *listInput) query() (event.Query, error) {
	query := event.Query{Limit: in.Limit, Filter: event.Filter{
		Status: event.Status(in.Status), Category: in.Category, City: in.City,
	}}
	var errs []*huma.ErrorDetail
	instant := func(name, text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		parsed, err := event.ParseTime(text)
		if err != nil {
			errs = append(errs, rest.At("query."+name, err.Error()+", with + written as %2B"))
		}
		return parsed.UTC().Truncate(time.Microsecond)
	}
	query.Filter.StartsFrom = instant("starts_from", in.StartsFrom)
	query.Filter.StartsBefore = instant("starts_before", in.StartsBefore)
	if len(errs) > 0 {
		return query, rest.Unprocessable(errs...)
	}
	var invalid *event.InvalidError
	if errors.As(query.Filter.Validate(), &invalid) {
		return query, rest.Unprocessable(fieldErrors(invalid, "query")...)
	}
	if in.Cursor != "" {
		after, err := decodeCursor(in.Cursor, query.Filter)
		if err != nil {
			return query, rest.Unprocessable(rest.At("query.cursor", err.Error()))
		}
		query.After = &after
	}
	return query, nil
}

func (a *API) list(ctx context.Context, in *listInput) (*eventOutput, error) {
	query, err := in.query()
	if err != nil {
		return nil, err
	}
	found, err := a.store.List(ctx, query)
	if err != nil {
		return nil, err
	}
	page := eventPage{Items: found.Events}
	if page.Items == nil {
		page.Items = []event.Event{}
	}
	if found.More {
		cursor, err := encodeCursor(found.Events[len(found.Events)-1].ID, query.Filter)
		if err != nil {
			return nil, err
		}
		page.NextCursor = &cursor
	}
	return answer(http.StatusOK, page)
}

type changeInput struct {
	EventID
	IfMatch string `header:"If-Match" minLength:"1" pattern:"^([*]|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$" patternDescription:"* or a list of entity tags in double quotes" doc:"Refuses the change with 412 unless the event's ETag is among these, or this is *"`
}

// condition returns what the stored version must fulfil; nil when anything will do.
func (a *API) condition(in *changeInput) (func(version int64) bool, error) {
	if in.IfMatch == "" {
		if a.config.RequireIfMatch {
			return nil, rest.NewProblem(http.StatusPreconditionRequired, "send If-Match with the ETag of the event as you read it")
		}
		return nil, nil //nolint:nilnil // no condition is a value of its own
	}
	tags, err := rest.ParseEntityTags(in.IfMatch)
	if err != nil {
		return nil, rest.Unprocessable(rest.At("header.If-Match", err.Error()))
	}
	return func(version int64) bool { return tags.MatchStrong(opaque(version)) }, nil
}

// update carries out PUT and PATCH: change makes the new fields of the event as it is under the row's lock.
func (a *API) update(ctx context.Context, in *changeInput, change func(event.Event) (event.Fields, error)) (*eventOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	accept, err := a.condition(in)
	if err != nil {
		return nil, err
	}
	updated, at, err := a.store.Update(ctx, id, accept, change)
	if err != nil {
		return nil, err
	}
	out, err := eventAnswer(http.StatusOK, updated)
	if err != nil {
		return nil, err
	}
	out.WriteToken = writeToken(id, at)
	return out, nil
}

func (a *API) put(ctx context.Context, in *changeInput) (*eventOutput, error) {
	members, err := object(body(ctx))
	if err != nil {
		return nil, err
	}
	fields, errs := decodeFields(members, "body")
	if len(errs) > 0 {
		return nil, rest.Unprocessable(errs...)
	}
	return a.update(ctx, in, func(event.Event) (event.Fields, error) { return fields, nil })
}

func (a *API) patch(ctx context.Context, in *changeInput) (*eventOutput, error) {
	patch := body(ctx)
	members, err := object(patch)
	if err != nil {
		return nil, err
	}
	// What is wrong with the patch by itself is found before merging, which would hide some of it.
	if errs := checkPatch(members); len(errs) > 0 {
		return nil, rest.Unprocessable(errs...)
	}
	return a.update(ctx, in, func(current event.Event) (event.Fields, error) { return merge(current.Fields, patch) })
}

// merge applies a JSON merge patch (RFC 7396).
func merge(current event.Fields, patch []byte) (event.Fields, error) {
	before, err := json.Marshal(current)
	if err != nil {
		return event.Fields{}, fmt.Errorf("encode the event: %w", err)
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return event.Fields{}, fmt.Errorf("merge the patch: %w", err)
	}
	members, err := object(after)
	if err != nil {
		return event.Fields{}, err
	}
	fields, errs := decodeFields(members, "body")
	if len(errs) > 0 {
		return event.Fields{}, rest.Unprocessable(errs...)
	}
	return fields, nil
}

func (a *API) delete(ctx context.Context, in *changeInput) (*deleteOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	accept, err := a.condition(in)
	if err != nil {
		return nil, err
	}
	at, err := a.store.Delete(ctx, id, accept)
	if err != nil {
		return nil, err
	}
	return &deleteOutput{WriteToken: writeToken(id, at)}, nil
}

type deleteOutput struct {
	WriteToken string `header:"Write-Token" hidden:"true"`
}

// writeToken names a write for those who read elsewhere and want to see at least that.
func writeToken(id event.ID, at event.Position) string { return fmt.Sprintf("%s:%d", id, at) }
