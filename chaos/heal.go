package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ticketing/internal/kafkaconnect"
	"ticketing/stack/supervisor"
)

// healPatience is how long the system may take to come back by itself.
const healPatience = 5 * time.Minute

// heal waits until everything works again. Each fault has undone itself, or this does it, so what is left is to come
// up, to find one another, and, since Kafka Connect leaves it to people, to restart a task that has failed.
func (s *system) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healPatience)
	defer cancel()
	if err := s.putRight(ctx); err != nil {
		return err
	}
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	return s.await(ctx, "the connector to run", s.reviveConnector)
}

// putRight undoes what a fault could not: on a busy machine, a server may not have been back in time for it.
func (s *system) putRight(ctx context.Context) error {
	for _, link := range s.links.each() {
		if err := link.mend(ctx); err != nil {
			return err
		}
	}
	running, err := s.components.status(ctx)
	if err != nil {
		return err
	}
	for _, component := range running {
		if component.State == supervisor.Paused {
			err = s.components.unpause(ctx, component.Name)
		}
		if component.State == supervisor.Stopped {
			err = s.components.start(ctx, component.Name)
		}
		if err != nil {
			return err
		}
	}
	if err := s.await(ctx, "an interrupted reindex to be cleaned up", s.endBuild); err != nil {
		return err
	}
	return s.await(ctx, "the write block to go", func(ctx context.Context) error { return s.setWriteBlock(ctx, false) })
}

// reviveConnector restarts what has failed of the connector, and notes why. It returns nil when the connector runs.
func (s *system) reviveConnector(ctx context.Context) error {
	status, err := s.connect.Status(ctx, connector)
	switch {
	case err != nil:
		return fmt.Errorf("ask for the connector's state: %w", err)
	case status.Running():
		return nil
	case !status.Failed():
		return fmt.Errorf("the connector does not run: %s", status)
	}
	failure := kafkaconnect.FailedError{Status: status}
	s.log.DebugContext(ctx, "the connector has failed and is restarted", "error", failure.Error())
	s.restarts = append(s.restarts, causes(failure.Error()))
	if err := s.connect.Restart(ctx, connector, true); err != nil {
		return fmt.Errorf("restart the connector: %w", err)
	}
	return fmt.Errorf("the connector had failed: %w", &failure)
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
