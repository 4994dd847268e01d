package model

import (
	"math/rand/v2"
	"slices"
)

// phase is what the connector is at.
type phase int

const (
	stopped phase = iota
	waiting       // for the slot's consistent point
	reading       // the initial snapshot
	streaming
)

// cursor is Debezium's source offset: how far it has come, and what it needs to go on after a restart.
type cursor struct {
	commit     int    // place in the stream
	record     int    // of that commit, the next to send
	lastCommit uint64 // end of the commit before (lsn_commit), 0 for null
	processed  uint64 // position of the last event (lsn_proc), 0 for null
}

// connector is Debezium.
type connector struct {
	*rand.Rand
	log      func(format string, args ...any)
	postgres *postgres
	kafka    *kafka

	phase    phase
	holdsUp  []*transaction // the slot waits for these to end
	snapshot []message      // still to send
	at       cursor
	sent     []cursor // one after every message: any of them may be the stored one at a crash
	window   *window

	// restartableSnapshot lets crashes fall into the initial snapshot, after which the model's index is known not to
	// recover by itself.
	restartableSnapshot bool
}

// window is one chunk of an incremental snapshot. Its rows are read between two commits of the signal table, and
// sent when the stream has come to the second, without those that the stream has changed in between.
type window struct {
	low, high int // places in the stream; high is 0 until it is written
	rows      map[string]string
}

func (c *connector) step() {
	switch c.phase {
	case stopped:
		// Creating a slot waits for all transactions that have begun, and the snapshot sees what these did.
		c.holdsUp, c.phase = slices.Clone(c.postgres.running), waiting
	case waiting:
		if !slices.ContainsFunc(c.holdsUp, func(t *transaction) bool { return !t.ended }) {
			c.startSnapshot()
		}
	case reading:
		c.read()
	case streaming:
		if c.window != nil && c.window.high == 0 {
			c.incremental()
			return
		}
		c.stream()
	}
}

// startSnapshot reads the table at the slot's consistent point. A transaction that is open now is streamed from its
// beginning when it commits, at positions that may be lower than the snapshot's.
func (c *connector) startSnapshot() {
	point := c.postgres.position
	rows := c.postgres.table()
	c.snapshot = nil
	for _, key := range sortedKeys(rows) {
		c.snapshot = append(c.snapshot, message{record: record{lsn: point, op: 'r', key: key, value: rows[key]}})
	}
	c.Shuffle(len(c.snapshot), func(i, j int) { c.snapshot[i], c.snapshot[j] = c.snapshot[j], c.snapshot[i] })
	c.at = cursor{commit: len(c.postgres.commits)}
	if c.IntN(2) == 0 {
		c.at.processed = point // a heartbeat has stored the slot's own position
	}
	c.sent = []cursor{c.at}
	c.phase = reading
	c.log("debezium: snapshot at %d of %v", point, rows)
}

func (c *connector) read() {
	if len(c.snapshot) == 0 {
		c.phase = streaming
		return
	}
	c.send(c.snapshot[0])
	c.snapshot = c.snapshot[1:]
}

func (c *connector) behind() bool {
	return c.phase != streaming || c.window != nil || c.at.commit < len(c.postgres.commits)
}

// stream sends the next record, or passes a commit.
func (c *connector) stream() {
	if c.at.commit == len(c.postgres.commits) {
		return
	}
	next := c.postgres.commits[c.at.commit]
	if c.at.record == len(next.records) {
		c.closeWindow()
		c.at = cursor{commit: c.at.commit + 1, lastCommit: next.end, processed: next.end}
		c.sent = append(c.sent, c.at)
		return
	}
	c.forward(next.records[c.at.record], true)
	c.sent = append(c.sent, c.at)
}

// forward passes one record. One that is not delivered has got lost between Debezium and Kafka.
func (c *connector) forward(r record, delivered bool) {
	if delivered {
		c.send(message{record: r, lastCommit: c.at.lastCommit})
	}
	if w := c.window; w != nil && c.at.commit > w.low {
		delete(w.rows, r.key)
	}
	c.at.record++
	c.at.processed = r.lsn
}

func (c *connector) send(m message) {
	c.log("debezium: %c %s=%s [%d,%d]", m.op, m.key, m.value, m.lastCommit, m.lsn)
	c.kafka.produce(m)
}

// crash restarts the connector at an offset stored at some time, which re-sends what came after it. What was on its
// way to Kafka may have arrived in part.
func (c *connector) crash() {
	switch {
	case c.phase == streaming:
	case c.phase == reading && c.restartableSnapshot:
		c.startSnapshot() // of the table as it is now; the stream starts here, not at the slot's position
		return
	default:
		return
	}
	c.loseTail()
	back := c.IntN(min(len(c.sent), 1+c.IntN(100)))
	c.at = c.sent[len(c.sent)-1-back]
	if c.at.lastCommit == 0 {
		// Debezium takes lsn_proc for a missing lsn_commit (PostgresOffsetContext.Loader).
		c.at.lastCommit = c.at.processed
	}
	// From here on only newer offsets are stored. The order of the first transaction hangs on that: were it sent again
	// in part, and then gone on with at an offset that a former task had stored beyond, the part would be too new.
	c.sent = []cursor{c.at}
	if c.at.record > 0 {
		c.at.record = c.resumeWithin(c.postgres.commits[c.at.commit].records, c.at.record)
	}
	c.window = nil
	c.log("debezium: crash, goes on at commit %d, record %d, last commit %d", c.at.commit, c.at.record, c.at.lastCommit)
}

// resumeWithin goes on in the middle of a transaction or sends it again from its beginning. Rows that share a
// position are sent again together (Debezium before 3.7 loses the rest of them: debezium/dbz#1554).
func (c *connector) resumeWithin(records []record, next int) int {
	if c.IntN(2) == 0 {
		return 0
	}
	for next > 0 && next < len(records) && records[next].lsn == records[next-1].lsn {
		next--
	}
	return next
}

func (c *connector) loseTail() {
	if c.at.commit == len(c.postgres.commits) {
		return
	}
	records := c.postgres.commits[c.at.commit].records
	for c.at.record < len(records) && c.IntN(4) > 0 {
		c.forward(records[c.at.record], c.IntN(2) == 0)
	}
}

// incremental gets on with an incremental snapshot, one part per call: watermark, read, watermark. Debezium does
// nothing else meanwhile.
func (c *connector) incremental() {
	switch w := c.window; {
	case c.phase != streaming:
	case w == nil:
		c.window = &window{low: c.postgres.commitElsewhere()}
	case w.rows == nil:
		w.rows = c.postgres.table()
		c.log("debezium: incremental snapshot reads %v", w.rows)
	case w.high == 0:
		w.high = c.postgres.commitElsewhere()
	}
}

func (c *connector) closeWindow() {
	w := c.window
	if w == nil || w.high == 0 || c.at.commit != w.high {
		return
	}
	for _, key := range sortedKeys(w.rows) {
		c.send(message{record: record{op: 'r', key: key, value: w.rows[key]}, lastCommit: c.at.lastCommit})
	}
	c.window = nil
}
