package model

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// record is one change of one row in the write-ahead log. value is empty for a delete.
type record struct {
	lsn   uint64
	op    byte // as in Debezium's envelope: c, u or d
	key   string
	value string
}

// commit is a committed transaction as logical decoding hands it out. Commits of other published tables have no
// records.
type commit struct {
	records []record
	lsn     uint64 // of the commit record
	end     uint64 // of the commit record: the next record may start here
}

// row is a key of the table. A value is empty when there is no such row.
type row struct {
	committed string
	owner     *transaction // has changed the row and not ended yet
	current   string       // what owner sees
}

// transaction does one small thing per step. A statement that has to wait stays in pending.
type transaction struct {
	id       int
	records  []record
	owned    []string
	pending  func() bool // tries the waiting statement again and says whether it is through
	waitsFor *transaction
	ended    bool
	burst    int // updates still to come of one and the same row
	burstKey string
	length   int // one in length steps ends the transaction
}

// postgres is the part of Postgres that decides in which order changes stand in the log and in the stream.
type postgres struct {
	*rand.Rand
	log      func(format string, args ...any)
	keys     []string
	rows     map[string]*row
	running  []*transaction
	position uint64 // where the next record goes
	commits  []commit
	started  int // transactions
	values   int // values written, to make each one unique
	bursts   bool
}

func newPostgres(random *rand.Rand, log func(string, ...any), keys int, bursts bool) *postgres {
	p := &postgres{Rand: random, log: log, rows: map[string]*row{}, position: 8000, bursts: bursts}
	for i := range keys {
		key := fmt.Sprintf("k%d", i)
		p.keys = append(p.keys, key)
		p.rows[key] = &row{}
	}
	return p
}

// write appends a record to the log: positions are multiples of 8, and a commit record has at least 32 bytes.
func (p *postgres) write(least int) (lsn uint64) {
	lsn = p.position
	p.position += uint64(least + 8*p.IntN(4))
	return lsn
}

func (p *postgres) key() string { return p.keys[p.IntN(len(p.keys))] }

func (p *postgres) value() string {
	p.values++
	return fmt.Sprintf("v%d", p.values)
}

// table returns what a new snapshot of the table sees.
func (p *postgres) table() map[string]string {
	rows := map[string]string{}
	for key, r := range p.rows {
		if r.committed != "" {
			rows[key] = r.committed
		}
	}
	return rows
}

// step lets one transaction get on.
func (p *postgres) step(maxRunning int) {
	runnable := slices.DeleteFunc(slices.Clone(p.running), func(t *transaction) bool { return t.blocked() })
	switch {
	case p.IntN(8) == 0:
		p.somethingElse()
	case len(p.running) < maxRunning && (len(runnable) == 0 || p.IntN(4) == 0):
		p.begin()
	case len(runnable) > 0:
		p.advance(runnable[p.IntN(len(runnable))])
	}
}

// somethingElse is traffic in other tables and from background processes.
func (p *postgres) somethingElse() {
	if p.IntN(2) == 0 {
		p.write(24)
		return
	}
	p.commitElsewhere()
}

// commitElsewhere commits a transaction of another published table, such as a heartbeat, and returns its place in
// the stream.
func (p *postgres) commitElsewhere() int {
	lsn := p.write(32)
	p.commits = append(p.commits, commit{lsn: lsn, end: p.position})
	p.log("postgres: commit of another table, ends at %d", p.position)
	return len(p.commits) - 1
}

func (p *postgres) begin() {
	p.started++
	t := &transaction{id: p.started, length: 2 + p.IntN(8)}
	if p.bursts && p.IntN(4) == 0 {
		t.burst, t.burstKey, t.length = 33+p.IntN(40), p.key(), 2
	}
	p.running = append(p.running, t)
}

func (t *transaction) blocked() bool { return t.waitsFor != nil && !t.waitsFor.ended }

func (p *postgres) advance(t *transaction) {
	switch {
	case t.pending != nil:
		if t.pending() {
			t.pending, t.waitsFor = nil, nil
		}
	case t.burst > 0:
		t.burst--
		p.burst(t)
	case p.IntN(t.length) == 0:
		p.end(t, p.IntN(5) > 0)
	default:
		p.statement(t)
	}
}

// burst changes one row over and over. Deleting it last is what makes a later insert wait.
func (p *postgres) burst(t *transaction) {
	switch r := p.rows[t.burstKey]; {
	case r.owner == nil && r.committed == "", r.owner == t && r.current == "":
		p.try(t, p.insert(t, []string{t.burstKey}))
	case t.burst == 0:
		p.try(t, p.change(t, t.burstKey, 'd'))
	default:
		p.try(t, p.change(t, t.burstKey, 'u'))
	}
}

func (p *postgres) statement(t *transaction) {
	switch p.IntN(10) {
	case 0, 1, 2:
		p.try(t, p.insert(t, []string{p.key()}))
	case 3:
		keys := slices.Clone(p.keys)
		p.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		p.try(t, p.insert(t, keys[:1+p.IntN(len(keys))]))
	case 4, 5, 6:
		p.try(t, p.change(t, p.key(), 'u'))
	case 7, 8:
		p.try(t, p.change(t, p.key(), 'd'))
	case 9:
		p.try(t, p.rekey(t, p.key(), p.key()))
	}
}

func (p *postgres) try(t *transaction, statement func() bool) {
	if !statement() {
		t.pending = statement
	}
}

