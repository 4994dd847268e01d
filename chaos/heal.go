package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ticketing/internal/kafkaconnect"
)

// healPatience is how long the system may take to come back by itself.
const healPatience = 4 * time.Minute

// heal waits until everything works again. Each fault has undone itself, so what is left is to come up, to find one
// another, and, since Kafka Connect leaves it to people, to restart a task that has failed. It returns the reasons of
// such restarts.
func (s *system) heal(ctx context.Context) (restarts []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, healPatience)
	defer cancel()
	if err := s.awaitSettled(ctx); err != nil {
		return nil, err
	}
	for {
		status, err := s.connect.Status(ctx, connector)
		switch {
		case err != nil:
			return restarts, fmt.Errorf("ask for the connector's state: %w", err)
		case status.Running():
			return restarts, nil
		case status.Failed():
			failure := kafkaconnect.FailedError{Status: status}
			s.log.WarnContext(ctx, "the connector has failed and is restarted", "error", failure.Error())
			restarts = append(restarts, causes(failure.Error()))
			if err := s.connect.Restart(ctx, connector, true); err != nil {
				return restarts, fmt.Errorf("restart the connector: %w", err)
			}
		}
		if !wait(ctx, 500*time.Millisecond) {
			return restarts, fmt.Errorf("the connector does not come back: %s: %w", status, ctx.Err())
		}
	}
}

// awaitSettled waits until every component is ready.
func (s *system) awaitSettled(ctx context.Context) error {
	for {
		running, err := s.components.status(ctx)
		var unsettled []string
		for _, component := range running {
			if !component.Settled() {
				unsettled = append(unsettled, fmt.Sprintf("%s is %s: %s", component.Name, component.State, component.Error))
			}
		}
		if err == nil && len(unsettled) == 0 {
			return nil
		}
		if !wait(ctx, 200*time.Millisecond) {
			return fmt.Errorf("not everything comes back: %s: %w", strings.Join(unsettled, "; "), errors.Join(err, ctx.Err()))
		}
	}
}

// warnings returns what the indexers say in /readyz that a person should look at.
func (s *system) warnings(ctx context.Context) []string {
	var all []string
	for _, url := range s.components.urls {
		body, err := get(ctx, url+"/readyz")
		var answer struct{ Warnings []string }
		if err = errors.Join(err, json.Unmarshal(body, &answer)); err != nil {
			all = append(all, fmt.Sprintf("%s: %v", url, err))
		}
		all = append(all, answer.Warnings...)
	}
	return all
}

// causes leaves out of a Java stack trace where it came by.
func causes(trace string) string {
	var kept []string
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "at ") && !strings.HasPrefix(line, "... ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " / ")
}
