package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/consumer"
	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/operations"
	"ticketing/cdc-indexer/pipeline"
	"ticketing/internal/goruntime"
)

type runCommand struct {
	pipelineFlags
	kafkaFlags
	Elasticsearch  elasticsearchFlags `embed:"" prefix:"elasticsearch-"`
	Listen         string             `help:"Address of /healthz, /readyz, /metrics and the operations API." default:":8082" env:"CDC_INDEXER_LISTEN"`
	OperatorToken  string             `help:"Token that changes over the operations API need, as in Authorization: Bearer TOKEN. Empty: it changes nothing." env:"CDC_INDEXER_OPERATOR_TOKEN" placeholder:"TOKEN"`
	Pprof          string             `help:"Address of /debug/pprof, for CPU and memory profiles. Empty: none." env:"CDC_INDEXER_PPROF"`
	FetchBytes     int                `help:"How many bytes, as Kafka keeps them, to ask for in one fetch of one partition of one topic. In memory, uncompressed, are as many of a backlog as --concurrency, and of what is new one of each." default:"393216" env:"CDC_INDEXER_FETCH_BYTES"`
	Concurrency    int                `help:"Bulk requests under way at the same time; as many more may be with changes behind which nothing waits." default:"2" env:"CDC_INDEXER_CONCURRENCY"`
	RefreshShare   float64            `help:"Which share of the time Elasticsearch may spend at most on making new changes searchable: more is fresher, less leaves more to searches." default:"0.8" env:"CDC_INDEXER_REFRESH_SHARE"`
	SessionTimeout time.Duration      `help:"How long Kafka waits for a silent member before its partitions go to others." default:"10s" env:"CDC_INDEXER_SESSION_TIMEOUT"`
	PurgeInterval  time.Duration      `help:"How often to remove tombstones that no message left in the topics can need; 0 is never." default:"1h" env:"CDC_INDEXER_PURGE_INTERVAL"`
	PurgeMargin    time.Duration      `help:"How much older than the oldest message left in the topics a tombstone must be." default:"24h" env:"CDC_INDEXER_PURGE_MARGIN"`
	DrainTimeout   time.Duration      `help:"How long a batch under way may take when a partition is taken away or the program stops." default:"5s" env:"CDC_INDEXER_DRAIN_TIMEOUT"`
	Watch          watchFlags         `embed:""`
}

// Validate is called by kong; its error names the flag.
func (c *runCommand) Validate() error {
	return errors.Join(
		c.validate(),
		mustBe(c.FetchBytes >= 1<<10 && c.FetchBytes <= 64<<20, "fetch-bytes", "1 KiB to 64 MiB"),
		mustBe(c.Concurrency >= 1 && c.Concurrency <= 64, "concurrency", "1 to 64"),
		mustBe(c.RefreshShare >= 0.01 && c.RefreshShare <= 1, "refresh-share", "0.01 to 1"),
		mustBe(c.SessionTimeout >= 6*time.Second && c.SessionTimeout <= 5*time.Minute, "session-timeout", "6s to 5m, the brokers' default limits"),
		mustBe(c.DrainTimeout > 0 && c.DrainTimeout < c.SessionTimeout, "drain-timeout", "above 0 and below --session-timeout, or the group gives up on a member that drains"),
		mustBe(fitsHeader(c.OperatorToken), "operator-token", "printable ASCII without spaces, as it travels in a header"),
		mustBe(c.PurgeInterval >= 0, "purge-interval", "0 or above"),
		mustBe(c.PurgeMargin >= elastic.RefreshAfter, "purge-margin", elastic.RefreshAfter.String()+" or more"),
		c.Elasticsearch.validate(),
		c.Watch.validate(),
	)
}

func fitsHeader(token string) bool {
	return !strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' })
}

// tuneRuntime sets what Go's runtime goes by, unless the environment has other values (GOGC, GOMAXPROCS).
//
// Memory is better spent on larger requests than on garbage, of which there is little: fetches of 384 KiB with 25 percent take
// 54 to 61 MiB in all, and with 40 up to 65. One processor decodes more than Elasticsearch takes of two requests under way; with
// more of them threads are woken and put to sleep all the time, which took a sixth of the processor time of everything.
func (c *runCommand) tuneRuntime() {
	const gcPercent = 25
	goruntime.GarbagePercent(gcPercent)
	goruntime.Processors(max(c.Concurrency/2, 1))
}

