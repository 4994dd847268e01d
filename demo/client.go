package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

const (
	requestTimeout = time.Minute
	dialTimeout    = 5 * time.Second
)

// client sends JSON to one server.
type client struct {
	base      string
	http      *http.Client
	transport *http.Transport
}

func newClient(base string, connections int) *client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		MaxIdleConnsPerHost: connections,
	}
	return &client{
		base:      strings.TrimRight(base, "/"),
		http:      &http.Client{Transport: transport, Timeout: requestTimeout},
		transport: transport,
	}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// request is what to send. The body is sent as JSON; nil is no body.
type request struct {
	method, path string
	body         any
	header       map[string]string
}

// answer is a successful answer.
type answer struct {
	header http.Header
	body   gjson.Result
}

// statusError is an answer that is not a success.
type statusError struct {
	status int
	detail string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("answered %d %s", e.status, http.StatusText(e.status))
	if e.detail != "" {
		text += ": " + e.detail
	}
	return text
}

func hasStatus(err error, status int) bool {
	var answered *statusError
	return errors.As(err, &answered) && answered.status == status
}

// call sends a request once.
func (c *client) call(ctx context.Context, q request) (answer, error) {
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return answer{}, fmt.Errorf("encode %s %s: %w", q.method, q.path, err)
		}
		body = bytes.NewReader(text)
	}
	sent, err := http.NewRequestWithContext(ctx, q.method, c.base+q.path, body)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", q.method, q.path, err)
	}
	if q.body != nil {
		sent.Header.Set("Content-Type", "application/json")
	}
	for name, value := range q.header {
		sent.Header.Set(name, value)
	}
	response, err := c.http.Do(sent)
	if err != nil {
		return answer{}, err //nolint:wrapcheck // names method and address
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: read the answer: %w", q.method, q.path, err)
	}
	if response.StatusCode > 299 {
		return answer{}, fmt.Errorf("%s %s: %w", q.method, c.base+q.path, newStatusError(response.StatusCode, gjson.ParseBytes(text)))
	}
	return answer{header: response.Header, body: gjson.ParseBytes(text)}, nil
}

// newStatusError takes the reason out of the API's problem details, or Elasticsearch's errors.
func newStatusError(status int, body gjson.Result) *statusError {
	if reason := body.Get("error.reason"); reason.Exists() {
		return &statusError{status: status, detail: reason.String()}
	}
	detail := body.Get("detail").String()
	for _, wrong := range body.Get("errors").Array() {
		detail += fmt.Sprintf("; %s %s", wrong.Get("location"), wrong.Get("message"))
	}
	return &statusError{status: status, detail: detail}
}
