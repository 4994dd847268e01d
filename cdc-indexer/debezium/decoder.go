// Package debezium turns the messages of Debezium's Postgres connector into changes. Decoding is pure: bytes in, a
// change or the reason why not out.
//
// The messages are full envelopes as JSON without embedded schemas: {"before", "after", "source", "op", "ts_ms"}.
// Fields that are not known are ignored, so that a newer Debezium may add some.
package debezium

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"ticketing/cdc-indexer/arena"
	"ticketing/cdc-indexer/change"
)

// Reasons of the rejections that Decode returns.
const (
	ReasonMalformed   = "malformed-envelope" // no JSON, or not the shape of an envelope
	ReasonKey         = "invalid-key"        // the message's key does not give a document's _id
	ReasonOperation   = "unsupported-operation"
	ReasonTable       = "foreign-table"
	ReasonOrder       = "no-order"          // the envelope does not say where in the log the change stands
	ReasonUnavailable = "unavailable-value" // a column's value is not in the message
	ReasonColumn      = "invalid-column"
)

// Config says what a table's messages look like and how its row becomes a document.
type Config struct {
	Schema, Table string   // messages of other tables are rejected
	Key           []string // columns of the primary key, in their order
	Epoch         uint8    // see change.NewOrder
	// JSONColumns hold json or jsonb. Debezium sends them as text; in the document they stand as what they mean.
	JSONColumns []string
	// GeoPoints are fields that a document has beside the row's columns, made of two of them.
	GeoPoints []GeoPoint
}

// GeoPoint is a field of Elasticsearch's type geo_point made of two numeric columns. It is left out when one is null.
type GeoPoint struct {
	Field, Latitude, Longitude string
}

// Decoder decodes the messages of one table. It is safe for concurrent use.
type Decoder struct {
	config      Config
	jsonColumns map[string]bool
	// envelopes are used again: the lists of columns would be a quarter of all that the indexer allocates.
	envelopes sync.Pool
}

// NewDecoder returns a Decoder.
func NewDecoder(config Config) *Decoder {
	columns := make(map[string]bool, len(config.JSONColumns))
	for _, name := range config.JSONColumns {
		columns[name] = true
	}
	return &Decoder{config: config, jsonColumns: columns}
}

// envelope holds the parts of a message, each as it stands in it.
type envelope struct {
	op, ts value
	after  row
	source source
}

// source is what the envelope says of where the change comes from.
type source struct {
	found                                     bool // there is a source, and it is an object
	schema, table, sequence, tsUS, tsMS, txID value
}

// row is a row as it stands in a message.
type row struct {
	found   bool // it is an object
	columns []column
	size    int // of its JSON, in bytes
}

type column struct{ name, value value }

// Decode returns the change that a message carries. It returns change.ErrNoChange for a message that is in order
// and carries none, and a *change.Rejection for one that can never be indexed.
func (d *Decoder) Decode(key, value []byte) (change.Change, error) {
	return d.DecodeIn(nil, key, value)
}

// DecodeIn is Decode with the document's memory taken from an arena.
func (d *Decoder) DecodeIn(memory *arena.Arena, key, value []byte) (change.Change, error) {
	if len(value) == 0 {
		return change.Change{}, change.ErrNoChange // the tombstone that log compaction goes by
	}
	e, ok := d.envelopes.Get().(*envelope)
	if !ok {
		e = new(envelope)
	}
	defer d.release(e)
	if err := e.parse(value); err != nil {
		return change.Change{}, err
	}
	return d.decode(memory, key, e)
}

// release keeps an envelope for the next message, and nothing of this one.
func (d *Decoder) release(e *envelope) {
	columns := e.after.columns[:cap(e.after.columns)]
	clear(columns)
	*e = envelope{after: row{columns: columns[:0]}}
	d.envelopes.Put(e)
}

func (d *Decoder) decode(memory *arena.Arena, key []byte, e *envelope) (change.Change, error) {
	op, read, err := operation(e.op)
	if err != nil {
		return change.Change{}, err
	}
	if err := d.checkTable(e.source); err != nil {
		return change.Change{}, err
	}
	id, err := d.documentID(key)
	if err != nil {
		return change.Change{}, err
	}
	order, err := d.order(e.source, read)
	if err != nil {
		return change.Change{}, err
	}
	c := change.Change{Key: id, Order: order, Op: op, CommittedAt: committedAt(e), Read: read}
	c.Transaction, _ = e.source.txID.integer()
	if op == change.Upsert {
		if c.Document, err = d.document(memory, &e.after); err != nil {
			return change.Change{}, err
		}
	}
	return c, nil
}

