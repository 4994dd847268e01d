package model

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
	"ticketing/cdc-indexer/reindex"
)

// builder is the operator who builds new indices, goes back to old ones, and is interrupted. One attempt runs at a
// time, each in a goroutine of its own that does nothing but wait while the history takes its steps.
type builder struct {
	*rand.Rand
	h       *history
	steps   steps
	client  *elastic.Client
	direct  *elastic.Client // past the network, for the history's own questions
	running *attempt
	next    int // session number
	waiting *pendingSnapshot
	cutting bool            // writes are being held back
	ends    reindex.Offsets // as they were last told
	late    bool            // the first reading has begun
	proven  elastic.Watermark

	finished, rolledBack, purged, summed int
	failure                              error
}

// steps are what a broken build leaves out; the zero value is the algorithm as it is.
type steps struct {
	noWait       bool // the snapshot does not wait for transactions that are running
	noBlock      bool // writes to the old index go on during the swap
	ownPosition  bool // the snapshot's position is where the next record will go, not just below
	noTombstones bool // deletes that the old index remembers are not copied
	lateOffsets  bool // the build reads the topics from where the running indexers are when the rows are copied
	noLastRead   bool // nothing is read between the block and the swap
	earlyPurge   bool // tombstones go while older changes are left in the topics
	strictRepair bool // a repair does not overwrite a document of its own order
	lateProof    bool // what was written while documents were read counts as proven, too
	blindProof   bool // checksums count as proven that are not their documents'
	otherProof   bool // what was proven of one index counts for any
}

// attempt is one process.
type attempt struct {
	session int
	kill    context.CancelFunc
	dead    chan struct{} // closed when it is killed: nothing it still does reaches the network
	done    chan error
	what    string
}

type deadKey struct{}

// firstBuilder keeps the builder's sessions apart from the indexers'.
const firstBuilder = 1 << 20

func newBuilder(h *history, s steps, client, direct *elastic.Client) *builder {
	return &builder{Rand: h.Rand, h: h, steps: s, client: client, direct: direct, next: firstBuilder}
}

func (b *builder) reindexer(client *elastic.Client) *reindex.Reindexer {
	index := reindex.Index(elastic.NewBuilder(client, names, elastic.NewMetrics(prometheus.NewRegistry())))
	return &reindex.Reindexer{
		Table: modelTable{b}, Log: modelLog{b}, Index: brokenIndex{index, b},
	}
}

// patience is more than any history lasts.
const patience = 1000 * time.Hour

func (b *builder) options() reindex.Options {
	return reindex.Options{
		Definition: mustParse(definition), Workers: 1, BatchRows: 1 + b.IntN(3), BatchBytes: 1 << 20, PartRows: 2, CutTimeout: patience, MaxShrink: 1,
	}
}

// act begins something, if nothing is under way.
func (b *builder) act() {
	b.collect()
	if b.running != nil || b.h.connector.phase < reading {
		return // without the connector's slot, what is deleted after the snapshot would be in no stream
	}
	r, options := b.reindexer(b.client), b.options()
	interrupted := b.interrupted()
	switch choice := b.IntN(6); {
	case interrupted && choice == 0:
		b.begin("abort", func(ctx context.Context) error {
			_, err := r.Abort(ctx, true)
			return err
		})
	case interrupted:
		b.begin("resume", func(ctx context.Context) error {
			_, err := r.Resume(ctx, options, true)
			return err
		})
	case choice == 0:
		b.begin("rollback", func(ctx context.Context) error {
			_, err := r.Rollback(ctx, "", options)
			if errors.Is(err, reindex.ErrNothingKept) || errors.Is(err, reindex.ErrExpired) {
				return nil
			}
			return err
		})
	case choice == 1:
		b.compare(b.IntN(3) > 0)
	case choice == 2:
		b.purge()
	default:
		b.build()
	}
}

func (b *builder) build() {
	r, options := b.reindexer(b.client), b.options()
	b.begin("reindex", func(ctx context.Context) error {
		_, err := r.Run(ctx, options)
		return err
	})
}

