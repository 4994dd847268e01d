// Command bench measures the pipeline beside what could at best be had and beside other programs that do the same,
// all of them in turns on the same rows, and writes what came out as JSON, a page and plots.
//
// It needs a private native stack: `make bench`, or this program behind `stack exec`.
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

type commandLine struct {
	Run    runCommand    `cmd:"" default:"withargs" help:"Measure, and write results and report (the default)."`
	Report reportCommand `cmd:"" help:"Write the report of results that are there already."`
	Pipe   pipeCommand   `cmd:"" hidden:"" help:"Be the least possible pipe from Kafka to Elasticsearch."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var line commandLine
	parsed := kong.Parse(&line,
		kong.Name("bench"),
		kong.Description("Measures the pipeline. Run it behind `go run ./stack exec --`, or by `make bench`."),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	err := parsed.Run()
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
