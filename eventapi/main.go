// Command eventapi is the REST write side: it keeps events in Postgres and knows nothing of who reads them there.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"ticketing/internal/rest"
)

func main() {
	var config Config
	kong.Parse(&config,
		kong.Name("eventapi"),
		kong.Description("REST API that writes events to Postgres."),
		kong.ShortUsageOnError(),
	)
	os.Exit(exitCode(config))
}

// exitCode runs the program until it is told to stop. A second signal ends it at once.
func exitCode(config Config) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	log := rest.NewLogger(os.Stdout, config.LogLevel, config.LogFormat)
	if err := run(ctx, config, log); err != nil {
		log.ErrorContext(ctx, "eventapi stops", "error", err)
		return 1
	}
	return 0
}