// insert writes rows in one record, as COPY does. The record stands in the log before the uniqueness checks, and
// these may have to wait for transactions that are deleting or inserting the same keys: so a transaction that
// commits meanwhile may have higher positions.
func (p *postgres) insert(t *transaction, keys []string) func() bool {
	lsn := p.write(24)
	p.log("postgres: t%d inserts %v at %d", t.id, keys, lsn)
	var written []record
	undo := t.savepoint(p)
	return func() bool {
		for len(keys) > 0 {
			ok, through := p.claim(t, keys[0])
			if !through {
				return false
			}
			if !ok {
				p.violate(t, undo)
				return true
			}
			r := record{lsn: lsn, op: 'c', key: keys[0], value: p.value()}
			p.rows[r.key].current = r.value
			written, keys = append(written, r), keys[1:]
		}
		t.records = append(t.records, written...)
		return true
	}
}

// claim is the uniqueness check: ok when there is no such row; not through when somebody else's end decides.
func (p *postgres) claim(t *transaction, key string) (ok, through bool) {
	r := p.rows[key]
	switch {
	case r.owner == t:
		return r.current == "", true
	case r.owner != nil:
		return p.wait(t, r.owner)
	case r.committed != "":
		return false, true
	}
	p.lock(t, key)
	return true, true
}

// wait makes t wait for another transaction, unless that is a deadlock: then Postgres cancels the statement.
func (p *postgres) wait(t, other *transaction) (ok, through bool) {
	for next := other; next != nil && !next.ended; next = next.waitsFor {
		if next == t {
			return false, true
		}
	}
	t.waitsFor = other
	return false, false
}

func (p *postgres) lock(t *transaction, key string) {
	r := p.rows[key]
	r.owner, r.current = t, r.committed
	t.owned = append(t.owned, key)
}

// violate ends a failed statement: its record stays in the log, but is never streamed.
func (p *postgres) violate(t *transaction, undo func()) {
	p.log("postgres: t%d's statement fails", t.id)
	undo()
	if p.IntN(2) == 0 {
		p.end(t, false)
	}
}

// savepoint returns what takes the statement about to begin back.
func (t *transaction) savepoint(p *postgres) func() {
	owned, records := len(t.owned), len(t.records)
	before := map[string]string{}
	for _, key := range t.owned {
		before[key] = p.rows[key].current
	}
	return func() {
		for _, key := range t.owned[owned:] {
			p.rows[key].owner = nil
		}
		for key, value := range before {
			p.rows[key].current = value
		}
		t.owned, t.records = t.owned[:owned], t.records[:records]
	}
}

// change updates or deletes a row. It waits for the row's lock first, and then writes its record.
func (p *postgres) change(t *transaction, key string, op byte) func() bool {
	return func() bool {
		exists, through := p.lockRow(t, key)
		if !through || !exists {
			return through
		}
		r := record{lsn: p.write(24), op: op, key: key}
		if op == 'u' {
			r.value = p.value()
		}
		p.rows[key].current = r.value
		t.records = append(t.records, r)
		p.log("postgres: t%d %c %s=%s at %d", t.id, op, key, r.value, r.lsn)
		return true
	}
}

// lockRow locks the row when t can see it.
func (p *postgres) lockRow(t *transaction, key string) (exists, through bool) {
	r := p.rows[key]
	switch {
	case r.owner == t:
		return r.current != "", true
	case r.committed == "":
		return false, true
	case r.owner != nil:
		return p.wait(t, r.owner)
	}
	p.lock(t, key)
	return true, true
}

// rekey changes a row's primary key: Debezium makes a delete and a create of it, with the same position.
func (p *postgres) rekey(t *transaction, from, to string) func() bool {
	if from == to {
		return p.change(t, from, 'u')
	}
	var lsn uint64
	undo := t.savepoint(p)
	return func() bool {
		if lsn == 0 {
			exists, through := p.lockRow(t, from)
			if !through || !exists {
				return through
			}
			lsn = p.write(24)
			p.log("postgres: t%d rekeys %s to %s at %d", t.id, from, to, lsn)
		}
		ok, through := p.claim(t, to)
		if !through {
			return false
		}
		if !ok {
			p.violate(t, undo)
			return true
		}
		value := p.value()
		p.rows[from].current, p.rows[to].current = "", value
		t.records = append(t.records, record{lsn: lsn, op: 'd', key: from}, record{lsn: lsn, op: 'c', key: to, value: value})
		return true
	}
}

func (p *postgres) end(t *transaction, committed bool) {
	if committed && len(t.records) > 0 {
		lsn := p.write(32)
		p.commits = append(p.commits, commit{records: t.records, lsn: lsn, end: p.position})
	}
	for _, key := range t.owned {
		r := p.rows[key]
		if committed {
			r.committed = r.current
		}
		r.owner = nil
	}
	t.ended = true
	p.running = slices.DeleteFunc(p.running, func(other *transaction) bool { return other == t })
	p.log("postgres: t%d ends at %d, committed: %t", t.id, p.position, committed)
}

// settle ends every transaction.
func (p *postgres) settle() {
	for len(p.running) > 0 {
		for _, t := range slices.Clone(p.running) {
			if t.ended || t.blocked() {
				continue
			}
			if t.pending != nil {
				p.advance(t)
			} else {
				p.end(t, p.IntN(5) > 0)
			}
		}
	}
}

func sortedKeys(rows map[string]string) []string { return slices.Sorted(maps.Keys(rows)) }
