// Command chaos breaks the running system at random while several writers write to it, heals it, and holds the table
// against the index: every row, every field, nothing extra. It does so round after round, and fails at the first
// difference.
//
// It needs a private native stack: `make chaos DURATION=30m SEED=7`, or this program behind `stack exec`.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, beside kong's own for a command line that does not parse.
const (
	exitEqual     = 0
	exitDifferent = 1 // a round ended with a difference, or did not catch up
	exitFailed    = 2 // the run itself could not be carried out
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var config Config
	kong.Parse(&config,
		kong.Name("chaos"),
		kong.Description("Breaks the running system at random under writes, heals it, and compares table and index. Run it behind `go run ./stack exec --`.\n\n"+
			"Exit codes: 0 always equal, 1 a round found a difference or did not catch up, 2 the run could not be carried out."),
		kong.UsageOnError(),
	)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := start(ctx, config)
	stop()
	os.Exit(code)
}

func start(ctx context.Context, config Config) int {
	level := slog.LevelWarn
	if config.Verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	at, err := addressesFromEnvironment(os.Getenv)
	if err == nil {
		_, err = run(ctx, config, at, os.Stdout, log)
	}
	switch {
	case err == nil:
		return exitEqual
	case errors.Is(err, errRoundFailed):
		return exitDifferent // has been said at length
	default:
		_, _ = fmt.Fprintln(os.Stderr, "chaos:", err)
		return exitFailed
	}
}
