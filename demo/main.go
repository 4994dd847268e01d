// Command demo shows the system at work: it writes thousands of made-up events through the REST API, changes and
// deletes some of them, measures how soon each write can be searched, and compares table and index in the end.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitEqual       = 0
	exitFailed      = 1
	exitInterrupted = 130 // as a shell gives for Ctrl-C
)

func main() {
	var config Config
	kong.Parse(&config,
		kong.Name("demo"),
		kong.Description("Writes sample events through the REST API, watches them become searchable, and compares table and index."),
		kong.UsageOnError(),
		variables(os.Getenv),
	)
	os.Exit(exitCode(config))
}

// exitCode runs the demo until it is done or told to stop. A second signal ends it at once.
func exitCode(config Config) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	err := run(ctx, config, newScreen(os.Stdout))
	switch {
	case err == nil:
		return exitEqual
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(os.Stderr, "\nStopped. What was written stays: `go run ./demo --clean` removes it.")
		return exitInterrupted
	case errors.Is(err, errDifferent): // has been said at length
		return exitFailed
	default:
		_, _ = fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		return exitFailed
	}
}
