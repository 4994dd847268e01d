package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
)

var names = elastic.Names{Prefix: "events", ReadAlias: "events", WriteAlias: "events-write"}

const definition = `
mappings:
  dynamic: strict
  properties:
    id: {type: keyword}
    value: {type: keyword}
`

// rule is how changes are ordered and written.
type rule struct {
	order orderRule
	apply func(*elastic.Client) applier
	// tombstones are demanded for deleted rows: not of a rule that never writes any.
	tombstones bool
	// build is how indices are built anew.
	build steps
}

// theRule is the project's own.
func theRule() rule {
	metrics := elastic.NewMetrics(prometheus.NewRegistry())
	return rule{
		order:      orderOf,
		apply:      func(client *elastic.Client) applier { return elastic.NewWriter(client, names.WriteAlias, metrics) },
		tombstones: true,
	}
}

// orderOf is the decoder's.
func orderOf(m message) change.Order {
	if m.op == 'r' {
		order, err := change.NewReadOrder(0, m.lastCommit, m.lsn)
		if err != nil {
			panic(err) // the model's positions are small
		}
		return order
	}
	return newOrder(m.lastCommit, m.lsn)
}

func newOrder(lastCommit, lsn uint64) change.Order {
	order, err := change.NewOrder(0, lastCommit, lsn)
	if err != nil {
		panic(err) // the model's positions are small
	}
	return order
}

// history is one run of the model. It must run in a synctest bubble: time passes only when it lets it pass.
type history struct {
	*rand.Rand
	rule      rule
	postgres  *postgres
	connector *connector
	kafka     *kafka
	server    *elasticfake.Server
	network   *network
	group     *group
	builder   *builder
	vandal    *vandal
	expires   bool // messages leave the topics, and tombstones the index
	actions   []action
	weights   int
	trace     *strings.Builder // nil: not wanted
	baton     sync.Mutex       // see touch
}

// action is something that may happen next, with its share of the steps.
type action struct {
	weight int
	do     func()
}

// shape is what differs from one kind of history to the next.
type shape struct {
	restartableSnapshot bool
	bursts              bool // transactions that change one row dozens of times
	vandals             bool // documents are written behind the indexer's back
	builds              bool // indices are built anew, which otherwise happens in some histories only
}

