// Command cdc-indexer keeps a search index equal to a Postgres table: it consumes the row changes that Debezium
// writes to Kafka and applies them to Elasticsearch.
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

// Exit codes, beside kong's own for a command line that does not parse.
const (
	exitOK     = 0
	exitNo     = 1 // done, and the answer is no: see errNo
	exitFailed = 2 // not done
)

// errNo is what a command returns when it has done its work and said that not all is well: there are differences,
// something is unhealthy.
var errNo = errors.New("not all is well")

type commandLine struct {
	Config  configFlag     `help:"YAML file with any of the flags below, by their names without the dashes in front. Environment and command line go before it." placeholder:"FILE" env:"CDC_INDEXER_CONFIG"`
	Log     logFlags       `embed:"" prefix:"log-"`
	Run     runCommand     `cmd:"" help:"Consume changes and apply them to the index, until stopped."`
	Reindex reindexCommand `cmd:"" help:"Build the index anew beside the live one, and swap it in without downtime."`
	Verify  verifyCommand  `cmd:"" help:"Compare table and index completely, and mend what differs."`
	Status  statusCommand  `cmd:"" help:"Look at everything from the table to the index, and say what is wrong and what to do. Exits with 1 when something is."`
	Trace   traceCommand   `cmd:"" help:"Follow the changes of one row from the commit until a search finds them. Exits with 1 when they do not get there in time."`
	DLQ     dlqCommand     `cmd:"" name:"dlq" help:"List, show and replay dead letters: messages that could not be indexed."`
	Version struct{}       `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := start(ctx, stop, os.Args[1:])
	stop()
	os.Exit(code)
}

func start(ctx context.Context, stop context.CancelFunc, args []string) int {
	var cli commandLine
	parser := kong.Must(&cli,
		kong.Name("cdc-indexer"),
		kong.Description("Keeps a search index equal to a Postgres table."),
		kong.ShortUsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	parsed, err := parser.Parse(args)
	parser.FatalIfErrorf(err)
	if parsed.Command() == "version" {
		fmt.Println(version())
		return exitOK
	}
	// A second signal ends the program at once: it may be that the first cannot be obeyed.
	context.AfterFunc(ctx, stop)
	logger := cli.Log.logger(os.Stderr)
	switch err := parsed.Run(logger); {
	case err == nil:
		return exitOK
	case errors.Is(err, errNo):
		return exitNo
	default:
		logger.Error("cdc-indexer failed", "error", err) //nolint:sloglint // the context has ended
		return exitFailed
	}
}
