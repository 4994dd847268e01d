// Package elastic writes changes to Elasticsearch so that the index always ends up with the newest state of every
// row, whatever order the changes come in and however often. It knows indices, aliases and documents, and nothing
// of Kafka or Debezium.
package elastic

import (
	"context"
	"net/http"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"ticketing/internal/esclient"
)

// Config says how to reach the server.
type Config = esclient.Config

// ServerError is an answer that is not a success.
type ServerError = esclient.ServerError

// Client is a connection pool to one server, bounded in time: every call ends within Config.Timeout.
type Client struct{ *esclient.Client }

// NewClient checks the configuration. It does not connect yet: the server may come up later.
func NewClient(config Config) (*Client, error) {
	client, err := esclient.New(config)
	if err != nil {
		return nil, err
	}
	return &Client{client}, nil
}

// do sends a request and returns the body of a successful answer; any other answer is a *ServerError.
func (c *Client) do(ctx context.Context, request esapi.Request) ([]byte, error) {
	return c.Do(ctx, request)
}

func hasStatus(err error, status int) bool { return esclient.HasStatus(err, status) }

// Invalid says whether err is Elasticsearch's answer to a request that is wrong in itself, so that waiting does not
// mend it.
func Invalid(err error) bool { return hasStatus(err, http.StatusBadRequest) }
