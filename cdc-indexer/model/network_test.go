package model

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"ticketing/cdc-indexer/elastic/elasticfake"
)

// network stands between the indexers and Elasticsearch. It holds every request back until the history delivers it,
// so that requests of several indexers interleave, and a dead indexer's request may be carried out long after.
type network struct {
	*rand.Rand
	log    func(format string, args ...any)
	server *elasticfake.Server
	open   bool // deliver at once, for the history's own requests
	sent   chan *call
	held   []*call
}

// call is one request on its way.
type call struct {
	session int
	request *http.Request
	answer  chan result // has room for one: nobody may be waiting for it
	gone    <-chan struct{}
}

type result struct {
	response *http.Response
	err      error
}

type sessionKey struct{}

func newNetwork(random *rand.Rand, log func(string, ...any), server *elasticfake.Server) *network {
	return &network{Rand: random, log: log, server: server, sent: make(chan *call, 64)}
}

// RoundTrip waits until the request has been delivered or its sender is dead.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	if n.open {
		return n.server.RoundTrip(r)
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	ctx := r.Context()
	dead, _ := ctx.Value(deadKey{}).(chan struct{})
	select {
	case <-dead:
		return nil, errNetwork
	default:
	}
	copied := r.Clone(context.WithoutCancel(ctx))
	copied.Body = io.NopCloser(bytes.NewReader(body))
	session, _ := ctx.Value(sessionKey{}).(int)
	c := &call{session: session, request: copied, answer: make(chan result, 1), gone: ctx.Done()}
	n.sent <- c
	select {
	case answer := <-c.answer:
		return answer.response, answer.err
	case <-dead:
		return nil, errNetwork
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errNetwork is what a dead process would see, if there still were somebody to see it.
var errNetwork = fmt.Errorf("the process is dead: %w", context.Canceled)

// die settles the fate of a dead session's requests. Writes of documents, and of aliases, may still be carried out much
// later: the rules must bear that. Others arrive now or never, as a connection that ends with its process has it.
func (n *network) die(session int) {
	n.held = slices.DeleteFunc(n.held, func(c *call) bool {
		path := c.request.URL.Path
		if c.session != session || strings.HasSuffix(path, "/_bulk") || path == "/_aliases" {
			return false
		}
		if n.IntN(2) == 0 {
			response, err := n.server.RoundTrip(c.request)
			n.log("network: last request of session %d to %s, error %v", session, path, err)
			if err == nil {
				_ = response.Body.Close()
			}
		}
		return true
	})
}

// collect takes in the requests sent since the last time, in an order that does not depend on the scheduler.
func (n *network) collect() {
	from := len(n.held)
	for len(n.sent) > 0 {
		n.held = append(n.held, <-n.sent)
	}
	slices.SortFunc(n.held[from:], func(a, b *call) int { return a.session - b.session })
}

// waitsFor says whether a live session has a request on its way.
func (n *network) waitsFor(session int) bool {
	return slices.ContainsFunc(n.held, func(c *call) bool { return c.session == session && !c.orphaned() })
}

func (c *call) orphaned() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// deliver carries out one of the held requests, with some mishap now and then.
func (n *network) deliver(faults bool) {
	if len(n.held) == 0 {
		return
	}
	i := n.IntN(len(n.held))
	c := n.held[i]
	n.held = slices.Delete(n.held, i, i+1)
	var fault elasticfake.Fault
	restart := false
	if faults {
		fault, restart = n.mishap()
	}
	n.server.SetFault(func(*http.Request) elasticfake.Fault { return fault })
	response, err := n.server.RoundTrip(c.request) //nolint:bodyclose // the caller of RoundTrip closes it
	n.server.SetFault(nil)
	if restart {
		n.server.Restart()
	}
	n.log("network: request of session %d to %s, error %v", c.session, c.request.URL.Path, err)
	c.answer <- result{response, err}
}

func (n *network) mishap() (fault elasticfake.Fault, restart bool) {
	half := func(int) bool { return n.IntN(2) == 0 }
	switch n.IntN(24) {
	case 0:
		return elasticfake.Fault{Unreachable: true}, false
	case 1:
		return elasticfake.Fault{LostResponse: true}, false
	case 2:
		return elasticfake.Fault{Unwritten: half}, false
	case 3: // the server crashes in the middle of a bulk
		return elasticfake.Fault{LostResponse: true, Unwritten: half}, true
	default:
		return elasticfake.Fault{}, false
	}
}
