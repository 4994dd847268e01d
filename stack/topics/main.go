// Command topics creates the pipeline's Kafka topics and brings their settings up to date. The containers run it
// once at start; the native launcher does the same itself.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"ticketing/stack/kafkatopics"
)

type commandLine struct {
	KafkaBroker string `env:"KAFKA_BROKER" default:"localhost:9092" help:"One of the brokers, host:port."`
}

func main() {
	var cli commandLine
	parsed := kong.Parse(&cli, kong.Name("topics"), kong.Description("Creates Kafka's topics, or brings their settings up to date."))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := kafkatopics.Ensure(ctx, cli.KafkaBroker, kafkatopics.All(), os.Stdout)
	stop()
	parsed.FatalIfErrorf(err)
}
