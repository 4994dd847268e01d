package reindex_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
	"ticketing/cdc-indexer/reindex"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var names = elastic.Names{Prefix: "x", ReadAlias: "x", WriteAlias: "x-write"}

const (
	first  = "x-000001" // the live index in the beginning
	second = "x-000002" // the one that is built
)

// stage is a table, a log and an index on a fake server, each with what the others know of it or not yet.
type stage struct {
	*testing.T
	fake    *elasticfake.Server
	client  *elastic.Client
	builder *elastic.Builder
	indexer *elastic.Writer // of the running indexer

	mu        sync.Mutex
	rows      []change.Change
	position  int64           // of the write-ahead log
	messages  []change.Change // in the only partition of the only topic
	expired   int64           // how many of the messages are gone
	committed int64           // how far the running indexer has come
	snapshots int
	read      func(ctx context.Context) error // before the log is read
	started   func()                          // when the log's end is asked for
}

// play runs a test in a bubble of its own: a minute passes in no time, as nothing there waits for the world outside.
func play(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := elasticfake.New()
		client, err := elastic.NewClient(elastic.Config{URL: "http://fake", Transport: fake})
		require.NoError(t, err)
		metrics := elastic.NewMetrics(prometheus.NewRegistry())
		s := &stage{
			T: t, fake: fake, client: client, builder: elastic.NewBuilder(client, names, metrics),
			indexer: elastic.NewWriter(client, names.WriteAlias, metrics),
		}
		_, err = elastic.Ensure(t.Context(), client, names, s.definition("keyword"))
		require.NoError(t, err)
		test(t, s)
	})
}

func (s *stage) definition(valueType string) elastic.Definition {
	s.Helper()
	definition, err := elastic.ParseDefinition([]byte("mappings: {dynamic: false, properties: {value: {type: " + valueType + "}}}"))
	require.NoError(s, err)
	return definition
}

func (s *stage) options() reindex.Options {
	return reindex.Options{
		Definition: s.definition("keyword"), Workers: 2, BatchRows: 2, BatchBytes: 1 << 20, PartRows: 2,
		MaxShrink: 0.5, CutTimeout: 10 * time.Second, Heartbeat: 5 * time.Second,
	}
}

// reindexer returns a process of its own, which tells of its phases.
func (s *stage) reindexer(progress func(reindex.Phase, int64)) *reindex.Reindexer {
	return &reindex.Reindexer{Table: s, Log: s, Index: s.builder, Progress: progress}
}

// run builds an index.
func (s *stage) run(progress func(reindex.Phase, int64)) reindex.Result {
	s.Helper()
	result, err := s.reindexer(progress).Run(s.Context(), s.options())
	require.NoError(s, err)
	return result
}

// pass lets time pass; it is the bubble's own.
func (s *stage) pass(d time.Duration) { <-time.After(d) }

// write commits a row to the table and brings it into the log; an empty value deletes it.
func (s *stage) write(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.position += 8
	c := change.Change{Key: key, Op: change.Upsert, Order: change.Order{Version: s.position, LSN: s.position}}
	s.rows = slices.DeleteFunc(s.rows, func(r change.Change) bool { return r.Key == key })
	if value == "" {
		c.Op = change.Delete
	} else {
		c.Document = fmt.Appendf(nil, `{"value":%q}`, value)
		s.rows = append(s.rows, c)
	}
	s.messages = append(s.messages, c)
}

// consume has the running indexer do everything that is in the log.
func (s *stage) consume() {
	s.Helper()
	s.mu.Lock()
	pending := s.messages[s.committed:]
	s.mu.Unlock()
	_, err := s.indexer.Apply(s.Context(), pending)
	require.NoError(s, err)
	s.mu.Lock()
	s.committed += int64(len(pending))
	s.mu.Unlock()
}

// written is write and consume.
func (s *stage) written(pairs ...string) {
	s.Helper()
	for pair := range slices.Chunk(pairs, 2) {
		s.write(pair[0], pair[1])
	}
	s.consume()
}

