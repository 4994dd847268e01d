package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"ticketing/demo/freshness"
	"ticketing/demo/sample"
	"ticketing/internal/compare"
)

const table = "public.events"

// errDifferent is returned when the index is not what the table is.
var errDifferent = errors.New("table and index differ")

// demo is one run.
type demo struct {
	config    Config
	screen    *screen
	api       *api
	search    *search
	generator *sample.Generator
	runName   string
}

func run(ctx context.Context, config Config, out *screen) error {
	const beside = 8 // connections that the probe keeps open
	d := &demo{
		config:  config,
		screen:  out,
		api:     &api{client: newClient(config.EventAPIURL, config.Concurrency+beside)},
		search:  &search{client: newClient(config.ElasticsearchURL, beside), alias: config.Index},
		runName: strings.ToLower(rand.Text()[:6]),
	}
	defer d.api.close()
	defer d.search.close()
	d.generator = sample.New(config.Seed, d.runName, time.Now().UTC().Truncate(24*time.Hour))
	if config.Clean {
		if err := d.checkAPI(ctx); err != nil {
			return err
		}
		return d.clean(ctx)
	}
	if err := d.welcome(ctx); err != nil {
		return err
	}
	return d.perform(ctx)
}

// welcome checks that everything is there, and says what is about to happen.
func (d *demo) welcome(ctx context.Context) error {
	if err := d.checkAPI(ctx); err != nil {
		return err
	}
	documents, err := d.search.count(ctx)
	if hasStatus(err, http.StatusNotFound) {
		return fmt.Errorf("there is no alias %s at %s: the indexer makes it when it starts, see `make status`", d.config.Index, d.config.ElasticsearchURL)
	}
	if err != nil {
		return notUp("Elasticsearch", d.config.ElasticsearchURL, "--elasticsearch-url", err)
	}
	rows, err := d.countRows(ctx)
	if err != nil {
		return notUp("Postgres", "the database", "--database-url", err)
	}
	d.screen.say("Events are written through %s and searched through %s/%s.", d.config.EventAPIURL, d.config.ElasticsearchURL, d.config.Index)
	d.screen.say("Now there are %s rows and %s documents. This is run %s with seed %d.\n", thousands(rows), thousands(documents), d.runName, d.config.Seed)
	return nil
}

func (d *demo) checkAPI(ctx context.Context) error {
	if _, err := d.api.call(ctx, request{method: http.MethodGet, path: "/readyz"}); err != nil {
		return notUp("The API", d.config.EventAPIURL, "--eventapi-url", err)
	}
	return nil
}

func notUp(who, where, option string, err error) error {
	return fmt.Errorf("%s is not ready at %s. Run `make up` first, or say with %s where it is.\n(%w)", who, where, option, err)
}

func (d *demo) countRows(ctx context.Context) (rows int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.config.databaseURL())
	if err != nil {
		return 0, err //nolint:wrapcheck // names what was tried
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count the rows: %w", err)
	}
	return rows, nil
}

// perform writes, measures and compares.
func (d *demo) perform(ctx context.Context) error {
	probe, err := d.newProbe(ctx)
	if err != nil {
		return err
	}
	late, err := d.write(ctx, probe)
	if err != nil {
		return err
	}
	var rest freshness.Recorder
	if late == nil {
		late = probe.times(ctx, restSamples, &rest)
	}
	if err := d.delete(ctx, d.screen.silent(), ids(probe.events)); err != nil {
		return err
	}
	d.sayFreshness(&rest)
	patience := d.config.Timeout
	if late != nil {
		if ctx.Err() != nil || !errors.Is(late, freshness.ErrLate) {
			return late
		}
		d.screen.say("%v", late)
		patience = 0 // all of it has been used up
	}
	return d.verdict(ctx, patience)
}

// write creates, changes and deletes, while the probe measures. A write that does not become searchable is no reason
// to stop: late says so.
func (d *demo) write(ctx context.Context, probe *probe) (late, err error) {
	done := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := probe.until(ctx, done, d.screen.freshness)
		if errors.Is(err, freshness.ErrLate) {
			late = err
			return nil
		}
		return err
	})
	group.Go(func() error {
		defer close(done)
		plan, err := d.create(ctx)
		if err != nil {
			return err
		}
		if err := d.change(ctx, plan.changed); err != nil {
			return err
		}
		return d.delete(ctx, d.screen.progress("deleting", len(plan.deleted)), ids(plan.deleted))
	})
	err = group.Wait()
	return late, err //nolint:wrapcheck // each step has said what it was doing
}

func (d *demo) sayFreshness(rest *freshness.Recorder) {
	d.screen.say("\nFrom the API's answer until a search finds it:")
	d.screen.say("%18s %9s %9s %9s", "p50", "p95", "max", "samples")
	for _, line := range []struct {
		when     string
		recorder *freshness.Recorder
	}{{"under load", d.screen.freshness}, {"at rest", rest}} {
		if s := line.recorder.Summary(); s.Count > 0 {
			d.screen.say("%-11s %6s %9s %9s %9d", line.when, short(s.P50), short(s.P95), short(s.Max), s.Count)
		}
	}
}

// verdict compares table and index until they are equal or patience is over.
func (d *demo) verdict(ctx context.Context, patience time.Duration) error {
	d.screen.say("\nComparing every field of every row with its document ...")
	start := time.Now()
	report, err := d.settle(ctx, patience)
	if err != nil {
		return fmt.Errorf("compare table and index: %w", err)
	}
	d.screen.say("  table %-15s %8s rows", table, thousands(report.Rows))
	d.screen.say("  index %-15s %8s documents\n", d.config.Index, thousands(report.Documents))
	if !report.Equal() {
		d.screen.say("DIFFERENT, after waiting for %s: %s", short(max(time.Since(start), patience)), report)
		d.screen.say("\nIs everything running? `make status` tells, and `make logs` why not. While others write, the two are never quite equal.")
		return errDifferent
	}
	d.screen.say("EQUAL: %s rows, %s documents, every field.", thousands(report.Rows), thousands(report.Documents))
	d.screen.say("\nThe events of this run have attributes.%s = %s:", sample.RunAttribute, d.runName)
	d.screen.say("  curl '%s/%s/_search?pretty&q=attributes.%s:%s+AND+title:festival'", d.config.ElasticsearchURL, d.config.Index, sample.RunAttribute, d.runName)
	d.screen.say("  go run ./demo --clean    deletes the events of all runs")
	return nil
}

// settle compares again and again, as the last writes may still be on their way.
func (d *demo) settle(ctx context.Context, patience time.Duration) (compare.Report, error) {
	const longestPause = 5 * time.Second
	deadline := time.Now().Add(patience)
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, longestPause) {
		report, err := compare.Table(ctx, compare.Options{
			DatabaseURL:      d.config.databaseURL(),
			ElasticsearchURL: d.config.ElasticsearchURL,
			Table:            table,
			Key:              []string{"id"},
			Index:            d.config.Index,
			JSONColumns:      []string{"attributes"},
			GeoPoints:        []compare.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
		})
		if err == nil && report.Equal() || time.Now().After(deadline) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err() //nolint:wrapcheck // the user has ended it
		case <-time.After(pause):
		}
	}
}
