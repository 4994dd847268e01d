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
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

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
	op, after, ts gjson.Result
	source        source
}

// source is what the envelope says of where the change comes from.
type source struct {
	found                               bool // there is a source, and it is an object
	schema, table, sequence, tsUS, tsMS gjson.Result
}

// parseSource reads all fields in one go: each look-up of its own would read from the start again.
func parseSource(object gjson.Result) source {
	s := source{found: object.IsObject()}
	object.ForEach(func(name, field gjson.Result) bool {
		switch name.String() {
		case "schema":
			s.schema = field
		case "table":
			s.table = field
		case "sequence":
			s.sequence = field
		case "ts_us":
			s.tsUS = field
		case "ts_ms":
			s.tsMS = field
		}
		return true
	})
	return s
}

// Decode returns the change that a message carries. It returns change.ErrNoChange for a message that is in order
// and carries none, and a *change.Rejection for one that can never be indexed.
func (d *Decoder) Decode(key, value []byte) (change.Change, error) {
	if len(value) == 0 {
		return change.Change{}, change.ErrNoChange // the tombstone that log compaction goes by
	}
	e, err := parse(value)
	if err != nil {
		return change.Change{}, err
	}
	return d.decode(key, e)
}

func (d *Decoder) decode(key []byte, e envelope) (change.Change, error) {
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
	if op == change.Upsert {
		if c.Document, err = d.document(e.after); err != nil {
			return change.Change{}, err
		}
	}
	return c, nil
}

