package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// rest writes through the REST API.
type rest struct {
	*writer
	http *http.Client
	url  string
}

func (r *rest) writes() []write {
	return []write{
		{name: "REST create", weight: 5, do: func(ctx context.Context) (int64, error) {
			return r.send(ctx, http.MethodPost, "/events", r.event(r.id()), http.StatusCreated, http.StatusConflict)
		}},
		{name: "REST change", weight: 5, do: func(ctx context.Context) (int64, error) {
			patch := map[string]any{"title": "changed " + r.text(1+r.random.IntN(100)), "attributes": map[string]any{"changed": r.random.Int64()}}
			return r.send(ctx, http.MethodPatch, "/events/"+r.id(), patch, http.StatusOK, http.StatusNotFound)
		}},
		{name: "REST replace", weight: 2, do: func(ctx context.Context) (int64, error) {
			return r.send(ctx, http.MethodPut, "/events/"+r.id(), r.event(""), http.StatusOK, http.StatusNotFound)
		}},
		{name: "REST delete", weight: 2, do: func(ctx context.Context) (int64, error) {
			return r.send(ctx, http.MethodDelete, "/events/"+r.id(), nil, http.StatusNoContent, http.StatusNotFound)
		}},
		{name: "REST batch", weight: 1, do: func(ctx context.Context) (int64, error) {
			items := make([]event, 1+r.random.IntN(40))
			for n := range items {
				items[n] = r.event("")
			}
			done, err := r.send(ctx, http.MethodPost, "/events:batch", map[string]any{"items": items}, http.StatusCreated)
			return done * int64(len(items)), err
		}},
	}
}

// send sends a request and returns 1 when it was answered with the first of the statuses that are expected, and 0
// when with another of them: then there is no such row, or there is one already.
func (r *rest) send(ctx context.Context, method, path string, body any, expected ...int) (int64, error) {
	var reader io.Reader = http.NoBody
	if body != nil {
		reader = bytes.NewReader(encode(body))
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, reader)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := r.http.Do(request)
	if err != nil {
		return 0, err //nolint:wrapcheck // names method and address
	}
	answer, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	case response.StatusCode == expected[0]:
		return 1, nil
	case slices.Contains(expected, response.StatusCode):
		return 0, nil
	}
	return 0, fmt.Errorf("%s %s: answered %s: %.300s", method, path, response.Status, answer)
}