// Run wires the parts together and runs until ctx ends.
func (c *runCommand) Run(ctx context.Context, logger *slog.Logger) error {
	c.tuneRuntime()
	p, definition, err := c.load()
	if err != nil {
		return err
	}
	logger = logger.With("pipeline", p.Name)
	registry := newRegistry()
	metrics := newRunMetrics(registry)

	client, err := c.Elasticsearch.client()
	if err != nil {
		return err
	}
	defer client.Close()
	writer := elastic.NewWriter(client, p.Index.WriteAlias, metrics.elastic)
	refresher := elastic.NewRefresher(client, p.Index.WriteAlias, c.RefreshShare, metrics.elastic, logger)
	letters := deadletter.NewQueue(c.KafkaBrokers, p.DeadLetterTopic, p.Name).AtEpoch(p.Epoch)
	defer func() { _ = letters.Close() }()

	traced, err := newTraces(ctx, p, c.KafkaBrokers, logger)
	if err != nil {
		return err
	}
	config := c.consumer(p)
	background := append([]func(context.Context){refresher.Run}, traced.join(&config)...)
	member := consumer.New(config, newDecoder(p).DecodeIn, writer, refresher, deadLetters{letters}, metrics.consumer, logger)

	watcher, closeSources, err := c.newWatcher(p, client, metrics.health, logger)
	if err != nil {
		return err
	}
	defer closeSources()
	server := newAdmin(ctx, c.Listen, registry, readiness{consumer: member.Status, writer: writer, watched: watcher.Findings}, logger)
	jobs := operations.NewJobs(registry, logger)
	closeOperations, err := c.addOperations(p, client, server, jobs, registry, logger)
	if err != nil {
		return err
	}
	defer closeOperations()
	if err := server.listen(ctx); err != nil {
		return err
	}
	background = append(background, server.serve)
	if c.Pprof != "" {
		profiles, err := listenProfiles(ctx, c.Pprof, logger)
		if err != nil {
			return err
		}
		background = append(background, profiles.serve)
	}
	if c.PurgeInterval > 0 {
		tombstones := c.purging(p, client, metrics.elastic, logger)
		defer tombstones.log.Close()
		background = append(background, tombstones.run)
	}
	return runAll(ctx, background, func(ctx context.Context) error {
		var beside sync.WaitGroup
		defer beside.Wait()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		beside.Go(func() { jobs.Run(ctx) })
		if err := ensureIndex(ctx, client, indexNames(p), definition, server, logger); err != nil {
			return err
		}
		beside.Go(func() { watcher.Run(ctx) })
		return member.Run(ctx)
	})
}

func (c *runCommand) purging(p pipeline.Pipeline, client *elastic.Client, metrics *elastic.Metrics, logger *slog.Logger) *purging {
	log := consumer.NewLog(consumer.LogConfig{Brokers: c.KafkaBrokers, Topics: p.Topics}, newDecoder(p).DecodeIn)
	return &purging{elastic.NewPurger(client, indexNames(p), metrics), log, c.PurgeInterval, c.PurgeMargin, logger}
}

func (c *runCommand) consumer(p pipeline.Pipeline) consumer.Config {
	return consumer.Config{
		Brokers: c.KafkaBrokers, Group: p.ConsumerGroup, Topics: p.Topics,
		FetchBytes: c.FetchBytes, Concurrency: c.Concurrency,
		SessionTimeout: c.SessionTimeout, DrainTimeout: c.DrainTimeout,
	}
}

// addOperations lets the server answer the operations API.
func (c *runCommand) addOperations(
	p pipeline.Pipeline, client *elastic.Client, server *admin, jobs *operations.Jobs, registry *prometheus.Registry, logger *slog.Logger,
) (closeOperations func(), err error) {
	operator, err := c.newOperator(p, client, server.look, logger)
	if err != nil {
		return nil, err
	}
	api, err := operations.New(operator, jobs, c.OperatorToken, logger, registry)
	if err != nil {
		operator.close()
		return nil, err
	}
	server.mount(api)
	return operator.close, nil
}

// runAll runs the parts until ctx ends or work fails. Those in the background go on until work has stopped, so that a
// drain can be watched.
func runAll(ctx context.Context, background []func(context.Context), work func(context.Context) error) error {
	var parts sync.WaitGroup
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	for _, part := range background {
		parts.Go(func() { part(running) })
	}
	err := work(ctx)
	stop()
	parts.Wait()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // stopped on purpose
	}
	return err
}

func loadDefinition(path string) (elastic.Definition, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the pipeline file says which
	if err != nil {
		return elastic.Definition{}, fmt.Errorf("index.definition: %w", err)
	}
	definition, err := elastic.ParseDefinition(text)
	if err != nil {
		return elastic.Definition{}, fmt.Errorf("%s: %w", path, err)
	}
	return definition, nil
}

func newDecoder(p pipeline.Pipeline) *debezium.Decoder {
	schema, table := p.SchemaAndTable()
	points := make([]debezium.GeoPoint, len(p.GeoPoints))
	for n, point := range p.GeoPoints {
		points[n] = debezium.GeoPoint(point)
	}
	return debezium.NewDecoder(debezium.Config{
		Schema: schema, Table: table, Key: p.Key, Epoch: p.Epoch, JSONColumns: p.JSONColumns, GeoPoints: points,
	})
}

// deadLetters makes the queue speak the consumer's type.
type deadLetters struct{ queue *deadletter.Queue }

// Put hands the letters on.
func (d deadLetters) Put(ctx context.Context, letters []consumer.Letter) error {
	converted := make([]deadletter.Letter, len(letters))
	for n, letter := range letters {
		converted[n] = deadletter.Letter(letter)
	}
	return d.queue.Put(ctx, converted)
}

// ensureIndex creates the index if need be. Elasticsearch may come up later than we do.
func ensureIndex(ctx context.Context, client *elastic.Client, names elastic.Names, definition elastic.Definition, server *admin, logger *slog.Logger) error {
	const every = time.Second
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	said := ""
	for {
		created, err := elastic.Ensure(ctx, client, names, definition)
		server.setIndex(err)
		switch {
		case err == nil:
			if created {
				logger.InfoContext(ctx, "index created", "index", names.First(), "read_alias", names.ReadAlias, "write_alias", names.WriteAlias)
			}
			return nil
		case elastic.Invalid(err):
			return err
		case err.Error() != said:
			said = err.Error()
			logger.WarnContext(ctx, "waiting for the index", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // runAll knows it
		case <-ticker.C:
		}
	}
}
