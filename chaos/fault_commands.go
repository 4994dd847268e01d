package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ticketing/stack/native"
)

// rebuilding is the part that commands work at which build an index: one at a time, and nobody else blocks writes then.
const rebuilding = "rebuilding"

// commandFaults are the commands that people run while everything goes on. In the middle of other faults one may fail;
// what it leaves behind is brought to an end by the next, or by heal.
func (s *system) commandFaults() []fault {
	const rarely, often = 2, 4
	return []fault{
		{"reindex", often, []string{rebuilding}, s.command("reindex", "--max-shrink", "1", "--batch-rows", "50", "--wait-transactions", "20s")},
		{"kill a reindex", often, []string{rebuilding}, s.killedReindex},
		{"resume a reindex", often, []string{rebuilding}, s.command("reindex", "--resume", "--force", "--max-shrink", "1", "--wait-transactions", "20s")},
		{"abort a reindex", rarely, []string{rebuilding}, s.command("reindex", "--abort", "--force")},
		{"roll a reindex back", rarely, []string{rebuilding}, s.command("reindex", "rollback", "--max-shrink", "1")},
		{"verify", rarely, nil, s.command("verify", "--wait-pipeline", "0", "--wait-transactions", "20s")},
		{"repair", often, nil, s.command("verify", "--repair", "--wait-pipeline", "0", "--wait-transactions", "20s")},
	}
}

// command returns a fault that runs one of cdc-indexer's commands to its end.
func (s *system) command(args ...string) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, _ *rand.Rand) error { return s.runCommand(ctx, args...) }
}

// killedReindex ends a reindex with SIGKILL after a while, wherever it is by then.
func (s *system) killedReindex(ctx context.Context, r *rand.Rand) error {
	ctx, kill := context.WithTimeout(ctx, between(r, 200*time.Millisecond, 5*time.Second))
	defer kill()
	err := s.runCommand(ctx, "reindex", "--max-shrink", "1", "--batch-rows", "20", "--wait-transactions", "20s")
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// runCommand runs a command. It is killed when ctx ends. What it finds wrong, by exit code 1, is for the comparison to
// say; that there is no build to go on with, or one in the way, is no failure either.
func (s *system) runCommand(ctx context.Context, args ...string) error {
	database, err := url.Parse(s.at.Postgres)
	if err != nil {
		return fmt.Errorf("address of Postgres: %w", err)
	}
	password := os.Getenv("INDEXER_DB_PASSWORD")
	if password == "" {
		password = "indexer"
	}
	database.User = url.UserPassword("indexer", password)
	root, err := filepath.Abs(s.config.Root)
	if err != nil {
		return fmt.Errorf("find the checkout: %w", err)
	}
	command := exec.CommandContext(ctx, filepath.Join(root, ".bin", native.Indexer), args...) //nolint:gosec // our own program
	command.Dir = root
	command.Env = append(os.Environ(),
		"CDC_INDEXER_KAFKA_BROKERS="+s.at.Kafka, "CDC_INDEXER_ELASTICSEARCH_URL="+s.at.Elasticsearch,
		"CDC_INDEXER_ELASTICSEARCH_TIMEOUT=10s", "CDC_INDEXER_DATABASE_URL="+database.String())
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err = command.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.As(err, &exit) && exit.ExitCode() == 1:
		return nil
	case strings.Contains(output.String(), "no index is being built"), strings.Contains(output.String(), "an index is being built already"),
		strings.Contains(output.String(), "no former index is kept"):
		return nil
	default:
		return fmt.Errorf("cdc-indexer %s: %w: %s", strings.Join(args, " "), err, lastLine(output.String()))
	}
}

func lastLine(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[len(lines)-1]
}

// endBuild removes what an interrupted reindex has left.
func (s *system) endBuild(ctx context.Context) error {
	return s.runCommand(ctx, "reindex", "--abort", "--force")
}