func newHistory(seed uint64, r rule, s shape, traced bool) (*history, error) {
	random := rand.New(rand.NewPCG(seed, 0))
	h := &history{Rand: random, rule: r, server: elasticfake.New()}
	if traced {
		h.trace = &strings.Builder{}
	}
	// Once in a while, for they take many steps.
	s.bursts = s.bursts || random.IntN(32) == 0
	h.postgres = newPostgres(random, h.log, 1+random.IntN(4), s.bursts)
	h.kafka = newKafka(1 + random.IntN(2))
	h.connector = &connector{Rand: random, log: h.log, postgres: h.postgres, kafka: h.kafka, restartableSnapshot: s.restartableSnapshot}
	h.network = newNetwork(random, h.log, h.server)
	client, err := elastic.NewClient(elastic.Config{
		URL: "http://elasticsearch", Transport: h.network, Timeout: 1000 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	h.group = &group{Rand: random, log: h.log, kafka: h.kafka, applier: r.apply(client), order: r.order, batch: 1 + random.IntN(4)}
	if s.bursts {
		h.group.batch = 1
	}
	h.group.rebalance(false)
	direct, err := elastic.NewClient(elastic.Config{URL: "http://elasticsearch", Transport: h.server})
	if err != nil {
		return nil, err
	}
	h.builder = newBuilder(h, r.build, client, direct)
	h.vandal = &vandal{h: h}
	h.draw(s)
	h.network.open = true
	parsed, err := elastic.ParseDefinition([]byte(definition))
	if err != nil {
		return nil, err
	}
	_, err = elastic.Ensure(context.Background(), client, names, parsed)
	h.network.open = false
	return h, err
}

// draw chooses how often what happens in this history: some have a calm network, some never restart.
func (h *history) draw(s shape) {
	faults := h.IntN(2) == 0
	rare := func(most int) int { return h.IntN(most + 1) }
	writers, speed, snapshotCrashes := 1+h.IntN(4), 1, 0
	if s.bursts {
		speed = 8
	}
	if s.restartableSnapshot {
		snapshotCrashes = 10
	}
	builds, builderCrashes, vandalism, expiry := 0, 0, 0, 0
	if s.builds || h.IntN(12) == 0 { // they take many steps, too
		builds, builderCrashes, expiry = 4, rare(2), 4
	}
	h.expires = expiry > 0
	if s.vandals || h.IntN(16) == 0 {
		vandalism = 1
	}
	h.actions = []action{
		{40, func() {
			for range speed {
				h.postgres.step(writers)
			}
		}},
		{10 + h.IntN(30), h.connector.step},
		{20 + h.IntN(40), h.group.step},
		{20 + h.IntN(40), func() { h.network.deliver(faults) }},
		{10, h.letTimePass},
		{rare(3 + snapshotCrashes), h.connector.crash},
		{rare(2), h.connector.incremental},
		{rare(3), func() { h.group.rebalance(true) }},
		{rare(1), h.group.reset},
		{rare(1), h.server.Restart},
		{rare(2), h.server.ForgetDeletes},
		{rare(1), h.toggleWriteBlock},
		{builds, h.builder.act},
		{builderCrashes, h.builder.crash},
		{vandalism, h.vandal.act},
		{expiry, func() { h.kafka.expire(h.Rand) }},
		{2 * expiry, func() { <-time.After(elastic.RefreshAfter / 2) }},
	}
	for _, a := range h.actions {
		h.weights += a.weight
	}
}

func (h *history) log(format string, args ...any) {
	if h.trace != nil {
		fmt.Fprintf(h.trace, format+"\n", args...)
	}
}

// run takes the steps, lets everything settle and returns how the index differs from the table, empty when it does
// not.
func (h *history) run() (difference string, err error) {
	for range h.IntN(100) { // what the initial snapshot finds
		h.postgres.step(4)
	}
	for range 150 + h.IntN(250) {
		h.step()
	}
	if err := h.settle(); err != nil {
		return "", err
	}
	return h.compare()
}

func (h *history) step() {
	n := h.IntN(h.weights)
	for _, a := range h.actions {
		if n -= a.weight; n < 0 {
			a.do()
			break
		}
	}
	h.gather()
}

// touch orders what the history has done before what the builder, woken by the passing of time, then looks at. They never
// run at the same time, but the race detector does not know that time passes only while the history waits.
func (h *history) touch() {
	h.baton.Lock()
	h.baton.Unlock() //nolint:staticcheck // nothing to do in between
}

// gather waits until every indexer waits for something, and takes in their requests.
func (h *history) gather() {
	h.touch()
	synctest.Wait()
	if h.builder.waiting != nil {
		h.builder.look()
		synctest.Wait()
	}
	h.network.collect()
}

// letTimePass ends the pauses of all indexers that wait to try again.
func (h *history) letTimePass() {
	h.touch()
	if h.group.pausing(h.network) || h.builder.pausing() {
		<-time.After(time.Minute)
	}
}

func (h *history) toggleWriteBlock() {
	h.builder.collect()
	switch {
	case h.builder.running != nil: // an operator who interferes with the swap is told not to
	case h.IntN(2) == 0:
		h.mustRequest(http.MethodPut, "/"+names.WriteAlias+"/_block/write", "")
	default:
		h.unblock()
	}
}

func (h *history) unblock() {
	h.mustRequest(http.MethodPut, "/"+names.WriteAlias+"/_settings", `{"index.blocks.write":null}`)
}

// settle ends all faults and lets the pipeline catch up.
func (h *history) settle() error {
	h.log("--- settle")
	h.postgres.settle()
	h.gather()
	for h.connector.behind() {
		h.connector.step()
	}
	if err := h.drain(); err != nil {
		return err
	}
	if h.expires {
		if err := h.purge(); err != nil {
			return err
		}
	}
	if !h.vandal.acted {
		return nil
	}
	return h.mend()
}

// mend has what somebody else has done to the index mended: by a repair, and by nothing else, also after a comparison that
// only looked. The second repair finds all as it should be, and the next goes by checksums. Nothing is written to the log
// meanwhile: all have one position.
func (h *history) mend() error {
	another := func() { h.builder.build() }
	if h.connector.phase < reading || h.IntN(2) == 0 {
		another = func() {} // no other index
	}
	look := func() { h.builder.compare(false) }
	repair := func() { h.builder.compare(true) }
	for _, step := range []func(){h.vandal.act, look, repair, repair, another, h.vandal.act, repair} {
		step()
		if err := h.drain(); err != nil {
			return err
		}
	}
	return nil
}

// purge removes tombstones, and has what is left in the topics come again.
func (h *history) purge() error {
	h.log("--- purge")
	<-time.After(2 * elastic.RefreshAfter)
	h.kafka.expire(h.Rand)
	h.builder.purge()
	if err := h.drain(); err != nil {
		return err
	}
	h.group.reset()
	return h.drain()
}

// drain lets everything under way come to an end.
func (h *history) drain() error {
	for rounds := 0; !h.builder.settled() || !h.kafka.consumed() || !h.group.idle() || len(h.network.held) > 0; rounds++ {
		if rounds > 100_000 {
			return errors.New("the pipeline does not catch up")
		}
		h.group.step()
		h.gather()
		h.server.ForgetDeletes()
		h.network.deliver(false)
		h.gather()
		h.letTimePass()
		h.gather()
	}
	return errors.Join(h.group.failure, h.builder.failure)
}

// compare looks for every row in the index and for every document in the table. A row that was deleted must have
// left a tombstone.
func (h *history) compare() (string, error) {
	table := h.postgres.table()
	h.mustRequest(http.MethodPost, "/"+names.WriteAlias+"/_refresh", "")
	visible := map[string]string{}
	for _, hit := range gjson.GetBytes(h.mustRequest(http.MethodPost, "/"+names.ReadAlias+"/_search", `{"size":1000}`), "hits.hits").Array() {
		if hit.Get("_source.id").String() != hit.Get("_id").String() {
			return "document " + hit.Raw, nil
		}
		visible[hit.Get("_id").String()] = hit.Get("_source.value").String()
	}
	if difference := cmp.Diff(table, visible); difference != "" {
		return "table (-) and index (+):\n" + difference, nil
	}
	// A tombstone that somebody has taken away is no difference to a repair, and a purge means to.
	if !h.rule.tombstones || h.vandal.acted || h.builder.purged > 0 {
		return "", nil
	}
	return h.missingTombstones(table)
}

func (h *history) missingTombstones(table map[string]string) (string, error) {
	var deleted []string
	for _, key := range h.kafka.keys() {
		if table[key] == "" {
			deleted = append(deleted, key)
		}
	}
	if len(deleted) == 0 {
		return "", nil
	}
	ids, err := json.Marshal(map[string]any{"ids": deleted})
	if err != nil {
		return "", err
	}
	for _, doc := range gjson.GetBytes(h.mustRequest(http.MethodPost, "/"+names.WriteAlias+"/_mget", string(ids)), "docs").Array() {
		if !doc.Get("_source.cdc.deleted").Bool() {
			return "no tombstone: " + doc.Raw, nil
		}
	}
	return "", nil
}

// mustRequest asks the server past the network.
func (h *history) mustRequest(method, path, body string) []byte {
	request, err := http.NewRequest(method, "http://elasticsearch"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err)
	}
	response, err := h.server.RoundTrip(request)
	if err != nil {
		panic(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		panic(fmt.Sprintf("%s %s: %d %s %v", method, path, response.StatusCode, text, err))
	}
	return text
}
