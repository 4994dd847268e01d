package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
	"ticketing/internal/rest"
)

const unavailableDetail = "the database does not answer; try again, with an Idempotency-Key to be sure that nothing is created twice"

// fieldErrors gives the fields of an invalid event their place in the request.
func fieldErrors(invalid *event.InvalidError, prefix string) []*huma.ErrorDetail {
	details := make([]*huma.ErrorDetail, len(invalid.Fields))
	for i, f := range invalid.Fields {
		location := prefix
		if f.Field != "" {
			location += "." + f.Field
		}
		details[i] = rest.At(location, f.Message)
	}
	return details
}

// problem turns an error of a handler into its answer. It is the one place where errors that nobody expected are
// logged; their text stays here.
func (a *API) problem(ctx context.Context, err error) error {
	if status := huma.StatusError(nil); errors.As(err, &status) {
		return err
	}
	location := "body"
	if item := (*event.ItemError)(nil); errors.As(err, &item) {
		location = fmt.Sprintf("body.items[%d]", item.Index)
	}
	var invalid *event.InvalidError
	switch {
	case errors.As(err, &invalid):
		return rest.Unprocessable(fieldErrors(invalid, location)...)
	case errors.Is(err, event.ErrNotFound):
		return rest.NewProblem(http.StatusNotFound, event.ErrNotFound.Error())
	case errors.Is(err, event.ErrExists):
		return rest.NewProblem(http.StatusConflict, event.ErrExists.Error(), rest.At(location+".id", "exists already"))
	case errors.Is(err, event.ErrVersionMismatch):
		return rest.NewProblem(http.StatusPreconditionFailed,
			"the event has another version than If-Match names: read it again and repeat the change on what it is now")
	case errors.Is(err, idempotency.ErrKeyReused):
		return rest.NewProblem(http.StatusUnprocessableEntity, idempotency.ErrKeyReused.Error(),
			rest.At("header.Idempotency-Key", "was used for another request: use a new key for every new request"))
	case errors.Is(err, event.ErrUnavailable):
		a.log.LogAttrs(ctx, slog.LevelWarn, "unavailable", rest.RequestID(ctx), slog.Any("error", err))
		return rest.Unavailable(unavailableDetail)
	default:
		return a.Internal(ctx, err)
	}
}
