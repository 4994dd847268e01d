package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/pipeline"
)

type statusCommand struct {
	pipelineFlags
	kafkaFlags
	databaseFlags
	connectFlags
	limitFlags
	Elasticsearch elasticsearchFlags `embed:"" prefix:"elasticsearch-"`
	IndexerURL    string             `help:"Address of the running indexer." default:"http://localhost:8082" env:"CDC_INDEXER_INDEXER_URL"`
	MaxLag        time.Duration      `help:"Warn when a message has waited for longer than this." default:"1m" env:"CDC_INDEXER_MAX_LAG"`
	Timeout       time.Duration      `help:"How long each part may take to answer. All are asked at the same time." default:"4s"`
	JSON          bool               `help:"Print findings and facts as JSON." name:"json"`
}

// Validate is called by kong; its error names the flag.
func (c *statusCommand) Validate() error {
	return errors.Join(
		c.kafkaFlags.validate(),
		c.limitFlags.validate(),
		c.Elasticsearch.validate(),
		mustBe(c.MaxLag > 0, "max-lag", "above 0"),
		mustBe(c.Timeout > 0, "timeout", "above 0"),
	)
}

// Run prints what it finds, and returns errNo when something is wrong.
func (c *statusCommand) Run(ctx context.Context, _ *slog.Logger) error {
	return c.run(ctx, os.Stdout, isTerminal(os.Stdout))
}

func (c *statusCommand) run(ctx context.Context, to io.Writer, color bool) error {
	report, err := c.look(ctx)
	if err != nil {
		return err
	}
	if err := c.print(to, report, color); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if !report.OK {
		return errNo
	}
	return nil
}

// look asks everything once.
func (c *statusCommand) look(ctx context.Context) (health.Report, error) {
	p, _, err := c.load()
	if err != nil {
		return health.Report{}, err
	}
	client, err := c.Elasticsearch.client()
	if err != nil {
		return health.Report{}, err
	}
	defer client.Close()
	sources, closeSources, err := newSources(p, addresses{
		database: c.DatabaseURL, connect: c.ConnectURL, indexer: c.IndexerURL, brokers: c.KafkaBrokers, index: client,
	}, true)
	if err != nil {
		return health.Report{}, err
	}
	defer closeSources()
	return c.ask(ctx, p, sources)
}

// ask asks the sources and judges what they say.
func (c *statusCommand) ask(ctx context.Context, p pipeline.Pipeline, sources health.Sources) (health.Report, error) {
	facts := health.Look(ctx, sources, c.Timeout)
	if err := ctx.Err(); err != nil {
		return health.Report{}, err //nolint:wrapcheck // whoever asked has ended it
	}
	return health.Judge(facts, about(p), health.Limits{SlotWAL: c.MaxSlotWAL, ClockSkew: c.MaxClockSkew, Lag: c.MaxLag}), nil
}

func (c *statusCommand) print(to io.Writer, report health.Report, color bool) error {
	if !c.JSON {
		return health.Print(to, report, color)
	}
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report) //nolint:wrapcheck // Run says what it was doing
}

// isTerminal says whether a person looks at the file.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
