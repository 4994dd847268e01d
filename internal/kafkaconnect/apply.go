package kafkaconnect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"
)

// An Outcome is what Apply had to do.
type Outcome string

// The outcomes of Apply.
const (
	Created   Outcome = "created"
	Changed   Outcome = "changed"
	Unchanged Outcome = "unchanged"
	Resumed   Outcome = "resumed"   // unchanged, but it was paused or stopped
	Restarted Outcome = "restarted" // unchanged, but a part of it had failed
)

// Apply brings the connector to the given settings and to work, and leaves it alone when it already is there.
// AwaitRunning tells how it fares.
//
// Connect's status does not say which settings a RUNNING task was started with. A changed connector is therefore
// stopped until it has no task, given its settings and resumed: any task seen afterwards is a new one.
func (c *Client) Apply(ctx context.Context, name string, config map[string]string) (Outcome, error) {
	current, err := c.Config(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		if err := c.PutConfig(ctx, name, config); err != nil {
			return "", fmt.Errorf("create connector %s: %w", name, err)
		}
		return Created, nil
	case err != nil:
		return "", fmt.Errorf("read the settings of connector %s: %w", name, err)
	case maps.Equal(current, config):
		return c.revive(ctx, name)
	default:
		return Changed, c.replace(ctx, name, config)
	}
}

// revive brings a connector of the right settings back to work.
func (c *Client) revive(ctx context.Context, name string) (Outcome, error) {
	status, err := c.Status(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound): // no worker has reported on it yet
		return Unchanged, nil
	case err != nil:
		return "", fmt.Errorf("read the state of connector %s: %w", name, err)
	case status.Connector.State == Paused || status.Connector.State == Stopped:
		if err := c.Resume(ctx, name); err != nil {
			return "", fmt.Errorf("resume connector %s: %w", name, err)
		}
		return Resumed, nil
	case status.Failed():
		if err := c.Restart(ctx, name, true); err != nil {
			return "", fmt.Errorf("restart what failed of connector %s: %w", name, err)
		}
		return Restarted, nil
	default:
		return Unchanged, nil
	}
}

func (c *Client) replace(ctx context.Context, name string, config map[string]string) error {
	if err := c.Stop(ctx, name); err != nil {
		return fmt.Errorf("stop connector %s to change it: %w", name, err)
	}
	if _, err := c.AwaitState(ctx, name, Stopped); err != nil {
		return fmt.Errorf("stop connector %s to change it: %w", name, err)
	}
	if err := c.PutConfig(ctx, name, config); err != nil {
		err = fmt.Errorf("change connector %s, which goes on with its old settings: %w", name, err)
		return errors.Join(err, c.Resume(ctx, name))
	}
	if err := c.Resume(ctx, name); err != nil {
		return fmt.Errorf("resume connector %s after its change: %w", name, err)
	}
	return nil
}

// restartGrace bounds the wait for the first sign of a restart.
const restartGrace = 5 * time.Second

// Restart restarts a connector and its tasks, or only those of them that are FAILED, and returns when the restart
// shows in the status: until then a FAILED would be the old one. A restart that fails again at once may show no
// other state; FAILED is then true after a few seconds.
func (c *Client) Restart(ctx context.Context, name string, onlyFailed bool) error {
	before, err := c.Status(ctx, name)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("%s/restart?includeTasks=true&onlyFailed=%t", connector(name), onlyFailed)
	if err := c.do(ctx, http.MethodPost, path, nil, nil); err != nil {
		return err
	}
	grace, cancel := context.WithTimeout(ctx, restartGrace)
	defer cancel()
	_, err = c.await(grace, name, func(now Status) bool { return now.String() != before.String() })
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Delete removes the connector and returns when no worker reports on it any more. What it made elsewhere, such as a
// replication slot, stays.
func (c *Client) Delete(ctx context.Context, name string) error {
	if err := c.do(ctx, http.MethodDelete, connector(name), nil, nil); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		_, err := c.Status(ctx, name)
		if errors.Is(err, ErrNotFound) {
			return true, nil
		}
		return false, permanent(err)
	})
}

// AwaitState waits until the connector and all of its tasks are PAUSED, or the connector is STOPPED and has no task.
func (c *Client) AwaitState(ctx context.Context, name string, want State) (Status, error) {
	return c.await(ctx, name, func(status Status) bool {
		if status.Connector.State != want || (want == Stopped && len(status.Tasks) > 0) {
			return false
		}
		for _, task := range status.Tasks {
			if task.State != want && task.State != Failed {
				return false
			}
		}
		return true
	})
}

// AwaitRunning waits until the connector and all of its tasks are RUNNING and have stayed so for settle: a task is
// RUNNING from the moment it is started, while its first contact with the database may still fail. It returns a
// *FailedError as soon as a part is FAILED.
func (c *Client) AwaitRunning(ctx context.Context, name string, settle time.Duration) (Status, error) {
	var since time.Time
	return c.await(ctx, name, func(status Status) bool {
		if !status.Running() {
			since = time.Time{}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= settle
	}, failOnFailed)
}

func failOnFailed(status Status) error {
	if status.Failed() {
		return &FailedError{status}
	}
	return nil
}

// await polls the status until done says so, a check fails or ctx ends; the error then names the last state.
func (c *Client) await(ctx context.Context, name string, done func(Status) bool, checks ...func(Status) error) (Status, error) {
	var status Status
	seen := false
	err := poll(ctx, func() (bool, error) {
		now, err := c.Status(ctx, name)
		if errors.Is(err, ErrNotFound) && !seen { // created a moment ago: no worker has reported on it yet
			return false, nil
		}
		if err != nil {
			return false, permanent(err)
		}
		status, seen = now, true
		for _, check := range checks {
			if err := check(status); err != nil {
				return false, permanent(err)
			}
		}
		return done(status), nil
	})
	var failed *FailedError
	switch {
	case err == nil, errors.As(err, &failed):
		return status, err
	case seen:
		return status, fmt.Errorf("%s: %s: %w", name, status, err)
	default:
		return status, fmt.Errorf("%s: no state reported: %w", name, err)
	}
}
