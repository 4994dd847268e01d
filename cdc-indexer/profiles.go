package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // what it registers by itself is on a router that nobody serves
	"time"
)

// profiles serves what `go tool pprof` reads, on an address of its own: it shows too much to stand beside the metrics.
type profiles struct {
	server   *http.Server
	listener net.Listener
	logger   *slog.Logger
}

// listenProfiles takes the port.
func listenProfiles(ctx context.Context, address string, logger *slog.Logger) (*profiles, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	router := http.NewServeMux()
	router.HandleFunc("/debug/pprof/", pprof.Index)
	router.HandleFunc("/debug/pprof/profile", pprof.Profile)
	router.HandleFunc("/debug/pprof/trace", pprof.Trace)
	// No bound of the answer: a profile takes as long as was asked for.
	server := &http.Server{Handler: router, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	return &profiles{server: server, listener: listener, logger: logger}, nil
}

// serve answers until ctx ends; a profile under way is cut short then.
func (p *profiles) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = p.server.Close() })
	defer stop()
	if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		p.logger.ErrorContext(ctx, "profiles are not served any more", "error", err)
	}
}
