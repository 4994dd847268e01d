// Command loadtest fills a running system with sample events and searches them at a steady rate. It prints how long the
// answers took, beside what Elasticsearch says that it took itself.
//
//	go run ./stack exec -- go run ./eventsearch/loadtest --events 20000
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/alecthomas/kong"
)

type config struct {
	SearchURL string        `env:"TEST_EVENTSEARCH_URL" default:"http://localhost:8081" help:"eventsearch."`
	APIURL    string        `name:"api-url" env:"TEST_EVENTAPI_URL" default:"http://localhost:8080" help:"eventapi, for the events."`
	Events    int           `default:"20000" help:"Sample events to create, as far as there are fewer."`
	Rate      int           `default:"50" help:"Searches a second."`
	Duration  time.Duration `default:"30s" help:"How long to search."`
	WarmUp    time.Duration `default:"20s" help:"How long to search before it counts: a server that was just started compiles itself."`
	Fill      time.Duration `default:"10m" help:"How long filling may take."`
}

// Validate names every option that cannot work. Kong calls it.
func (c *config) Validate() error {
	for option, ok := range map[string]bool{
		"events": c.Events > 0, "rate": c.Rate > 0 && c.Rate <= 10_000, "duration": c.Duration > 0, "warm-up": c.WarmUp >= 0, "fill": c.Fill > 0,
	} {
		if !ok {
			return fmt.Errorf("--%s is out of range", option)
		}
	}
	return nil
}

func main() {
	var c config
	kong.Parse(&c, kong.Name("loadtest"), kong.Description("Measures searches at a steady rate."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, c, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}
