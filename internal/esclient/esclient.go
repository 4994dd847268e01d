// Package esclient is the connection to Elasticsearch of the programs that have one: bounded in time and in memory, with
// errors that tell what the server answered.
package esclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Config says how to reach the server.
type Config struct {
	URL      string // http(s)://host:port
	Username string // basic authentication, with Password
	Password string
	APIKey   string // takes precedence over Username
	CAFile   string // PEM file of the authority that signed the server's certificate; empty: the system's
	// Timeout bounds one request, the answer included. Zero means 60 seconds, which is what Elasticsearch itself
	// waits for a shard that is not there.
	Timeout time.Duration
	// MaxAnswer bounds the bytes of an answer, with ErrTooLarge beyond. Zero means no bound.
	MaxAnswer int64
	// Transport replaces the network, for tests.
	Transport http.RoundTripper
}

// Client is a connection pool to one server, bounded in time: every call ends within Config.Timeout.
//
// It is go-elasticsearch's requests (esapi) on its transport. The package that joins the two for everybody also brings
// the typed API, 850 packages, and would take longer to compile than all the rest of this program.
type Client struct {
	*elastictransport.Client
	network   http.RoundTripper
	timeout   time.Duration
	maxAnswer int64
}

// New checks the configuration. It does not connect yet: the server may come up later.
func New(config Config) (*Client, error) {
	address, err := url.Parse(config.URL)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch url: %w", err)
	}
	if (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return nil, fmt.Errorf("elasticsearch url %q: must look like http://localhost:9200", config.URL)
	}
	network := config.Transport
	if network == nil {
		network = networkTransport()
	}
	options := []elastictransport.Option{
		elastictransport.WithURLs(address),
		elastictransport.WithTransport(network),
		// Whoever sends the request knows whether it may be sent again.
		elastictransport.WithDisableRetry(),
	}
	switch {
	case config.APIKey != "":
		options = append(options, elastictransport.WithAPIKey(config.APIKey))
	case config.Username != "":
		options = append(options, elastictransport.WithBasicAuth(config.Username, config.Password))
	}
	if config.CAFile != "" {
		certificate, err := os.ReadFile(config.CAFile)
		if err != nil {
			return nil, fmt.Errorf("elasticsearch certificate authority: %w", err)
		}
		options = append(options, elastictransport.WithCACert(certificate))
	}
	client, err := elastictransport.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch client: %w", err)
	}
	timeout := config.Timeout
	if timeout <= 0 {
		timeout = time.Minute
	}
	return &Client{Client: client, network: network, timeout: timeout, maxAnswer: config.MaxAnswer}, nil
}

func networkTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     time.Minute,
		ForceAttemptHTTP2:   true,
	}
}

// Close gives back idle connections.
func (c *Client) Close() {
	if network, ok := c.network.(interface{ CloseIdleConnections() }); ok {
		network.CloseIdleConnections()
	}
}

// ServerError is an answer that is not a success.
type ServerError struct {
	Status int    // HTTP status
	Type   string // for example "index_not_found_exception"; empty when the body is not Elasticsearch's
	Reason string
}

func (e *ServerError) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("elasticsearch answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("elasticsearch answered %d %s: %s", e.Status, e.Type, e.Reason)
}

// ErrTooLarge says that an answer has more than Config.MaxAnswer bytes.
var ErrTooLarge = errors.New("elasticsearch's answer is too large")

// HasStatus says whether err is an answer with that HTTP status.
func HasStatus(err error, status int) bool {
	var answer *ServerError
	return errors.As(err, &answer) && answer.Status == status
}

// Do sends a request and returns the body of a successful answer; any other answer is a *ServerError.
func (c *Client) Do(ctx context.Context, request esapi.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	response, err := request.Do(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("reach elasticsearch: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var content io.Reader = response.Body
	if c.maxAnswer > 0 {
		content = io.LimitReader(content, c.maxAnswer+1)
	}
	var body bytes.Buffer
	if _, err := io.Copy(&body, content); err != nil {
		return nil, fmt.Errorf("read elasticsearch's answer: %w", err)
	}
	if c.maxAnswer > 0 && int64(body.Len()) > c.maxAnswer {
		return nil, ErrTooLarge
	}
	if response.StatusCode > 299 {
		return nil, serverError(response.StatusCode, body.Bytes())
	}
	return body.Bytes(), nil
}

func serverError(status int, body []byte) *ServerError {
	var answer struct {
		Error struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"error"`
	}
	// A proxy's error page is no JSON: the status alone has to do then.
	_ = json.Unmarshal(body, &answer)
	return &ServerError{Status: status, Type: answer.Error.Type, Reason: answer.Error.Reason}
}
