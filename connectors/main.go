// Command connectors registers Kafka Connect's connectors from the files in this folder and tells how they fare.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"ticketing/internal/kafkaconnect"
)

// The exit codes.
const (
	exitNotRunning  = 1 // a connector is rejected, has failed, or does not run
	exitUsage       = 2 // the command line or a file is wrong; nothing was asked of Connect
	exitUnreachable = 3 // Connect does not answer
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	var line commandLine
	parser, err := kong.New(&line,
		kong.Name("connectors"),
		kong.Description("Registers Kafka Connect's connectors and tells how they fare.\n\n"+
			"Exit codes: 0 all is as asked, 1 a connector is rejected, has failed or does not run, "+
			"2 the command line or a file is wrong, 3 Kafka Connect does not answer."),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return report(err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return report(&usageError{err})
	}
	client, err := kafkaconnect.New(line.ConnectURL)
	if err != nil {
		return report(&usageError{err})
	}
	defer client.Close()
	output := &output{stdout: os.Stdout, stdin: os.Stdin, json: line.JSON}
	return report(command.Run(client, output))
}

// report prints the error, if there is one, and returns the exit code for it.
func report(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "connectors: error:", err)
	var usage *usageError
	var unreachable *kafkaconnect.UnreachableError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &unreachable):
		return exitUnreachable
	default:
		return exitNotRunning
	}
}

// A usageError is a mistake in the command line or in a connector's file.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
