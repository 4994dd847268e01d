package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"ticketing/demo/sample"
)

// searches are asked by turns: what people type, with and without filters, letter by letter.
var searches = []url.Values{
	{"q": {"jazz"}},
	{"q": {"jazz berlin"}},
	{"q": {"o"}},
	{"q": {"orc"}},
	{"q": {"jazz b"}},
	{"q": {"orchestr"}},
	{"q": {"konzert wien"}},
	{"q": {"festval london"}},
	{"q": {`"by the"`}, "sort": {"date"}},
	{"city": {"Berlin,London"}, "category": {"concert"}},
	{"near": {"48.2,16.37"}, "within": {"500"}, "sort": {"distance"}},
	{"price_max": {"30"}, "sort": {"price"}},
	{},
}

const requestTimeout = 10 * time.Second

func run(ctx context.Context, c config, out io.Writer) error {
	client := &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: c.Rate}}
	defer client.CloseIdleConnections()
	total, err := fill(ctx, client, c)
	if err != nil {
		return err
	}
	load(ctx, client, c, c.WarmUp)
	results := load(ctx, client, c, c.Duration)
	return report(out, c, total, results)
}

// fill creates events until there are enough, waits until they are found, and returns how many there are.
func fill(ctx context.Context, client *http.Client, c config) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Fill)
	defer cancel()
	found, err := count(ctx, client, c)
	if err != nil {
		return 0, err
	}
	const batch = 500
	generator := sample.New(1, "loadtest", time.Now())
	for missing := c.Events - found; missing > 0; missing -= batch {
		events := make([]sample.Event, min(batch, missing))
		for n := range events {
			events[n] = generator.Event()
		}
		if err := create(ctx, client, c, events); err != nil {
			return 0, err
		}
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for found < c.Events {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d events were searchable within %s", found, c.Events, c.Fill)
		case <-tick.C:
		}
		if found, err = count(ctx, client, c); err != nil {
			return 0, err
		}
	}
	return found, nil
}

func create(ctx context.Context, client *http.Client, c config, events []sample.Event) error {
	body, err := json.Marshal(map[string]any{"items": events})
	if err != nil {
		return fmt.Errorf("encode events: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.APIURL+"/events:batch", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("create events: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("create events: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("create events: %s answers %s", c.APIURL, answer.Status)
	}
	return nil
}

// count adds up the months, as a total has a limit.
func count(ctx context.Context, client *http.Client, c config) (int, error) {
	answer, err := search(ctx, client, c, url.Values{"limit": {"1"}})
	total := 0
	for _, month := range answer.Facets.Month {
		total += month.Count
	}
	return total, err
}

type found struct {
	TookMS int64 `json:"took_ms"`
	Facets struct{ Month []struct{ Count int } }
}

func search(ctx context.Context, client *http.Client, c config, query url.Values) (found, error) {
	var answer found
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.SearchURL+"/events?"+query.Encode(), http.NoBody)
	if err != nil {
		return answer, fmt.Errorf("search: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer, fmt.Errorf("search: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("search: %s answers %s", c.SearchURL, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("search: decode the answer: %w", err)
	}
	return answer, nil
}

// result is one search. Its latency counts from when it was due, so that a slow answer does not hide that others waited.
type result struct {
	latency, took time.Duration
	err           error
}

func load(ctx context.Context, client *http.Client, c config, duration time.Duration) []result {
	var (
		group   sync.WaitGroup
		mutex   sync.Mutex
		results []result
	)
	every := time.Second / time.Duration(c.Rate)
	start := time.Now()
	for n := 0; time.Duration(n)*every < duration && ctx.Err() == nil; n++ {
		due := start.Add(time.Duration(n) * every)
		timer := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
			group.Go(func() { // at most Rate times requestTimeout of them
				answer, err := search(ctx, client, c, searches[n%len(searches)])
				mutex.Lock()
				defer mutex.Unlock()
				results = append(results, result{time.Since(due), time.Duration(answer.TookMS) * time.Millisecond, err})
			})
		}
	}
	group.Wait()
	return results
}

func report(out io.Writer, c config, total int, results []result) error {
	var latencies, took []time.Duration
	var failed error
	failures := 0
	for _, r := range results {
		if r.err != nil {
			failures, failed = failures+1, r.err
			continue
		}
		latencies, took = append(latencies, r.latency), append(took, r.took)
	}
	if len(latencies) == 0 {
		return errors.Join(errors.New("no search succeeded"), failed)
	}
	_, _ = fmt.Fprintf(out, "%d searches of %d events at %d a second for %s; %d failed\n", len(results), total, c.Rate, c.Duration, failures)
	_, _ = fmt.Fprintf(out, "%-16s %9s %9s %9s %9s\n", "", "p50", "p95", "p99", "max")
	for _, line := range []struct {
		name   string
		values []time.Duration
	}{{"answer", latencies}, {"Elasticsearch", took}} {
		slices.Sort(line.values)
		at := func(percent int) time.Duration {
			return line.values[(len(line.values)-1)*percent/100].Round(100 * time.Microsecond)
		}
		_, _ = fmt.Fprintf(out, "%-16s %9s %9s %9s %9s\n", line.name, at(50), at(95), at(99), at(100))
	}
	return failed
}