func reject(reason, format string, args ...any) error {
	return &change.Rejection{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// parse finds the parts that matter. They are places in the message: nothing writes into it while it is decoded.
func (e *envelope) parse(message []byte) error {
	s := scanner{text: message}
	embedded := false
	err := s.only(func(name value) (ok bool) {
		switch string(name.meaning()) {
		case "op":
			e.op, ok = s.value()
		case "after":
			ok = e.after.parse(&s)
		case "source":
			e.source, ok = s.source()
		case "ts_ms":
			e.ts, ok = s.value()
		case "payload":
			embedded = true
			fallthrough
		default:
			_, ok = s.value()
		}
		return ok
	})
	switch {
	case errors.Is(err, errNoJSON):
		return reject(ReasonMalformed, "the value is no JSON: %v", syntaxError(message))
	case err != nil:
		return reject(ReasonMalformed, "the value is %v", err)
	case embedded && e.op == nil:
		return reject(ReasonMalformed, "the envelope is wrapped together with its schema: set value.converter.schemas.enable=false")
	}
	return nil
}

// parse passes over the row that comes next, or whatever is there instead of one.
func (r *row) parse(s *scanner) bool {
	r.found, r.columns = s.next() == '{', r.columns[:0]
	if !r.found {
		_, ok := s.value()
		return ok
	}
	start := s.at
	ok := s.object(func(name value) bool {
		v, ok := s.value()
		r.columns = append(r.columns, column{name, v})
		return ok
	})
	r.size = s.at - start
	return ok
}

func (s *scanner) source() (source, bool) {
	if s.next() != '{' {
		_, ok := s.value()
		return source{}, ok
	}
	found := source{found: true}
	ok := s.object(func(name value) bool {
		v, ok := s.value()
		switch string(name.meaning()) {
		case "schema":
			found.schema = v
		case "table":
			found.table = v
		case "sequence":
			found.sequence = v
		case "ts_us":
			found.tsUS = v
		case "ts_ms":
			found.tsMS = v
		case "txId":
			found.txID = v
		}
		return ok
	})
	return found, ok
}

// syntaxError says what is wrong and where; the scanner only says that something is.
func syntaxError(message []byte) error {
	var any json.RawMessage
	err := json.Unmarshal(message, &any)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("byte %d: %w", syntax.Offset, syntax)
	case err == nil:
		return fmt.Errorf("objects and arrays are nested deeper than %d", maxDepth)
	default:
		return err //nolint:wrapcheck // the caller says what was decoded
	}
}

func operation(op value) (_ change.Op, read bool, _ error) {
	switch string(op.meaning()) {
	case "c", "u":
		return change.Upsert, false, nil
	case "r":
		return change.Upsert, true, nil
	case "d":
		return change.Delete, false, nil
	case "m": // pg_logical_emit_message
		return 0, false, change.ErrNoChange
	case "t":
		return 0, false, reject(ReasonOperation, "a TRUNCATE names no rows: delete the rows in a BEFORE TRUNCATE trigger, and repair the index now")
	case "":
		return 0, false, reject(ReasonMalformed, "the envelope has no op")
	default:
		return 0, false, reject(ReasonOperation, "op %q is not known", op.text())
	}
}

func (d *Decoder) checkTable(s source) error {
	if !s.found {
		return reject(ReasonMalformed, "the envelope has no source")
	}
	schema, table := s.schema.meaning(), s.table.meaning()
	if string(schema) == d.config.Schema && string(table) == d.config.Table {
		return nil
	}
	return reject(ReasonTable, "the change is one of table %s.%s, and this pipeline indexes %s.%s", schema, table, d.config.Schema, d.config.Table)
}

// documentID makes the document's _id: the value of a primary key of one column, or a JSON array of the values of
// one of several.
func (d *Decoder) documentID(key []byte) (string, error) {
	values := make([]value, len(d.config.Key))
	s := scanner{text: key}
	err := s.only(func(name value) bool {
		v, ok := s.value()
		text := name.meaning()
		for n, column := range d.config.Key {
			if string(text) == column {
				values[n] = v
			}
		}
		return ok
	})
	switch {
	case errors.Is(err, errNoJSON):
		return "", reject(ReasonKey, "the key is no JSON")
	case err != nil:
		return "", reject(ReasonKey, "the key is no JSON object with the columns of the primary key")
	}
	for n, v := range values {
		if v == nil || v.isNull() || v[0] == '{' || v[0] == '[' {
			return "", reject(ReasonKey, "the key has no value for column %s", d.config.Key[n])
		}
	}
	if len(values) == 1 {
		return checkID(values[0].text()) // of a number: the very digits it has in the message
	}
	id := []byte{'['}
	for n, v := range values {
		if n > 0 {
			id = append(id, ',')
		}
		id = append(id, v...)
	}
	return checkID(string(append(id, ']')))
}

// maxIDBytes is Elasticsearch's limit for _id; a longer one would fail the whole request it travels in.
const maxIDBytes = 512

func checkID(id string) (string, error) {
	if id == "" || len(id) > maxIDBytes {
		return "", reject(ReasonKey, "the primary key makes an _id of %d bytes: Elasticsearch takes 1 to %d", len(id), maxIDBytes)
	}
	return id, nil
}

// order reads source.sequence, a JSON array in a string: ["end of the previous commit" or null, "lsn"].
func (d *Decoder) order(s source, read bool) (change.Order, error) {
	lastCommit, lsn, ok := positions(s.sequence)
	if !ok {
		return change.Order{}, reject(ReasonOrder, "source.sequence %q is not of the form [\"commit\",\"lsn\"]", s.sequence.text())
	}
	newOrder := change.NewOrder
	if read {
		newOrder = change.NewReadOrder
	} else if lsn == nil {
		return change.Order{}, reject(ReasonOrder, "source.sequence has no lsn: %s", s.sequence)
	}
	order, err := makeOrder(newOrder, d.config.Epoch, lastCommit, lsn)
	if err != nil {
		return change.Order{}, reject(ReasonOrder, "source.sequence %q: %v", s.sequence.text(), err)
	}
	return order, nil
}

func makeOrder(newOrder func(epoch uint8, lastCommit, lsn uint64) (change.Order, error), epoch uint8, lastCommit, lsn value) (change.Order, error) {
	commit, err := position(lastCommit)
	if err != nil {
		return change.Order{}, err
	}
	at, err := position(lsn)
	if err != nil {
		return change.Order{}, err
	}
	return newOrder(epoch, commit, at)
}

// positions returns the two of a sequence, nil for one that is null. Without a sequence both are.
func positions(sequence value) (lastCommit, lsn value, ok bool) {
	if !sequence.isString() {
		return nil, nil, true
	}
	s := scanner{text: sequence.meaning()}
	found := make([]value, 0, 2)
	ok = s.array(func() bool {
		v, ok := s.value()
		if v.isNull() {
			v = nil
		}
		found = append(found, v)
		return ok && (v == nil || v.isString())
	})
	if !ok || !s.ended() || len(found) != 2 {
		return nil, nil, false
	}
	return found[0], found[1], true
}

func position(v value) (uint64, error) {
	if v == nil {
		return 0, nil
	}
	n, err := strconv.ParseUint(v.text(), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("log position %q is no number: %w", v.text(), err)
	}
	return n, nil
}

func committedAt(e *envelope) time.Time {
	if us, ok := e.source.tsUS.integer(); ok {
		return time.UnixMicro(us)
	}
	if ms, ok := e.source.tsMS.integer(); ok {
		return time.UnixMilli(ms)
	}
	ms, _ := e.ts.integer()
	return time.UnixMilli(ms)
}

// document copies the row's columns into one object on one line, byte for byte: no value is decoded, so none can
// lose a digit.
func (d *Decoder) document(memory *arena.Arena, r *row) ([]byte, error) {
	if !r.found {
		return nil, reject(ReasonMalformed, "the envelope has no after")
	}
	document := memory.Bytes(r.size + 64*len(d.config.GeoPoints))
	document = append(document, '{')
	for _, c := range r.columns {
		if isPlaceholder(c.value) {
			return nil, reject(ReasonUnavailable, "column %s was not changed and its value is not in the message: set REPLICA IDENTITY FULL on the table", c.name.text())
		}
		v := c.value
		if v.isString() && d.jsonColumns[string(c.name.meaning())] {
			v = v.meaning()
			if !valid(v) {
				return nil, reject(ReasonColumn, "column %s is said to hold JSON, and does not", c.name.text())
			}
		}
		document = appendField(document, c.name, v)
	}
	for _, point := range d.config.GeoPoints {
		document = appendGeoPoint(document, point, r)
	}
	return oneLine(append(document, '}'))
}

func appendField(document []byte, name, v value) []byte {
	if len(document) > 1 {
		document = append(document, ',')
	}
	document = append(document, name...)
	document = append(document, ':')
	return append(document, v...)
}

func appendGeoPoint(document []byte, point GeoPoint, r *row) []byte {
	latitude, longitude := r.column(point.Latitude), r.column(point.Longitude)
	if !latitude.isNumber() || !longitude.isNumber() {
		return document
	}
	document = appendField(document, strconv.AppendQuote(nil, point.Field), nil)
	document = append(append(document, `{"lat":`...), latitude...)
	document = append(append(document, `,"lon":`...), longitude...)
	return append(document, '}')
}

// column returns a column's value, nil if there is none of that name.
func (r *row) column(name string) value {
	for _, c := range r.columns {
		if string(c.name.meaning()) == name {
			return c.value
		}
	}
	return nil
}

// oneLine takes out the line breaks between tokens: in a bulk request a line break ends the document.
func oneLine(document []byte) ([]byte, error) {
	if bytes.IndexByte(document, '\n') < 0 && bytes.IndexByte(document, '\r') < 0 {
		return document, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, document); err != nil {
		return nil, reject(ReasonMalformed, "the row is no JSON: %v", err)
	}
	return compact.Bytes(), nil
}
