package verify_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
	"ticketing/cdc-indexer/verify"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var names = elastic.Names{Prefix: "x", ReadAlias: "x", WriteAlias: "x-write"}

// position of the snapshots.
const position = 1000

// stage is a table and an index on a fake server.
type stage struct {
	*testing.T
	fake     *elasticfake.Server
	indexer  *elastic.Writer
	builder  *elastic.Builder
	verifier *verify.Verifier
	repairer *elastic.Writer

	mu       sync.Mutex
	rows     map[string]string // documents by key
	now      int64             // position of the write-ahead log
	read     []verify.Range    // ranges
	repaired []string          // keys
	failure  error             // of reading rows
}

func newStage(t *testing.T) *stage {
	t.Helper()
	fake := elasticfake.New()
	client, err := elastic.NewClient(elastic.Config{URL: "http://fake", Transport: fake})
	require.NoError(t, err)
	definition, err := elastic.ParseDefinition([]byte("mappings: {dynamic: false, properties: {id: {type: keyword}, n: {type: long}}}"))
	require.NoError(t, err)
	_, err = elastic.Ensure(t.Context(), client, names, definition)
	require.NoError(t, err)
	metrics := elastic.NewMetrics(prometheus.NewRegistry())
	s := &stage{
		T: t, fake: fake, rows: map[string]string{}, now: position,
		indexer:  elastic.NewWriter(client, names.WriteAlias, metrics),
		builder:  elastic.NewBuilder(client, names, metrics),
		repairer: elastic.NewRepairer(client, names.WriteAlias, metrics),
	}
	s.verifier = &verify.Verifier{Table: s, Index: elastic.NewReader(client, names), Keys: []string{"id"}}
	return s
}

// verify compares in ranges of two rows.
func (s *stage) verify() verify.Report { s.Helper(); return s.verifyWith(verify.Options{}) }

func (s *stage) verifyWith(options verify.Options) verify.Report {
	s.Helper()
	options.RangeRows, options.Workers = 2, 2
	if options.Samples == 0 {
		options.Samples = 10
	}
	report, err := s.verifier.Run(s.Context(), options)
	require.NoError(s, err)
	return report
}

// repair compares and mends.
func (s *stage) repair() verify.Report {
	s.Helper()
	s.verifier.Repairer = s
	defer func() { s.verifier.Repairer = nil }()
	return s.verify()
}

// Apply repairs, and remembers what.
func (s *stage) Apply(ctx context.Context, changes []change.Change) ([]change.Result, error) {
	s.mu.Lock()
	for _, c := range changes {
		s.repaired = append(s.repaired, c.Key)
	}
	s.mu.Unlock()
	return s.repairer.Apply(ctx, changes)
}

// index writes a document as the indexer does; an empty one is a delete.
func (s *stage) index(key, document string, at int64) {
	s.Helper()
	c := change.Change{Key: key, Op: change.Upsert, Order: change.Order{Version: at, LSN: at}, Document: []byte(document)}
	if document == "" {
		c.Op, c.Document = change.Delete, nil
	}
	results, err := s.indexer.Apply(s.Context(), []change.Change{c})
	require.NoError(s, err)
	require.Equal(s, change.Applied, results[0].Outcome)
}

// both puts a row into the table and its document into the index.
func (s *stage) both(keys ...string) {
	s.Helper()
	for _, key := range keys {
		s.rows[key] = `{"id":"` + key + `","n":1}`
		s.index(key, s.rows[key], 100)
	}
}

// vandalise writes document "a" past the indexer.
func (s *stage) vandalise(document string) {
	s.Helper()
	answer := s.request("/x-write/_bulk", `{"index":{"_id":"a"}}`+"\n"+document+"\n")
	require.Contains(s, answer, `"errors":false`)
}

func (s *stage) request(path, body string) string {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodPost, "http://fake"+path, strings.NewReader(body))
	require.NoError(s, err)
	response, err := s.fake.RoundTrip(request)
	require.NoError(s, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(s, err)
	return string(text)
}

// Snapshot is the table as it is.
func (s *stage) Snapshot(context.Context) (verify.Snapshot, error) {
	return &snapshot{stage: s, rows: maps.Clone(s.rows)}, nil
}

type snapshot struct {
	*stage
	rows map[string]string
}

func (s *snapshot) Order() change.Order         { return change.Order{Version: position, LSN: position} }
func (s *snapshot) Close(context.Context) error { return nil }

func (s *snapshot) Ranges(_ context.Context, rows int) (ranges []verify.Range, err error) {
	bound := []string(nil)
	keys := slices.Sorted(maps.Keys(s.rows))
	for n := rows; n < len(keys); n += rows {
		next := keys[n : n+1]
		ranges = append(ranges, verify.Range{From: bound, To: next})
		bound = next
	}
	return append(ranges, verify.Range{From: bound}), nil
}

func (s *snapshot) Read(_ context.Context, keys verify.Range, each func(change.Change) error) error {
	s.mu.Lock()
	s.read = append(s.read, keys)
	s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		if len(keys.From) > 0 && key < keys.From[0] || len(keys.To) > 0 && key >= keys.To[0] {
			continue
		}
		row := s.row(key)
		err := each(row)
		clear(row.Document) // it was only lent
		if err != nil {
			return err
		}
	}
	return s.failure
}

func (s *snapshot) Fetch(_ context.Context, keys []string) ([]change.Change, error) {
	rows := make([]change.Change, len(keys))
	for n, key := range keys {
		rows[n] = s.row(key)
	}
	return rows, nil
}

func (s *snapshot) row(key string) change.Change {
	c := change.Change{Key: key, Op: change.Delete, Order: s.Order(), Read: true}
	if document, ok := s.rows[key]; ok {
		c.Op, c.Document = change.Upsert, []byte(document)
	}
	return c
}

func (s *snapshot) Now(context.Context) (change.Order, error) {
	return change.Order{Version: s.now, LSN: s.now}, nil
}
