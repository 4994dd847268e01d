// Package pipeline is how the pipeline page reaches what it shows: it hands requests on to the indexer's operations API, and
// new events to eventapi. Nothing of the data's own way goes through it.
package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// Config says where the programs are.
type Config struct {
	IndexerURL  string // with the operations API
	EventAPIURL string
}

// Limits of a request. A trace goes on for 30 s, and a replay may take 45.
const (
	maxBody     = 64 << 10
	dialTimeout = 3 * time.Second
	longest     = time.Minute
)

// Proxy hands requests on.
type Proxy struct {
	indexer, eventAPI *httputil.ReverseProxy
	transport         *http.Transport
}

// New checks the addresses. It does not connect yet.
func New(config Config, log *slog.Logger) (*Proxy, error) {
	p := &Proxy{transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ResponseHeaderTimeout: longest, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 8,
	}}
	var err error
	if p.indexer, err = p.to(config.IndexerURL, "--indexer-url (EVENTSEARCH_INDEXER_URL)", log); err != nil {
		return nil, err
	}
	p.eventAPI, err = p.to(config.EventAPIURL, "--eventapi-url (EVENTSEARCH_EVENTAPI_URL)", log)
	return p, err
}

// Close gives back idle connections.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

// Mount adds the only paths and methods that are handed on.
func (p *Proxy) Mount(router chi.Router) {
	router.Get("/pipeline/api/*", p.operations)
	router.Post("/pipeline/api/*", p.operations)
	router.Delete("/pipeline/api/*", p.operations)
	router.Post("/pipeline/events", func(w http.ResponseWriter, r *http.Request) { hand(p.eventAPI, w, r) })
}

func (p *Proxy) operations(w http.ResponseWriter, r *http.Request) { hand(p.indexer, w, r) }

// prefix is what the paths have here and not there.
const prefix = "/pipeline"

// hand hands a request on.
func hand(to *httputil.ReverseProxy, w http.ResponseWriter, r *http.Request) {
	// The server's own limit is for answers that are there at once.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longest))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = strings.TrimPrefix(r.URL.Path, prefix), strings.TrimPrefix(r.URL.RawPath, prefix)
	if r.URL.Path != path.Clean(r.URL.Path) {
		problem(w, http.StatusNotFound, "there is nothing at this path")
		return
	}
	to.ServeHTTP(w, r)
}

func (p *Proxy) to(address, setting string, log *slog.Logger) (*httputil.ReverseProxy, error) {
	target, err := url.Parse(address)
	if err == nil && (target.Scheme != "http" && target.Scheme != "https" || target.Host == "") {
		err = errors.New("it must look like http://localhost:8082")
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", setting, address, err)
	}
	return &httputil.ReverseProxy{
		Transport:     p.transport,
		FlushInterval: -1, // a trace is told as it happens
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Cookie") // nobody there has any business with it
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
				problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
				return
			}
			if r.Context().Err() == nil {
				log.WarnContext(r.Context(), "pipeline page: no answer", "address", address, "error", err)
			}
			problem(w, http.StatusBadGateway, "there is no answer from "+address+"; "+setting+" says where to ask")
		},
	}, nil
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}) // the browser has gone when this fails
}
