package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"ticketing/internal/rest"
)

const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
)

type bodyKey struct{}

// body returns what withBody has read.
func body(ctx context.Context) []byte {
	content, _ := ctx.Value(bodyKey{}).([]byte)
	return content
}

// withBody reads the request's body for a handler. Handlers decode it themselves, since huma's own validation
// decodes every number to a float64 first.
func (a *API) withBody(mediaType string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		content, err := a.readBody(ctx, mediaType)
		if err != nil {
			if err.Status == http.StatusUnsupportedMediaType && mediaType == mergePatchType {
				ctx.SetHeader("Accept-Patch", mergePatchType)
			}
			// the client has gone when this fails
			_ = huma.WriteErr(a.Huma, ctx, err.Status, err.Detail)
			return
		}
		next(huma.WithValue(ctx, bodyKey{}, content))
	}
}

func (a *API) readBody(ctx huma.Context, mediaType string) ([]byte, *huma.ErrorModel) {
	given, parameters, err := mime.ParseMediaType(ctx.Header("Content-Type"))
	charset := strings.ToLower(parameters["charset"])
	if err != nil || given != mediaType || charset != "" && charset != "utf-8" {
		return nil, rest.NewProblem(http.StatusUnsupportedMediaType, "send the body with Content-Type: "+mediaType)
	}
	request, writer := humachi.Unwrap(ctx)
	content, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, a.config.MaxBodyBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, rest.NewProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body may have at most %d bytes", tooLarge.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, rest.NewProblem(http.StatusRequestTimeout, "the body did not arrive in time")
	case err != nil:
		return nil, rest.NewProblem(http.StatusBadRequest, "the body ended early")
	}
	return content, nil
}

// object splits a JSON object into its members. The error is the request's answer.
func object(text []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	err := json.Unmarshal(text, &members)
	var syntax *json.SyntaxError
	switch {
	case len(text) == 0:
		return nil, rest.NewProblem(http.StatusBadRequest, "the body is empty: send a JSON object")
	case errors.As(err, &syntax):
		return nil, rest.NewProblem(http.StatusBadRequest, fmt.Sprintf("the body is not valid JSON: %v at byte %d", syntax, syntax.Offset))
	case err != nil || members == nil:
		return nil, rest.Unprocessable(rest.At("body", "must be a JSON object"))
	}
	return members, nil
}