// Snapshot is the table as it is.
func (s *stage) Snapshot(context.Context) (reindex.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshots++
	order := change.Order{Version: s.position, LSN: s.position}
	rows := slices.Clone(s.rows)
	for n := range rows {
		rows[n].Order = order
	}
	return snapshot{order, rows}, nil
}

type snapshot struct {
	order change.Order
	rows  []change.Change
}

func (s snapshot) Order() change.Order         { return s.order }
func (s snapshot) Close(context.Context) error { return nil }

func (s snapshot) Parts(_ context.Context, rows int) (parts []reindex.Part, err error) {
	for part := range slices.Chunk(s.rows, rows) {
		parts = append(parts, func(_ context.Context, each func(change.Change) error) error {
			for _, row := range part {
				if err := each(row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return parts, nil
}

const topic = "changes"

// Starts is where the only partition begins.
func (s *stage) Starts(context.Context) (reindex.Offsets, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return reindex.Offsets{topic: {s.expired}}, nil
}

// Ends is where the only partition ends.
func (s *stage) Ends(context.Context) (reindex.Offsets, error) {
	if s.started != nil {
		s.started()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return reindex.Offsets{topic: {int64(len(s.messages))}}, nil
}

// Committed is how far the running indexer has come.
func (s *stage) Committed(context.Context) (reindex.Offsets, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return reindex.Offsets{topic: {s.committed}}, nil
}

// Read hands over one change at a time.
func (s *stage) Read(ctx context.Context, from, to reindex.Offsets, each func(context.Context, []change.Change) error) error {
	if s.read != nil {
		if err := s.read(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	changes := slices.Clone(s.messages[from[topic][0]:to[topic][0]])
	s.mu.Unlock()
	for _, c := range changes {
		if err := each(ctx, []change.Change{c}); err != nil {
			return err
		}
	}
	return nil
}

const tombstone = "†"

// held returns what an index holds.
func (s *stage) held(index string) map[string]string {
	s.Helper()
	keys := map[string]bool{}
	for _, c := range s.messages {
		keys[c.Key] = true
	}
	ids := slices.Sorted(maps.Keys(keys))
	documents, err := elastic.NewReader(s.client, elastic.Names{WriteAlias: index}).Get(s.Context(), ids)
	require.NoError(s, err)
	found := map[string]string{}
	for n, document := range documents {
		switch {
		case document == nil:
		case document.Deleted:
			found[ids[n]] = tombstone
		default:
			found[ids[n]] = gjson.GetBytes(document.Source, "value").String()
		}
	}
	return found
}

// liveIs checks which index is behind both aliases, and that it takes writes.
func (s *stage) liveIs(index string) {
	s.Helper()
	require.JSONEq(s, `{"`+index+`":{"aliases":{"x":{"filter":{"term":{"cdc.deleted":false}}}}}}`, s.request(http.MethodGet, "/_alias/x", ""))
	require.JSONEq(s, `{"`+index+`":{"aliases":{"x-write":{"is_write_index":true}}}}`, s.request(http.MethodGet, "/_alias/x-write", ""))
	require.False(s, s.blocked(index), "%s is write-blocked", index)
}

// blocked says whether an index refuses writes.
func (s *stage) blocked(index string) bool {
	s.Helper()
	return strings.Contains(s.request(http.MethodPost, "/"+index+"/_bulk", `{"delete":{"_id":"nobody"}}`+"\n"), "cluster_block_exception")
}

// gone says that there is no such index.
func (s *stage) gone(index string) {
	s.Helper()
	require.Contains(s, s.request(http.MethodGet, "/"+index+"/_mapping", ""), "index_not_found_exception")
}

func (s *stage) request(method, path, body string) string {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, "http://fake"+path, strings.NewReader(body))
	require.NoError(s, err)
	response, err := s.fake.RoundTrip(request)
	require.NoError(s, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(s, err)
	return string(text)
}
