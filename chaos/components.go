package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"ticketing/stack/native"
	"ticketing/stack/supervisor"
)

// controlTimeout bounds one action on a component: a clean stop may take 30 s.
const controlTimeout = 90 * time.Second

// components are those of the stack, and the indexers that this program runs beside them.
type components struct {
	stack *supervisor.Client
	own   *supervisor.Supervisor
	names []string // of our own
	urls  []string // of all indexers, the stack's first
	ended chan struct{}
}

// newComponents starts the indexers: as many as there are links to Elasticsearch. They end with ctx.
func newComponents(ctx context.Context, config Config, at addresses, links *links, log *slog.Logger) (*components, error) {
	c := &components{stack: supervisor.NewClient(at.State), urls: []string{at.Indexer}, ended: make(chan struct{})}
	table := make([]supervisor.Component, len(links.elasticsearch))
	root, err := filepath.Abs(config.Root)
	if err != nil {
		return nil, fmt.Errorf("find the checkout: %w", err)
	}
	for n, elasticsearch := range links.elasticsearch {
		listen, err := freeAddress(ctx)
		if err != nil {
			return nil, err
		}
		table[n] = ownIndexer(n, root, listen, links.kafkaAddress(at), elasticsearch.address())
		c.names = append(c.names, table[n].Name)
		c.urls = append(c.urls, "http://"+listen)
	}
	// Their logs go beside those of the stack, which keeps them when a run fails.
	if c.own, err = supervisor.New(at.State, table, log); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		c.own.Run(ctx)
	}()
	return c, nil
}

func ownIndexer(n int, root, listen, kafka, elasticsearch string) supervisor.Component {
	return supervisor.Component{
		Name: indexerName(n), Address: "http://" + listen, Dir: root,
		Command: []string{filepath.Join(root, ".bin", native.Indexer), "run"},
		Env: []string{
			"CDC_INDEXER_LISTEN=" + listen,
			"CDC_INDEXER_KAFKA_BROKERS=" + kafka,
			"CDC_INDEXER_ELASTICSEARCH_URL=http://" + elasticsearch,
			"CDC_INDEXER_ELASTICSEARCH_TIMEOUT=10s", // an answer that never comes is given up within a round
		},
		StopWait: 30 * time.Second,
		Ready:    func(ctx context.Context) error { _, err := get(ctx, "http://"+listen+"/readyz"); return err },
	}
}

// indexerName counts from two: the first is the stack's.
func indexerName(n int) string { return fmt.Sprintf("%s-%d", native.Indexer, n+2) }

// indexers returns the names of all indexers.
func (c *components) indexers() []string { return append([]string{native.Indexer}, c.names...) }

// close waits for the end of our indexers, which the end of the context has asked for.
func (c *components) close() { <-c.ended }

// act does one thing to a component. It is not cut short when ctx ends: what was begun has to be undone.
func (c *components) act(ctx context.Context, name string, stack func(*supervisor.Client, context.Context, string) error, own func(*supervisor.Supervisor, string) error) error {
	if slices.Contains(c.names, name) {
		return own(c.own, name)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	return stack(c.stack, ctx, name)
}

// kill ends a component with SIGKILL; it is started again at once.
func (c *components) kill(ctx context.Context, name string) error {
	return c.act(ctx, name,
		func(s *supervisor.Client, ctx context.Context, name string) error { return s.Kill(ctx, name, true) },
		func(s *supervisor.Supervisor, name string) error { return s.Kill(name, true) })
}

// stop stops a component cleanly and returns when it has ended.
func (c *components) stop(ctx context.Context, name string) error {
	return c.act(ctx, name, (*supervisor.Client).Stop, (*supervisor.Supervisor).Stop)
}

// start starts a stopped component, and returns before it is ready.
func (c *components) start(ctx context.Context, name string) error {
	return c.act(ctx, name, (*supervisor.Client).Start, (*supervisor.Supervisor).Start)
}

// pause stops a component where it is, with SIGSTOP.
func (c *components) pause(ctx context.Context, name string) error {
	return c.act(ctx, name, (*supervisor.Client).Pause, (*supervisor.Supervisor).Pause)
}

// unpause lets it go on.
func (c *components) unpause(ctx context.Context, name string) error {
	return c.act(ctx, name, (*supervisor.Client).Unpause, (*supervisor.Supervisor).Unpause)
}

// status returns the states of all components.
func (c *components) status(ctx context.Context) ([]supervisor.Status, error) {
	report, err := c.stack.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the stack's status: %w", err)
	}
	return append(report.Components, c.own.Status(ctx)...), nil
}

// freeAddress returns an address of the loopback interface that nothing listened on a moment ago.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", native.Host+":0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

// get returns the body of a successful answer.
func get(ctx context.Context, url string) ([]byte, error) {
	const limit = 1 << 20
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", url, err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return nil, err //nolint:wrapcheck // names method and address
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return body, fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return body, nil
}

// wait waits, and says false when ctx ends first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
