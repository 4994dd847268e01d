package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
)

const (
	internalDetail    = "something went wrong here; the log has more under the request id"
	unavailableDetail = "the database does not answer; try again, with an Idempotency-Key to be sure that nothing is created twice"
	retryAfter        = "1" // seconds
	maxErrors         = 1000
)

// writeProblem answers with a problem outside of the documented operations.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(newProblem(status, detail)) // the client has gone when this fails
}

func newProblem(status int, detail string, errs ...*huma.ErrorDetail) *huma.ErrorModel {
	if len(errs) > maxErrors {
		detail = fmt.Sprintf("%s (the first %d of %d errors are listed)", detail, maxErrors, len(errs))
		errs = errs[:maxErrors]
	}
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail, Errors: errs}
}

// unprocessable is the answer to a request whose parts are readable but wrong.
func unprocessable(errs ...*huma.ErrorDetail) error {
	return newProblem(http.StatusUnprocessableEntity, "validation failed", errs...)
}

func at(location, message string) *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: location, Message: message}
}

// fieldErrors gives the fields of an invalid event their place in the request.
func fieldErrors(invalid *event.InvalidError, prefix string) []*huma.ErrorDetail {
	details := make([]*huma.ErrorDetail, len(invalid.Fields))
	for i, f := range invalid.Fields {
		location := prefix
		if f.Field != "" {
			location += "." + f.Field
		}
		details[i] = at(location, f.Message)
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
		return unprocessable(fieldErrors(invalid, location)...)
	case errors.Is(err, event.ErrNotFound):
		return newProblem(http.StatusNotFound, event.ErrNotFound.Error())
	case errors.Is(err, event.ErrExists):
		return newProblem(http.StatusConflict, event.ErrExists.Error(), at(location+".id", "exists already"))
	case errors.Is(err, event.ErrVersionMismatch):
		return newProblem(http.StatusPreconditionFailed,
			"the event has another version than If-Match names: read it again and repeat the change on what it is now")
	case errors.Is(err, idempotency.ErrKeyReused):
		return newProblem(http.StatusUnprocessableEntity, idempotency.ErrKeyReused.Error(),
			at("header.Idempotency-Key", "was used for another request: use a new key for every new request"))
	case errors.Is(err, event.ErrUnavailable):
		a.log.LogAttrs(ctx, slog.LevelWarn, "unavailable", requestID(ctx), slog.Any("error", err))
		//nolint:wrapcheck // it is the answer itself
		return huma.ErrorWithHeaders(newProblem(http.StatusServiceUnavailable, unavailableDetail),
			http.Header{"Retry-After": {retryAfter}})
	default:
		a.log.LogAttrs(ctx, slog.LevelError, "internal error", requestID(ctx), slog.Any("error", err))
		return newProblem(http.StatusInternalServerError, internalDetail)
	}
}