func reject(reason, format string, args ...any) error {
	return &change.Rejection{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

func parse(value []byte) (envelope, error) {
	if !gjson.ValidBytes(value) {
		return envelope{}, reject(ReasonMalformed, "the value is no JSON: %v", syntaxError(value))
	}
	// Not a copy of the message: nothing writes into it while it is decoded, and nothing of it is kept.
	root := gjson.Parse(unsafe.String(unsafe.SliceData(value), len(value))) //nolint:gosec // see above
	if !root.IsObject() {
		return envelope{}, reject(ReasonMalformed, "the value is no JSON object")
	}
	var e envelope
	embedded := false
	root.ForEach(func(name, field gjson.Result) bool {
		switch name.String() {
		case "op":
			e.op = field
		case "after":
			e.after = field
		case "source":
			e.source = parseSource(field)
		case "ts_ms":
			e.ts = field
		case "payload":
			embedded = true
		}
		return true
	})
	if embedded && !e.op.Exists() {
		return envelope{}, reject(ReasonMalformed, "the envelope is wrapped together with its schema: set value.converter.schemas.enable=false")
	}
	return e, nil
}

// syntaxError says what is wrong and where; gjson only says that something is.
func syntaxError(value []byte) error {
	var any json.RawMessage
	err := json.Unmarshal(value, &any)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("byte %d: %w", syntax.Offset, syntax)
	}
	return err //nolint:wrapcheck // the caller says what was decoded
}

func operation(op gjson.Result) (_ change.Op, read bool, _ error) {
	switch op.String() {
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
		return 0, false, reject(ReasonOperation, "op %q is not known", op.String())
	}
}

func (d *Decoder) checkTable(s source) error {
	if !s.found {
		return reject(ReasonMalformed, "the envelope has no source")
	}
	schema, table := s.schema.String(), s.table.String()
	if schema != d.config.Schema || table != d.config.Table {
		return reject(ReasonTable, "the change is one of table %s.%s, and this pipeline indexes %s.%s", schema, table, d.config.Schema, d.config.Table)
	}
	return nil
}

// documentID makes the document's _id: the value of a primary key of one column, or a JSON array of the values of
// one of several.
func (d *Decoder) documentID(key []byte) (string, error) {
	if !gjson.ValidBytes(key) {
		return "", reject(ReasonKey, "the key is no JSON")
	}
	fields := gjson.ParseBytes(key)
	if !fields.IsObject() {
		return "", reject(ReasonKey, "the key is no JSON object with the columns of the primary key")
	}
	values := make(map[string]gjson.Result, len(d.config.Key))
	fields.ForEach(func(name, value gjson.Result) bool {
		values[name.String()] = value
		return true
	})
	for _, column := range d.config.Key {
		value, ok := values[column]
		if !ok || value.Type == gjson.Null || value.Type == gjson.JSON {
			return "", reject(ReasonKey, "the key has no value for column %s", column)
		}
	}
	if len(d.config.Key) == 1 {
		return keyText(values[d.config.Key[0]])
	}
	id := []byte{'['}
	for n, column := range d.config.Key {
		if n > 0 {
			id = append(id, ',')
		}
		id = append(id, values[column].Raw...)
	}
	return checkID(string(append(id, ']')))
}

// keyText returns a value as text, a number with the very digits it has in the message.
func keyText(value gjson.Result) (string, error) {
	if value.Type == gjson.String {
		return checkID(value.String())
	}
	return checkID(value.Raw)
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
	sequence := s.sequence
	var numbers [2]*string
	if sequence.Type == gjson.String {
		if err := json.Unmarshal([]byte(sequence.String()), &numbers); err != nil {
			return change.Order{}, reject(ReasonOrder, "source.sequence %q is not of the form [\"commit\",\"lsn\"]", sequence.String())
		}
	}
	lastCommit, err := position(numbers[0])
	if err != nil {
		return change.Order{}, reject(ReasonOrder, "source.sequence %q: %v", sequence.String(), err)
	}
	lsn, err := position(numbers[1])
	if err != nil {
		return change.Order{}, reject(ReasonOrder, "source.sequence %q: %v", sequence.String(), err)
	}
	newOrder := change.NewOrder
	if read {
		newOrder = change.NewReadOrder
	} else if numbers[1] == nil {
		return change.Order{}, reject(ReasonOrder, "source.sequence has no lsn: %s", sequence.Raw)
	}
	order, err := newOrder(d.config.Epoch, lastCommit, lsn)
	if err != nil {
		return change.Order{}, reject(ReasonOrder, "source.sequence %q: %v", sequence.String(), err)
	}
	return order, nil
}

func position(text *string) (uint64, error) {
	if text == nil {
		return 0, nil
	}
	n, err := strconv.ParseUint(*text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("log position %q is no number: %w", *text, err)
	}
	return n, nil
}

func committedAt(e envelope) time.Time {
	if us := e.source.tsUS; us.Type == gjson.Number {
		return time.UnixMicro(us.Int())
	}
	if ms := e.source.tsMS; ms.Type == gjson.Number {
		return time.UnixMilli(ms.Int())
	}
	return time.UnixMilli(e.ts.Int())
}

// document copies the row's columns into one object on one line, byte for byte: no value is decoded, so none can
// lose a digit.
func (d *Decoder) document(row gjson.Result) ([]byte, error) {
	if !row.IsObject() {
		return nil, reject(ReasonMalformed, "the envelope has no after")
	}
	document := make([]byte, 0, len(row.Raw)+64*len(d.config.GeoPoints))
	document = append(document, '{')
	points := make([]coordinates, len(d.config.GeoPoints))
	var failure error
	row.ForEach(func(name, value gjson.Result) bool {
		if isPlaceholder(value.Raw) {
			failure = reject(ReasonUnavailable, "column %s was not changed and its value is not in the message: set REPLICA IDENTITY FULL on the table", name.String())
			return false
		}
		raw := value.Raw
		if value.Type == gjson.String && d.jsonColumns[name.String()] {
			raw = value.String()
			if !gjson.Valid(raw) {
				failure = reject(ReasonColumn, "column %s is said to hold JSON, and does not", name.String())
				return false
			}
		}
		document = appendField(document, name.Raw, raw)
		for n, point := range d.config.GeoPoints {
			points[n].note(point, name.String(), value)
		}
		return true
	})
	if failure != nil {
		return nil, failure
	}
	for n, point := range d.config.GeoPoints {
		document = appendGeoPoint(document, point, points[n])
	}
	return oneLine(append(document, '}'))
}

func appendField(document []byte, quotedName, value string) []byte {
	if len(document) > 1 {
		document = append(document, ',')
	}
	document = append(document, quotedName...)
	document = append(document, ':')
	return append(document, value...)
}

// coordinates are those of a geo point, noted while the columns pass by: looking for them in the row would read it twice
// more.
type coordinates struct {
	latitude, longitude gjson.Result
}

func (c *coordinates) note(point GeoPoint, column string, value gjson.Result) {
	switch column {
	case point.Latitude:
		c.latitude = value
	case point.Longitude:
		c.longitude = value
	}
}

func appendGeoPoint(document []byte, point GeoPoint, at coordinates) []byte {
	if at.latitude.Type != gjson.Number || at.longitude.Type != gjson.Number {
		return document
	}
	return appendField(document, strconv.Quote(point.Field), `{"lat":`+at.latitude.Raw+`,"lon":`+at.longitude.Raw+`}`)
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
