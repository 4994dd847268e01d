// Package kafkaconnect talks to the REST interface of a Kafka Connect worker: connectors' configurations, their
// states, and the steps that lead from one to the other without reading a stale state.
package kafkaconnect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// requestTimeout is a little more than the 90 s after which Connect itself gives up on a request.
const requestTimeout = 95 * time.Second

// maxBody bounds what is read of an answer; a validation of Debezium's connector is about 150 kB.
const maxBody = 16 << 20

// ErrNotFound says that Connect has no connector of that name.
var ErrNotFound = errors.New("no such connector")

// errStarting explains a 404 for the list of connectors: a worker that starts listens before it has anything to serve.
var errStarting = errors.New("it is still starting, or it is no Kafka Connect")

// An UnreachableError says that there was no answer, or not one of a worker that works.
type UnreachableError struct {
	URL string // of the worker
	Err error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("Kafka Connect at %s does not answer: %v", e.URL, e.Err)
}

// Unwrap returns the cause, such as a refused connection.
func (e *UnreachableError) Unwrap() error { return e.Err }

// An APIError is an answer of Connect that is no success.
type APIError struct {
	Method, Path string
	StatusCode   int
	Message      string
}

func (e *APIError) Error() string {
	return fmt.Sprintf("Kafka Connect answered %s %s with %d: %s", e.Method, e.Path, e.StatusCode, e.Message)
}

// Is makes errors.Is(err, ErrNotFound) true for status 404.
func (e *APIError) Is(target error) bool {
	return target == ErrNotFound && e.StatusCode == http.StatusNotFound
}

// temporary says whether the same request may succeed later: 409 is a rebalance of the workers in progress, 503 a
// worker that still starts.
func (e *APIError) temporary() bool {
	switch e.StatusCode {
	case http.StatusConflict, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// A Client sends requests to one worker. It may be used from several goroutines.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the worker at address, such as http://localhost:8083.
func New(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("address of Kafka Connect: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("address of Kafka Connect %q: want a URL such as http://localhost:8083", address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	return &Client{
		base: strings.TrimRight(address, "/"),
		http: &http.Client{Transport: transport, Timeout: requestTimeout},
	}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// AwaitReady returns when Connect answers and has joined its group, or with the reason it did not when ctx ends.
func (c *Client) AwaitReady(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		_, err := c.Connectors(ctx)
		var unreachable *UnreachableError
		if errors.As(err, &unreachable) {
			return false, err
		}
		return err == nil, permanent(err)
	})
}

// Connectors returns the names of all connectors.
func (c *Client) Connectors(ctx context.Context) ([]string, error) {
	var names []string
	err := c.do(ctx, http.MethodGet, "/connectors", nil, &names)
	if errors.Is(err, ErrNotFound) {
		return nil, &UnreachableError{URL: c.base, Err: errStarting}
	}
	return names, err
}

// Config returns a connector's settings as they were given: references to secrets are not resolved.
func (c *Client) Config(ctx context.Context, name string) (map[string]string, error) {
	var config map[string]string
	if err := c.do(ctx, http.MethodGet, connector(name)+"/config", nil, &config); err != nil {
		return nil, err
	}
	delete(config, "name") // Connect's own addition
	return config, nil
}

// PutConfig creates the connector or replaces its settings.
func (c *Client) PutConfig(ctx context.Context, name string, config map[string]string) error {
	return c.do(ctx, http.MethodPut, connector(name)+"/config", config, nil)
}

// Status returns the states that the workers last reported.
func (c *Client) Status(ctx context.Context, name string) (Status, error) {
	var status Status
	err := c.do(ctx, http.MethodGet, connector(name)+"/status", nil, &status)
	return status, err
}

// Pause asks the tasks to stop working and keep what they hold.
func (c *Client) Pause(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPut, connector(name)+"/pause", nil, nil)
}

// Stop asks the connector to end its tasks altogether; Resume starts new ones.
func (c *Client) Stop(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPut, connector(name)+"/stop", nil, nil)
}

// Resume asks a paused or stopped connector to work again.
func (c *Client) Resume(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPut, connector(name)+"/resume", nil, nil)
}

// DeleteOffsets forgets how far a stopped connector had read, so that it starts afresh.
func (c *Client) DeleteOffsets(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, connector(name)+"/offsets", nil, nil)
}

func connector(name string) string { return "/connectors/" + url.PathEscape(name) }

// rereads is how often a reading is tried again that was answered with 500: that is how Connect answers some of them in the
// midst of a rebalance ("Request cannot be completed because a rebalance is expected"), where it should be 409.
const rereads = 5

// do sends one request, again while Connect asks to come back later, and decodes the answer into result.
func (c *Client) do(ctx context.Context, method, path string, body, result any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode the body of %s %s: %w", method, path, err)
		}
	}
	again := 0
	if method == http.MethodGet {
		again = rereads
	}
	return poll(ctx, func() (bool, error) {
		answer, err := c.send(ctx, method, path, payload)
		var failure *APIError
		switch {
		case errors.As(err, &failure) && failure.temporary():
			return false, err
		case errors.As(err, &failure) && failure.StatusCode == http.StatusInternalServerError && again > 0:
			again--
			return false, err
		case err != nil || result == nil:
			return err == nil, permanent(err)
		}
		if err := json.Unmarshal(answer, result); err != nil {
			return false, permanent(fmt.Errorf("decode the answer to %s %s: %w", method, path, err))
		}
		return true, nil
	})
}

func (c *Client) send(ctx context.Context, method, path string, payload []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("make the request %s %s: %w", method, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, &APIError{Method: method, Path: path, StatusCode: response.StatusCode, Message: message(answer)}
	}
	return answer, nil
}

func (c *Client) unreachable(err error) error {
	var failure *url.Error
	if errors.As(err, &failure) {
		err = failure.Err // without the URL, which the message has already
	}
	return &UnreachableError{URL: c.base, Err: err}
}

// message takes the text out of Connect's error body, or all of a body that is something else's.
func message(body []byte) string {
	var failure struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &failure) == nil && failure.Message != "" {
		return failure.Message
	}
	const limit = 500
	return strings.TrimSpace(string(body[:min(len(body), limit)]))
}

// poll calls check with growing pauses until it says true, fails for good (permanent) or ctx ends. In the last case
// the error holds both what check said last and the cause of the end.
func poll(ctx context.Context, check func() (bool, error)) error {
	pause := &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 1.5, MaxInterval: time.Second,
	}
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		done, err := check()
		if ctx.Err() == nil {
			last = err
		}
		if err == nil && !done {
			err = errNotYet
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0))
	if cause := context.Cause(ctx); err != nil && cause != nil && last != nil {
		return fmt.Errorf("%w; %w", last, cause)
	}
	return err //nolint:wrapcheck // check's own error, or the context's
}

var errNotYet = errors.New("not yet")

// permanent marks an error as one that no repetition mends; nil stays nil.
func permanent(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err) //nolint:wrapcheck // a mark for poll, which takes it off again
}
