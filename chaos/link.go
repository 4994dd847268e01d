package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is the way of TCP connections through a proxy that can be told to misbehave.
type link struct {
	name     string
	upstream string // host:port

	mu     sync.Mutex
	listen string // host:port
	proxy  *toxiproxy.Proxy
}

// toxic is one of toxiproxy's kinds of misbehaviour. Downstream is the way of the answers.
type toxic struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     string           `json:"stream"`
	Toxicity   float32          `json:"toxicity"` // share of the connections
	Attributes map[string]int64 `json:"attributes"`
}

const (
	upstream   = "upstream"
	downstream = "downstream"
)

func newToxic(kind, stream string, attributes map[string]int64) toxic {
	return toxic{Name: kind + " " + stream, Type: kind, Stream: stream, Toxicity: 1, Attributes: attributes}
}

// openLink starts a proxy that behaves.
func openLink(ctx context.Context, name, listen, upstream string) (*link, error) {
	l := &link{name: name, listen: listen, upstream: upstream}
	return l, l.behave(ctx)
}

// address is what clients connect to.
func (l *link) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listen
}

// behave breaks all connections, and has those that follow suffer from the toxics, or from none.
//
// Each time it is a new proxy: toxiproxy (2.12) may wait for ever when a toxic is taken out of a connection that is
// being closed, and its resets only work on connections that began with them.
func (l *link) behave(ctx context.Context, toxics ...toxic) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.proxy != nil {
		l.proxy.Stop()
		l.proxy = nil
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	const patience = 5 * time.Second // somebody's outgoing connection may have got the port meanwhile
	deadline := time.Now().Add(patience)
	for {
		proxy := toxiproxy.NewProxy(server, l.name, l.listen, l.upstream)
		for _, t := range toxics {
			text, err := json.Marshal(t)
			if err != nil {
				return fmt.Errorf("proxy %s: %w", l.name, err)
			}
			if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(string(text))); err != nil {
				return fmt.Errorf("proxy %s: toxic %s: %w", l.name, t.Name, err)
			}
		}
		err := proxy.Start()
		if err == nil {
			l.proxy, l.listen = proxy, proxy.Listen
			return nil
		}
		if time.Now().After(deadline) || !wait(ctx, 100*time.Millisecond) {
			return fmt.Errorf("proxy %s: %w", l.name, err)
		}
	}
}

// mend starts the proxy when it could not be started before.
func (l *link) mend(ctx context.Context) error {
	l.mu.Lock()
	broken := l.proxy == nil
	l.mu.Unlock()
	if broken {
		return l.behave(ctx)
	}
	return nil
}

// close ends the proxy with its connections.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.proxy != nil {
		l.proxy.Stop()
		l.proxy = nil
	}
}
