package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/health"
	"ticketing/cdc-indexer/kafkagroup"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/cdc-indexer/slot"
	"ticketing/internal/kafkaconnect"
)

// addresses say where to ask. One that is empty is not asked.
type addresses struct {
	database string
	connect  string
	indexer  string
	brokers  []string
	index    *elastic.Client
}

// newSources makes the questions that package health asks. This is the one place where they are wired. thorough asks what
// costs something, too: the ages of messages.
func newSources(p pipeline.Pipeline, at addresses, thorough bool) (sources health.Sources, closeSources func(), err error) {
	letters := deadletter.NewReader(at.brokers, p.DeadLetterTopic, p.Name)
	closeSources = letters.Close
	if at.connect != "" {
		client, err := kafkaconnect.New(at.connect)
		if err != nil {
			letters.Close()
			return health.Sources{}, nil, fmt.Errorf("--connect-url: %w", err)
		}
		closeSources = func() {
			client.Close()
			letters.Close()
		}
		if p.Source.Connector != "" {
			sources.Connector = func(ctx context.Context) (health.Connector, error) {
				return askConnector(ctx, client, p.Source.Connector)
			}
		}
	}
	if at.database != "" {
		schema, table := p.SchemaAndTable()
		config := slot.Config{
			URL: at.database, Schema: schema, Table: table,
			Slot: p.Source.Slot, Publication: p.Source.Publication, Heartbeat: p.Source.Heartbeat,
		}
		sources.Database = func(ctx context.Context) (health.Database, error) { return slot.Inspect(ctx, config) }
	}
	if at.indexer != "" {
		sources.Indexer = func(ctx context.Context) (health.Indexer, error) { return askIndexer(ctx, at.indexer) }
	}
	group := kafkagroup.Config{Brokers: at.brokers, Group: p.ConsumerGroup, Topics: p.Topics, Ages: thorough}
	sources.Kafka = func(ctx context.Context) (health.Kafka, error) { return kafkagroup.Inspect(ctx, group) }
	sources.Index = func(ctx context.Context) (health.Index, error) { return elastic.Inspect(ctx, at.index, indexNames(p)) }
	sources.Verify = func(ctx context.Context) (health.Verify, error) { return lastVerified(ctx, at.index, p) }
	tally := letters.NewTally()
	sources.DeadLetters = func(ctx context.Context) (health.DeadLetters, error) {
		summary, err := tally.Count(ctx)
		return health.DeadLetters{ByReason: summary.ByReason, Oldest: summary.Oldest}, err
	}
	return sources, closeSources, nil
}

// lastVerified reads what the last comparison has left in the live index.
func lastVerified(ctx context.Context, client *elastic.Client, p pipeline.Pipeline) (health.Verify, error) {
	last, err := readLastVerify(ctx, elastic.NewBuilder(client, indexNames(p), elastic.NewMetrics(prometheus.NewRegistry())))
	if err != nil {
		return health.Verify{}, err
	}
	verify := health.Verify{At: last.At, Differences: int(last.Differences - last.Repaired), Verdict: fmt.Sprintf("%s rows compared", thousands(last.Rows))}
	if last.Repaired > 0 {
		verify.Verdict += fmt.Sprintf(", %s documents mended", thousands(last.Repaired))
	}
	return verify, nil
}

func indexNames(p pipeline.Pipeline) elastic.Names {
	return elastic.Names{Prefix: p.Index.Prefix, ReadAlias: p.Index.ReadAlias, WriteAlias: p.Index.WriteAlias}
}

func about(p pipeline.Pipeline) health.About {
	a := health.About{
		Table: p.Table, Connector: p.Source.Connector, Slot: p.Source.Slot, Publication: p.Source.Publication,
		ReadAlias: p.Index.ReadAlias, WriteAlias: p.Index.WriteAlias,
	}
	for _, point := range p.GeoPoints {
		a.Made = append(a.Made, point.Field)
		a.MadeOf = append(a.MadeOf, point.Latitude, point.Longitude)
	}
	return a
}

// askConnector makes Kafka Connect's answer speak the use case's type.
func askConnector(ctx context.Context, client *kafkaconnect.Client, name string) (health.Connector, error) {
	status, err := client.Status(ctx, name)
	var unreachable *kafkaconnect.UnreachableError
	switch {
	case errors.Is(err, kafkaconnect.ErrNotFound):
		return health.Connector{}, nil
	case errors.As(err, &unreachable) && ctx.Err() == nil:
		return health.Connector{}, unreachable.Err // the finding says what it is that cannot be reached
	case err != nil:
		return health.Connector{}, err
	}
	connector := health.Connector{Exists: true, State: string(status.Connector.State), Trace: status.Connector.Trace}
	for _, task := range status.Tasks {
		connector.Tasks = append(connector.Tasks, health.Task{ID: task.ID, State: string(task.State), Trace: task.Trace})
	}
	return connector, nil
}

// askIndexer asks a running indexer.
func askIndexer(ctx context.Context, address string) (health.Indexer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(address, "/")+"/readyz", http.NoBody)
	if err != nil {
		return health.Indexer{}, fmt.Errorf("--indexer-url: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return health.Indexer{}, err //nolint:wrapcheck // says method and URL
	}
	defer func() { _ = response.Body.Close() }()
	const enough = 1 << 20
	var answer readyAnswer
	if err := json.NewDecoder(io.LimitReader(response.Body, enough)).Decode(&answer); err != nil || answer.Parts == nil {
		return health.Indexer{}, fmt.Errorf("%s answers %s and is no cdc-indexer", request.URL, response.Status)
	}
	return answer.indexer(), nil
}

// indexer is what status says of an indexer that answers so.
func (r readyAnswer) indexer() health.Indexer {
	indexer := health.Indexer{Ready: r.Ready, Troubles: map[string]string{}, Skipped: r.Consumer.Warnings}
	for part, said := range r.Parts { // of what lies around it, status has its own picture
		if said != "ok" {
			indexer.Troubles[part] = said
		}
	}
	return indexer
}

// newWatcher returns what looks around while run consumes.
func (c *runCommand) newWatcher(p pipeline.Pipeline, client *elastic.Client, metrics *health.Metrics, logger *slog.Logger) (*health.Watcher, func(), error) {
	sources, closeSources, err := newSources(p, addresses{
		database: c.Watch.DatabaseURL, connect: c.Watch.ConnectURL, brokers: c.KafkaBrokers, index: client,
	}, false)
	if err != nil {
		return nil, nil, err
	}
	limits := health.Limits{SlotWAL: c.Watch.MaxSlotWAL, ClockSkew: c.Watch.MaxClockSkew}
	return health.NewWatcher(sources, about(p), limits, c.Watch.CheckInterval, metrics, logger), closeSources, nil
}
