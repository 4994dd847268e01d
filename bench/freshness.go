package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/tidwall/gjson"

	demo "ticketing/demo/freshness"
)

const (
	updatedTopic    = "event-updated"
	writesPerSecond = 100
	// probeEvery is how many writes there are to one that is searched for until it is found: searching costs, too.
	probeEvery = 50
	// freshRows are written in turn, so that none is written again before it was found.
	freshRows = 2000
	freshWait = time.Minute
)

// freshness measures the time from a commit until a search finds it, under a steady load of writes.
func (s *system) freshness(ctx context.Context, documents int) error {
	rows, err := s.someRows(ctx)
	if err != nil {
		return err
	}
	both := func(s *system, prefix string) []contestant {
		return []contestant{
			{name: prefix + "at rest", measure: func(ctx context.Context) (values, error) { return s.fresh(ctx, documents, rows, true) }},
			{name: prefix + "during catch-up", measure: func(ctx context.Context) (values, error) { return s.fresh(ctx, documents, rows, false) }},
		}
	}
	all := both(s, "")
	for _, build := range s.config.Beside {
		all = append(all, both(s.with(build), filepath.Base(build)+" ")...)
	}
	return s.rounds(ctx, freshness, all...)
}

func (s *system) someRows(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.backlog.database.QueryRow(ctx, "SELECT array_agg(id::text) FROM (SELECT id FROM public.events ORDER BY id LIMIT $1)", freshRows).Scan(&ids)
	if err != nil {
		return nil, fmt.Errorf("read ids: %w", err)
	}
	return ids, nil
}

// fresh writes while an indexer is at rest, or while it catches up with all the events of the other topic.
func (s *system) fresh(ctx context.Context, documents int, rows []string, rest bool) (values, error) {
	from, err := s.backlog.ends(ctx, updatedTopic)
	if err != nil {
		return nil, err
	}
	i, err := s.newIndexer(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.startIndexer(ctx, i)
	if err != nil {
		return nil, err
	}
	defer r.kill()
	enough := 1
	if rest {
		enough = documents
	}
	if _, err := s.es.awaitIndexed(ctx, i.writeAlias(), enough, r.alive); err != nil {
		return nil, err
	}
	if rest {
		if err := s.es.settle(ctx); err != nil {
			return nil, err
		}
	}
	before, err := readMetrics(ctx, r.url)
	if err != nil {
		return nil, err
	}
	load := &load{s: s, index: i.readAlias(), rows: rows, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if err := load.run(ctx, func() bool { return !rest && s.es.indexed(ctx, i.writeAlias()) >= int64(documents) }); err != nil {
		return nil, err
	}
	after, err := readMetrics(ctx, r.url)
	if err != nil {
		return nil, err
	}
	times, err := s.kafkaTimes(ctx, from)
	if err != nil {
		return nil, err
	}
	if _, err := r.stop(); err != nil {
		return nil, err
	}
	return load.summary(times, before, after), s.es.remove(ctx, i.name)
}

// load is a steady load of writes, some of which are looked for.
type load struct {
	s      *system
	index  string
	rows   []string
	client *http.Client

	mu     sync.Mutex
	found  []found
	failed error
}

// found is a write that a search has found.
type found struct {
	write                     string // which: id and version
	committed, indexed, shown time.Time
}

// run writes until the time is over, or until over says so.
func (l *load) run(ctx context.Context, over func() bool) error {
	begun := time.Now()
	tick := time.NewTicker(time.Second / writesPerSecond)
	defer tick.Stop()
	var writing sync.WaitGroup
	defer writing.Wait()
	room := make(chan struct{}, writesPerSecond) // a second's worth may be under way
	for n := 0; time.Since(begun) < time.Duration(l.s.config.Seconds)*time.Second; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the user has ended it
		case <-tick.C:
		}
		if n%writesPerSecond == 0 && over() {
			break
		}
		room <- struct{}{}
		writing.Go(func() {
			defer func() { <-room }()
			if err := l.write(ctx, n); err != nil {
				l.mu.Lock()
				l.failed = errors.Join(l.failed, err)
				l.mu.Unlock()
			}
		})
	}
	writing.Wait()
	if l.failed == nil && len(l.found) == 0 {
		return errors.New("no write was measured: give it more --events or --seconds")
	}
	return l.failed
}

// write changes a row, and in one case of some waits until a search finds the change.
func (l *load) write(ctx context.Context, n int) error {
	id := l.rows[n%len(l.rows)]
	version := ""
	change := func(ctx context.Context) (demo.Search, error) {
		var err error
		version, err = l.patch(ctx, id, n)
		return func(ctx context.Context) (bool, error) { return l.search(ctx, id, version) }, err
	}
	if n%probeEvery != 0 {
		_, err := change(ctx)
		return err
	}
	_, err := demo.Measure(ctx, freshWait, change)
	return err
}

