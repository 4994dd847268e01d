package rest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

const requestIDHeader = "X-Request-Id"

type requestIDKey struct{}

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// identify gives every request an id, the caller's own when it is fit for a log line, and answers with it.
func (a *API) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !requestIDPattern.MatchString(id) {
			id = rand.Text()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// RequestID is the attribute that ties a log line to a request.
func RequestID(ctx context.Context) slog.Attr {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return slog.String("request_id", id)
}

// observe writes the access log and the metrics of every request.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		a.metrics.inFlight.Inc()
		defer a.metrics.inFlight.Dec()
		recorder := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(recorder, r)

		took := time.Since(started)
		status := recorder.Status()
		if status == 0 {
			status = http.StatusOK // what net/http sends when a handler writes nothing
		}
		method, route := methodLabel(r.Method), routeLabel(r)
		nameSpan(r.Context(), method, route)
		a.metrics.duration.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
		a.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
			RequestID(r.Context()),
			slog.String("method", r.Method),
			slog.String("path", r.URL.Path),
			slog.String("route", route),
			slog.Int("status", status),
			slog.Int("bytes", recorder.BytesWritten()),
			slog.Duration("took", took),
			slog.String("remote", r.RemoteAddr),
			slog.String("user_agent", r.UserAgent()),
			traceID(r.Context()),
		)
	})
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions, http.MethodTrace, http.MethodConnect,
}

// methodLabel and routeLabel keep callers from making up values of metric labels.
func methodLabel(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return "other"
}

func routeLabel(r *http.Request) string {
	if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" {
		return pattern
	}
	return "unmatched"
}

// recoverPanic answers 500 for a handler that panics, and logs where it did.
func (a *API) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.answerPanic(w, r)
		next.ServeHTTP(w, r)
	})
}

// answerPanic is deferred: recover works only in the deferred function itself.
func (a *API) answerPanic(w http.ResponseWriter, r *http.Request) {
	reason := recover()
	if reason == nil {
		return
	}
	if reason == http.ErrAbortHandler { //nolint:errorlint // net/http compares this value itself
		panic(reason)
	}
	a.log.LogAttrs(r.Context(), slog.LevelError, "panic", RequestID(r.Context()),
		slog.Any("reason", reason), slog.String("stack", string(debug.Stack())))
	if recorder, ok := w.(middleware.WrapResponseWriter); ok && recorder.Status() == 0 {
		writeProblem(w, http.StatusInternalServerError, internalDetail)
	}
}

// limit bounds how many requests are carried out at once, and how long each may wait.
func (a *API) limit(next http.Handler) http.Handler {
	slots := make(chan struct{}, a.config.MaxInFlight)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			a.metrics.shed.Inc()
			w.Header().Set("Retry-After", retryAfter)
			writeProblem(w, http.StatusServiceUnavailable, "too many requests are being carried out; try again")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), a.config.RequestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// singleRepresentation makes a request plain for what follows: there is only JSON to choose from, whatever Accept
// says, and a list header may come in several lines.
func singleRepresentation(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept")
		for _, name := range []string{"If-Match", "If-None-Match"} {
			if lines := r.Header.Values(name); len(lines) > 1 {
				r.Header.Set(name, strings.Join(lines, ", "))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// methodNotAllowed answers 405 with the methods that the path has.
func (a *API) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var allowed []string
	for _, method := range methods {
		if a.router.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, http.StatusMethodNotAllowed, "this path allows "+strings.Join(allowed, ", "))
}
