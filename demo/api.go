package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"

	"ticketing/demo/sample"
)

// A server that is away comes back within this time, or the demo gives up.
const retryFor = 45 * time.Second

// api writes events over REST. Every request is repeated while the server cannot be reached or is busy, which an
// Idempotency-Key makes safe for those that create.
type api struct {
	*client
}

// written is an event as the API knows it.
type written struct {
	id      string
	version int64
	event   sample.Event
}

// send repeats a request until there is an answer to it.
func (a *api) send(ctx context.Context, q request) (answer, error) {
	var last error
	got, err := backoff.Retry(ctx, func() (answer, error) {
		got, err := a.call(ctx, q)
		last = err
		if err != nil && !isTransient(err) {
			return answer{}, backoff.Permanent(err)
		}
		return got, err
	}, backoff.WithMaxElapsedTime(retryFor))
	if err != nil && ctx.Err() == nil {
		return answer{}, last // says more than that time is up
	}
	return got, err //nolint:wrapcheck // names method and address
}

func isTransient(err error) bool {
	var answered *statusError
	if !errors.As(err, &answered) {
		return true
	}
	switch answered.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// create creates one event.
func (a *api) create(ctx context.Context, key string, w *written) error {
	got, err := a.send(ctx, request{
		method: http.MethodPost, path: "/events", body: w.event, header: map[string]string{"Idempotency-Key": key},
	})
	if err != nil {
		return err
	}
	w.id, w.version = got.body.Get("id").String(), got.body.Get("version").Int()
	return nil
}

// createBatch creates all events in one transaction.
func (a *api) createBatch(ctx context.Context, key string, batch []*written) error {
	items := make([]sample.Event, len(batch))
	for i, w := range batch {
		items[i] = w.event
	}
	got, err := a.send(ctx, request{
		method: http.MethodPost, path: "/events:batch", body: map[string]any{"items": items}, header: map[string]string{"Idempotency-Key": key},
	})
	if err != nil {
		return err
	}
	created := got.body.Get("items").Array()
	if len(created) != len(batch) {
		return fmt.Errorf("POST /events:batch: %d events were created of %d", len(created), len(batch))
	}
	for i, one := range created {
		batch[i].id, batch[i].version = one.Get("id").String(), one.Get("version").Int()
	}
	return nil
}

// patch changes some fields.
func (a *api) patch(ctx context.Context, w *written, patch sample.Patch) error {
	got, err := a.send(ctx, request{
		method: http.MethodPatch, path: "/events/" + w.id, body: patch,
		header: map[string]string{"Content-Type": "application/merge-patch+json"},
	})
	if err != nil {
		return err
	}
	w.version = got.body.Get("version").Int()
	return nil
}

// replace changes all fields, if nobody else has changed the event between reading and writing; otherwise it reads
// and writes again.
func (a *api) replace(ctx context.Context, w *written, revised sample.Event) error {
	const tries = 5
	var err error
	for range tries {
		var read, got answer
		if read, err = a.send(ctx, request{method: http.MethodGet, path: "/events/" + w.id}); err != nil {
			return err
		}
		got, err = a.send(ctx, request{
			method: http.MethodPut, path: "/events/" + w.id, body: revised, header: map[string]string{"If-Match": read.header.Get("ETag")},
		})
		if err == nil {
			w.version = got.body.Get("version").Int()
			return nil
		}
		if !hasStatus(err, http.StatusPreconditionFailed) {
			return err
		}
	}
	return err
}

// delete deletes an event. One that is gone already is as good: the answer to an earlier try may have been lost.
func (a *api) delete(ctx context.Context, id string) error {
	_, err := a.send(ctx, request{method: http.MethodDelete, path: "/events/" + id})
	if hasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// listOwn calls found with the ids of the demo's own events, page by page.
func (a *api) listOwn(ctx context.Context, found func(ids []string) error) error {
	query := url.Values{"limit": {"200"}}
	for {
		page, err := a.send(ctx, request{method: http.MethodGet, path: "/events?" + query.Encode()})
		if err != nil {
			return err
		}
		var ids []string
		for _, item := range page.body.Get("items").Array() {
			if item.Get("attributes." + sample.RunAttribute).Exists() {
				ids = append(ids, item.Get("id").String())
			}
		}
		if err := found(ids); err != nil {
			return err
		}
		next := page.body.Get("next_cursor").String()
		if next == "" {
			return nil
		}
		query.Set("cursor", next)
	}
}