// patch returns the row's new version.
func (l *load) patch(ctx context.Context, id string, n int) (string, error) {
	body := fmt.Appendf(nil, `{"attributes":{"bench":%d}}`, n)
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, l.s.at.EventAPI+"/events/"+id, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("change an event: %w", err)
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := l.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("change an event: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("change an event: %s %.300s: %w", response.Status, text, err)
	}
	return strings.Trim(response.Header.Get("ETag"), `"`), nil
}

// search looks for a version of a row and notes what it finds.
func (l *load) search(ctx context.Context, id, version string) (bool, error) {
	answer, err := l.s.es.call(ctx, http.MethodPost, "/"+l.index+"/_search?filter_path=hits.hits._source",
		fmt.Appendf(nil, `{"query":{"bool":{"filter":[{"term":{"id":%q}},{"term":{"version":%s}}]}},"_source":["cdc"]}`, id, version))
	shown := time.Now()
	cdc := gjson.GetBytes(answer, "hits.hits.0._source.cdc")
	if err != nil || !cdc.Exists() {
		return false, err
	}
	committed, err := time.Parse(time.RFC3339Nano, cdc.Get("committed_at").String())
	if err != nil {
		return false, fmt.Errorf("read committed_at: %w", err)
	}
	indexed, err := time.Parse(time.RFC3339Nano, cdc.Get("indexed_at").String())
	if err != nil {
		return false, fmt.Errorf("read indexed_at: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found = append(l.found, found{id + " " + version, committed, indexed, shown})
	return true, nil
}

// summary puts the samples together with the times of the messages, by id and version.
func (l *load) summary(kafkaTimes map[string]time.Time, before, after map[string]float64) values {
	var all, toKafka, toRequest, toShown []float64
	for _, f := range l.found {
		all = append(all, milliseconds(f.shown.Sub(f.committed)))
		toShown = append(toShown, milliseconds(f.shown.Sub(f.indexed)))
		if at, known := kafkaTimes[f.write]; known {
			toKafka = append(toKafka, milliseconds(at.Sub(f.committed)))
			toRequest = append(toRequest, milliseconds(f.indexed.Sub(at)))
		}
	}
	mean := func(histogram string) float64 {
		return 1000 * (after[histogram+"_sum"] - before[histogram+"_sum"]) / max(after[histogram+"_count"]-before[histogram+"_count"], 1)
	}
	return values{
		"p50 ms": percentile(all, 0.5), "p99 ms": percentile(all, 0.99), "samples": float64(len(all)),
		stageKafka: percentile(toKafka, 0.5), stageRequest: percentile(toRequest, 0.5), stageShown: percentile(toShown, 0.5),
		"a bulk request, mean ms": mean("cdc_indexer_bulk_duration_seconds"), "a refresh, mean ms": mean("cdc_indexer_refresh_duration_seconds"),
	}
}

// The stages on the way, each with its median.
const (
	stageKafka   = "commit to Kafka, p50 ms"
	stageRequest = "Kafka to bulk request, p50 ms"
	stageShown   = "bulk request to searchable, p50 ms"
)

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// kafkaTimes returns when the messages from the offsets on were written, by id and version.
func (s *system) kafkaTimes(ctx context.Context, from []int64) (map[string]time.Time, error) {
	ends, err := s.backlog.ends(ctx, updatedTopic)
	if err != nil {
		return nil, err
	}
	times := map[string]time.Time{}
	for partition := range ends {
		if err := s.readTimes(ctx, partition, from[partition], ends[partition], times); err != nil {
			return nil, err
		}
	}
	return times, nil
}

func (s *system) readTimes(ctx context.Context, partition int, from, to int64, times map[string]time.Time) error {
	if from >= to {
		return nil
	}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{s.at.Kafka}, Topic: updatedTopic, Partition: partition, MaxBytes: 8 << 20, MaxWait: time.Second})
	defer func() { _ = reader.Close() }()
	if err := reader.SetOffset(from); err != nil {
		return fmt.Errorf("read %s: %w", updatedTopic, err)
	}
	for {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("read %s: %w", updatedTopic, err)
		}
		after := gjson.GetBytes(m.Value, "after")
		times[after.Get("id").String()+" "+strconv.FormatInt(after.Get("version").Int(), 10)] = m.Time
		if m.Offset >= to-1 {
			return nil
		}
	}
}