// purge takes tombstones away that are older than all that is left in the topics.
func (b *builder) purge() {
	before := b.h.kafka.oldest().Add(-elastic.RefreshAfter)
	if b.steps.earlyPurge {
		before = time.Now()
	}
	b.h.mustRequest(http.MethodPost, "/"+names.WriteAlias+"/_refresh", "") // which the real server does by itself
	purger := elastic.NewPurger(b.client, names, elastic.NewMetrics(prometheus.NewRegistry()))
	b.begin("purge", func(ctx context.Context) error {
		purged, err := purger.Purge(ctx, before)
		b.h.log("builder: %d tombstones purged", purged)
		b.purged += purged
		return err
	})
}

func (b *builder) begin(what string, do func(context.Context) error) {
	b.next++
	a := &attempt{session: b.next, dead: make(chan struct{}), done: make(chan error, 1), what: what}
	ctx := context.WithValue(context.WithValue(context.Background(), sessionKey{}, a.session), deadKey{}, a.dead)
	ctx, a.kill = context.WithCancel(ctx)
	b.running, b.cutting, b.late = a, false, false
	b.h.log("builder: %s begins (session %d)", what, a.session)
	go func() { a.done <- do(ctx) }()
}

// collect takes in what has ended.
func (b *builder) collect() {
	if b.running == nil || len(b.running.done) == 0 {
		return
	}
	a := b.running
	err := <-a.done
	a.kill()
	b.running = nil
	b.h.log("builder: %s ends: %v", a.what, err)
	switch {
	case err != nil && !b.bearable(err):
		b.failure = fmt.Errorf("%s: %w", a.what, err)
	case err == nil && a.what == "rollback":
		b.rolledBack++
	case err == nil && (a.what == "repair" || a.what == "purge"):
	case err == nil && a.what != "abort":
		b.finished++
	}
}

// bearable says whether an operator may see that error and try again.
func (b *builder) bearable(err error) bool {
	var answer *elastic.ServerError
	return errors.Is(err, reindex.ErrBusy) || errors.Is(err, elastic.ErrLost) || errors.Is(err, elastic.ErrNoBuild) ||
		errors.Is(err, errNetwork) || errors.Is(err, errExpired) || errors.Is(err, elasticfake.ErrConnection) || errors.As(err, &answer)
}

// crash is a SIGKILL.
func (b *builder) crash() {
	b.collect()
	a := b.running
	if a == nil {
		return
	}
	b.h.log("builder: %s is killed", a.what)
	close(a.dead)
	a.kill()
	b.h.network.die(a.session)
	b.running, b.waiting = nil, nil
}

// pausing says whether the attempt waits to try again.
func (b *builder) pausing() bool {
	a := b.running
	return a != nil && len(a.done) == 0 && b.waiting == nil && !b.h.network.waitsFor(a.session)
}

// interrupted says whether a build is left that nobody works at.
func (b *builder) interrupted() bool {
	_, _, err := b.reindexer(b.direct).Status(context.Background())
	return err == nil
}

// settled says whether nothing is under way, and begins what it takes to get there.
func (b *builder) settled() bool {
	if b.collect(); b.running != nil {
		if b.running.what == "repair" { // which a block by hand holds up, like the indexers
			b.h.unblock()
		}
		return false
	}
	if b.interrupted() {
		b.act()
		return false
	}
	b.h.unblock()
	return true
}

// pendingSnapshot waits for transactions that were running at its position.
type pendingSnapshot struct {
	holds []*transaction
	ready chan map[string]string
}

// look hands over the snapshot that can be taken now.
func (b *builder) look() {
	w := b.waiting
	if w == nil || slices.ContainsFunc(w.holds, func(t *transaction) bool { return !t.ended }) {
		return
	}
	b.waiting = nil
	w.ready <- b.h.postgres.table()
}

type modelTable struct{ *builder }

