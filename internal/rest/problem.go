package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

const (
	internalDetail = "something went wrong here; the log has more under the request id"
	retryAfter     = "1" // seconds
	maxErrors      = 1000
)

// NewProblem makes the answer to a request that was not carried out (RFC 9457). Only the first errors of very many are
// listed.
func NewProblem(status int, detail string, errs ...*huma.ErrorDetail) *huma.ErrorModel {
	if len(errs) > maxErrors {
		detail = fmt.Sprintf("%s (the first %d of %d errors are listed)", detail, maxErrors, len(errs))
		errs = errs[:maxErrors]
	}
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail, Errors: errs}
}

// Unprocessable is the answer to a request whose parts are readable but wrong.
func Unprocessable(errs ...*huma.ErrorDetail) error {
	return NewProblem(http.StatusUnprocessableEntity, "validation failed", errs...)
}

// Unavailable is the answer to a request that may be carried out when it is repeated a little later.
func Unavailable(detail string) error {
	//nolint:wrapcheck // it is the answer itself
	return huma.ErrorWithHeaders(NewProblem(http.StatusServiceUnavailable, detail), http.Header{"Retry-After": {retryAfter}})
}

// At says what is wrong with one part of the request, such as query.limit or body.title.
func At(location, message string) *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: location, Message: message}
}

// Internal logs an error that nobody expected and returns its answer, which says nothing of it.
func (a *API) Internal(ctx context.Context, err error) error {
	a.log.LogAttrs(ctx, slog.LevelError, "internal error", RequestID(ctx), slog.Any("error", err))
	return NewProblem(http.StatusInternalServerError, internalDetail)
}

// writeProblem answers with a problem outside of the documented operations.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(NewProblem(status, detail)) // the client has gone when this fails
}
