package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/health"
)

// admin serves what operators and their tools look at.
type admin struct {
	server    *http.Server
	router    *chi.Mux
	listener  net.Listener
	readiness readiness
	index     atomic.Pointer[error]
	logger    *slog.Logger
}

// readiness asks the parts how they are.
type readiness struct {
	consumer func() consumer.Status
	writer   *elastic.Writer
	watched  func() []health.Finding // what lies around the indexer
}

// errStarting is the index's state until it has been looked at.
var errStarting = errors.New("the index has not been looked at yet")

func newAdmin(ctx context.Context, address string, registry *prometheus.Registry, r readiness, logger *slog.Logger) *admin {
	a := &admin{readiness: r, logger: logger}
	a.index.Store(&errStarting)
	ctx = context.WithoutCancel(ctx) // a drain can be watched, too
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cdc_indexer_ready", Help: "Whether changes get through: 1 while /readyz answers 200.",
	}, func() float64 {
		if a.look(ctx).Ready {
			return 1
		}
		return 0
	}))
	router := chi.NewRouter()
	router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	router.Get("/readyz", a.ready)
	router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}))
	a.router = router
	a.server = &http.Server{
		Addr: address, Handler: router,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
	}
	return a
}

// mount adds what answers all other paths.
func (a *admin) mount(operations http.Handler) { a.router.Mount("/", operations) }

// listen takes the port, so that a taken one is said at once.
func (a *admin) listen(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.server.Addr)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	a.listener = listener
	return nil
}

// serve answers until ctx ends, and so do requests that are being answered: a trace may take half a minute.
func (a *admin) serve(ctx context.Context) {
	a.server.BaseContext = func(net.Listener) context.Context { return ctx }
	var ending sync.WaitGroup
	defer ending.Wait() // until the answers are written
	ending.Add(1)
	context.AfterFunc(ctx, func() {
		defer ending.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = a.server.Shutdown(limited)
	})
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		a.logger.ErrorContext(ctx, "admin server failed", "error", err)
	}
}

func (a *admin) setIndex(err error) { a.index.Store(&err) }

// readyAnswer is the body of /readyz.
type readyAnswer struct {
	Ready    bool              `json:"ready"`
	Parts    map[string]string `json:"parts"`            // "ok", or what is wrong
	Checks   map[string]string `json:"checks,omitempty"` // likewise, of what lies around the indexer; some seconds old
	Warnings []string          `json:"warnings,omitempty"`
	Consumer consumer.Status   `json:"consumer"`
}

// ready answers 200 when changes get through, and 503 with the part that holds them up when they do not.
func (a *admin) ready(w http.ResponseWriter, r *http.Request) {
	answer := a.look(r.Context())
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.logger.DebugContext(r.Context(), "readiness not delivered", "error", err)
	}
}

// look asks all parts.
func (a *admin) look(ctx context.Context) readyAnswer {
	status := a.readiness.consumer()
	answer := readyAnswer{Ready: true, Parts: map[string]string{}, Checks: map[string]string{}, Warnings: status.Warnings, Consumer: status}
	index := *a.index.Load()
	if index == nil {
		index = a.lookAtIndex(ctx)
	}
	for name, err := range map[string]error{
		"kafka": status.Trouble, "index": index, "elasticsearch": a.readiness.writer.Trouble(),
	} {
		answer.Parts[name] = "ok"
		if err != nil {
			answer.Ready, answer.Parts[name] = false, err.Error()
		}
	}
	answer.add(a.readiness.watched())
	return answer
}

// add puts in what was found around the indexer. Of Kafka and Elasticsearch the indexer itself knows more, and sooner.
func (r *readyAnswer) add(findings []health.Finding) {
	r.Warnings = slices.Clone(r.Warnings) // the consumer's
	for _, f := range findings {
		part := string(f.Part)
		switch {
		case f.Part == health.PartKafka || f.Part == health.PartElasticsearch:
		case f.State == health.Failed:
			r.Ready = false
			if before := r.Checks[part]; before != "" && before != "ok" {
				r.Checks[part] = before + "; " + f.Summary
				continue
			}
			r.Checks[part] = f.Summary
		case f.State == health.Warning:
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: %s. %s", part, f.Summary, f.Action))
		default:
			r.Checks[part] = "ok"
		}
	}
}

// lookAtIndex asks Elasticsearch itself: without traffic nothing else would notice that it is gone.
func (a *admin) lookAtIndex(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return a.readiness.writer.CheckWriteAlias(ctx)
}
