package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// The control socket speaks HTTP:
//
//	GET  /status                        a Report
//	POST /refresh                       Supervisor.Refresh; answers the names of what was restarted
//	POST /shutdown                      ends Serve
//	POST /components/NAME/ACTION        start, stop, kill (?restart=false), pause, unpause
const (
	socketName = "control.sock"
	lockName   = "lock"
)

// Within what time GET /status answers.
const statusWithin = 2 * time.Second

var (
	// ErrRunning is returned by Serve when another supervisor has the folder.
	ErrRunning = errors.New("a stack runs in this folder already")
	// ErrNotRunning is returned by a Client when there is no supervisor to talk to.
	ErrNotRunning = errors.New("no stack runs in this folder")
)

// Report is what a supervisor tells of itself.
type Report struct {
	Components []Status `json:"components"`
	// Environment holds the variables that say where the components are.
	Environment map[string]string `json:"environment"`
}

// Serve runs the table and answers on the folder's control socket, until ctx ends or a client asks for the end. It
// returns when everything has stopped. A folder has one supervisor: ErrRunning says that there is another.
func Serve(ctx context.Context, dir string, table []Component, environment map[string]string, log *slog.Logger) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := New(dir, table, log)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, dir)
	if err != nil {
		return err
	}

	ctx, shutdown := context.WithCancel(ctx)
	defer shutdown()
	server := &http.Server{Handler: s.handler(environment, shutdown), ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	s.Run(ctx)
	// The last thing to go, so that a client can watch the others go.
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}

func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // within the state folder
	if err != nil {
		return nil, fmt.Errorf("lock the state folder: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, ErrRunning)
		}
		return nil, fmt.Errorf("lock the state folder: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

func listen(ctx context.Context, dir string) (net.Listener, error) {
	path, done, err := shortPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	// One that was killed has left its socket; whoever holds the lock may replace it.
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, os.ErrNotExist) { //nolint:gosec // the state folder is the user's choice
		return nil, fmt.Errorf("remove the old control socket: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)                    // the short path is gone by then
	if err := os.Chmod(filepath.Join(dir, socketName), 0o600); err != nil { //nolint:gosec // see above
		_ = listener.Close()
		return nil, fmt.Errorf("protect the control socket: %w", err)
	}
	return listener, nil
}

func (s *Supervisor) handler(environment map[string]string, shutdown func()) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), statusWithin)
		defer cancel()
		answer(w, Report{Components: s.Status(ctx), Environment: environment}, nil)
	})
	mux.HandleFunc("POST /refresh", func(w http.ResponseWriter, _ *http.Request) {
		restarted, err := s.Refresh()
		answer(w, restarted, err)
	})
	mux.HandleFunc("POST /shutdown", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, nil, nil)
		shutdown()
	})
	mux.HandleFunc("POST /components/{name}/{action}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, s.act(r.PathValue("name"), r.PathValue("action"), r.URL.Query()))
	})
	return mux
}

func (s *Supervisor) act(name, action string, query url.Values) error {
	switch action {
	case "start":
		return s.Start(name)
	case "stop":
		return s.Stop(name)
	case "kill":
		return s.Kill(name, query.Get("restart") != "false")
	case "pause":
		return s.Pause(name)
	case "unpause":
		return s.Unpause(name)
	}
	return fmt.Errorf("unknown action %q", action)
}

func answer(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		value = err.Error()
	}
	// A client that has gone needs no answer.
	_ = json.NewEncoder(w).Encode(value)
}

// Client talks to the supervisor of a folder.
type Client struct {
	http *http.Client
}

// NewClient returns a client for the supervisor of dir, which need not run yet.
func NewClient(dir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := shortPath(dir)
		if err != nil {
			return nil, err
		}
		defer done()
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks for the states of all components.
func (c *Client) Status(ctx context.Context) (Report, error) {
	var report Report
	err := c.call(ctx, http.MethodGet, "/status", &report)
	return report, err
}

// Refresh does what Supervisor.Refresh does.
func (c *Client) Refresh(ctx context.Context) (restarted []string, err error) {
	err = c.call(ctx, http.MethodPost, "/refresh", &restarted)
	return restarted, err
}

// Shutdown asks the supervisor to stop everything and itself. It returns at once; Status returns ErrNotRunning when
// it has come to that.
func (c *Client) Shutdown(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/shutdown", nil)
}

// Start starts a stopped component.
func (c *Client) Start(ctx context.Context, name string) error { return c.act(ctx, name, "start") }

// Stop stops a component and waits for its end.
func (c *Client) Stop(ctx context.Context, name string) error { return c.act(ctx, name, "stop") }

// Kill ends a component with SIGKILL.
func (c *Client) Kill(ctx context.Context, name string, restart bool) error {
	return c.act(ctx, name, "kill?restart="+strconv.FormatBool(restart))
}

// Pause stops a component where it is.
func (c *Client) Pause(ctx context.Context, name string) error { return c.act(ctx, name, "pause") }

// Unpause lets a paused component go on.
func (c *Client) Unpause(ctx context.Context, name string) error { return c.act(ctx, name, "unpause") }

func (c *Client) act(ctx context.Context, name, action string) error {
	return c.call(ctx, http.MethodPost, "/components/"+url.PathEscape(name)+"/"+action, nil)
}

func (c *Client) call(ctx context.Context, method, path string, result any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	response, err := c.http.Do(request)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return ErrNotRunning // the last two: it ended while it was asked
	case err != nil:
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		var message string
		if json.Unmarshal(body, &message) != nil {
			message = string(bytes.TrimSpace(body))
		}
		return errors.New(message)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return nil
}
