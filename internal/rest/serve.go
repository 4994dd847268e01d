package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxHeaderBytes bounds a request's header.
const maxHeaderBytes = 64 << 10

// ServeConfig says where to listen and how long to wait for clients. All durations but ShutdownDelay must be positive.
type ServeConfig struct {
	Listen            string        // host:port or :port
	ReadHeaderTimeout time.Duration // for a request's header to arrive
	ReadTimeout       time.Duration // for a whole request to arrive
	WriteTimeout      time.Duration // for a request to be answered, its arrival included
	IdleTimeout       time.Duration // for the next request of a connection
	ShutdownDelay     time.Duration // between /readyz turning 503 and no longer listening
	ShutdownTimeout   time.Duration // for running requests to end
}

// Serve answers requests until ctx ends, then lets those that run finish within the configured time. Requests live as
// long as work, which must outlive ctx.
func (a *API) Serve(ctx, work context.Context, config ServeConfig) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listen on --listen %s: %w", config.Listen, err)
	}
	server := &http.Server{
		Handler:           a,
		ReadHeaderTimeout: config.ReadHeaderTimeout,
		ReadTimeout:       config.ReadTimeout,
		WriteTimeout:      config.WriteTimeout,
		IdleTimeout:       config.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return work },
	}
	a.log.InfoContext(ctx, a.config.Name+" serves", slog.String("address", listener.Addr().String()))
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-groupCtx.Done()
		return a.shutDown(work, config, server)
	})
	return group.Wait() //nolint:wrapcheck // the goroutines above have said what they were doing
}

// shutDown says on /readyz that the program goes away, stops listening, and waits for running requests. Those that
// take longer than allowed are cut off.
func (a *API) shutDown(ctx context.Context, config ServeConfig, server *http.Server) error {
	a.log.InfoContext(ctx, a.config.Name+" shuts down", slog.Duration("within", config.ShutdownDelay+config.ShutdownTimeout))
	a.Drain()
	<-time.After(config.ShutdownDelay)
	ctx, cancel := context.WithTimeout(ctx, config.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // says no more than Shutdown did
		return fmt.Errorf("some requests did not end within --shutdown-timeout %s: %w", config.ShutdownTimeout, err)
	}
	return nil
}

// NewLogger returns the log of a program, in the format json or text.
func NewLogger(out io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}