// Snapshot is taken by the history, in look.
func (t modelTable) Snapshot(ctx context.Context) (reindex.Snapshot, error) {
	t.h.touch()
	position := t.h.postgres.position
	if !t.steps.ownPosition {
		position--
	}
	w := &pendingSnapshot{ready: make(chan map[string]string, 1)}
	if !t.steps.noWait {
		for _, running := range t.h.postgres.running {
			// Others have no transaction id yet: all they will write stands behind the position.
			if len(running.owned) > 0 || len(running.records) > 0 || running.pending != nil {
				w.holds = append(w.holds, running)
			}
		}
	}
	t.waiting = w
	select {
	case rows := <-w.ready:
		t.h.log("builder: snapshot at %d of %v", position, rows)
		return modelSnapshot{order: newOrder(position, position), rows: rows, h: t.h}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type modelSnapshot struct {
	order change.Order
	rows  map[string]string
	h     *history
}

func (s modelSnapshot) Order() change.Order { return s.order }

func (s modelSnapshot) Close(context.Context) error { return nil }

func (s modelSnapshot) Parts(context.Context, int) ([]reindex.Part, error) {
	keys := sortedKeys(s.rows)
	half := len(keys) / 2
	return []reindex.Part{s.part(keys[:half]), s.part(keys[half:])}, nil
}

func (s modelSnapshot) part(keys []string) reindex.Part {
	return func(_ context.Context, each func(change.Change) error) error {
		for _, key := range keys {
			if err := each(s.row(key)); err != nil {
				return err
			}
		}
		return nil
	}
}

func (s modelSnapshot) row(key string) change.Change {
	r := record{op: 'c', key: key, value: s.rows[key]}
	if r.value == "" {
		r.op = 'd'
	}
	c := s.h.group.decode(message{record: r})
	c.Order = s.order
	return c
}

type modelLog struct{ *builder }

func (l modelLog) offsets(at func(place) int) reindex.Offsets {
	l.h.touch()
	offsets := reindex.Offsets{}
	for _, p := range l.h.kafka.places {
		offsets[string(p.topic)] = append(offsets[string(p.topic)], int64(at(p)))
	}
	return offsets
}

func (l modelLog) ends() reindex.Offsets {
	return l.offsets(func(p place) int { return len(l.h.kafka.messages[p]) })
}

func (l modelLog) Ends(context.Context) (reindex.Offsets, error) {
	if !l.cutting || !l.steps.noLastRead {
		l.builder.ends = l.ends()
	}
	return l.builder.ends, nil
}

func (l modelLog) Starts(context.Context) (reindex.Offsets, error) {
	return l.offsets(func(p place) int { return l.h.kafka.starts[p] }), nil
}

func (l modelLog) Committed(context.Context) (reindex.Offsets, error) {
	return l.offsets(func(p place) int { return l.h.kafka.committed[p] }), nil
}

func (l modelLog) Read(ctx context.Context, from, to reindex.Offsets, each func(context.Context, []change.Change) error) error {
	l.h.touch()
	if l.steps.lateOffsets && !l.late {
		from, _ = l.Committed(ctx)
		l.late = true
	}
	for _, p := range l.h.kafka.places {
		if from[string(p.topic)][p.partition] < int64(l.h.kafka.starts[p]) {
			return errExpired
		}
		at, end := from[string(p.topic)][p.partition], to[string(p.topic)][p.partition]
		for ; at < end; at++ {
			c := l.h.group.decode(l.h.kafka.messages[p][at])
			if err := each(ctx, []change.Change{c}); err != nil {
				return err
			}
		}
	}
	return nil
}

var errExpired = errors.New("messages have expired")

// brokenIndex leaves steps out.
type brokenIndex struct {
	reindex.Index
	b *builder
}

func (x brokenIndex) Block(ctx context.Context, index string) error {
	x.b.cutting = true
	if x.b.steps.noBlock {
		return nil
	}
	return x.Index.Block(ctx, index)
}

func (x brokenIndex) Unblock(ctx context.Context, index string) error {
	x.b.cutting = false
	return x.Index.Unblock(ctx, index)
}

func (x brokenIndex) Tombstones(ctx context.Context, index string, above int64, each func(context.Context, []change.Change) error) error {
	if x.b.steps.noTombstones {
		return nil
	}
	return x.Index.Tombstones(ctx, index, above, each)
}

func mustParse(text string) elastic.Definition {
	parsed, err := elastic.ParseDefinition([]byte(text))
	if err != nil {
		panic(err)
	}
	return parsed
}
