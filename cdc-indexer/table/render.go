package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"ticketing/cdc-indexer/change"
)

// renderer turns rows into changes. It is used by one goroutine at a time.
type renderer struct {
	*layout
	order  change.Order
	buffer []byte
	spans  []span // of the columns' values in the buffer
}

type span struct{ start, end int }

func (s *Snapshot) renderer() *renderer {
	return &renderer{layout: s.layout, order: s.order, spans: make([]span, len(s.layout.columns))}
}

// change returns a row's change. It keeps nothing of values.
func (r *renderer) change(values [][]byte, s *Snapshot) (change.Change, error) {
	id, err := r.documentID(values)
	if err != nil {
		return change.Change{}, err
	}
	document, err := r.document(values)
	if err != nil {
		return change.Change{}, fmt.Errorf("row %.200q: %w", id, err)
	}
	return change.Change{Key: id, Order: s.order, Op: change.Upsert, Document: document, CommittedAt: s.takenAt, Read: true}, nil
}

// documentID makes the document's _id as the decoder does: the value of a key of one column, or a JSON array of the
// values of one of several.
func (r *renderer) documentID(values [][]byte) (string, error) {
	if len(r.key) == 1 {
		return string(r.key[0].keyType.appendKey(nil, values[r.key[0].index])), nil
	}
	id := []byte{'['}
	for n, c := range r.key {
		if n > 0 {
			id = append(id, ',')
		}
		var err error
		if id, err = c.kind.append(id, values[c.index]); err != nil {
			return "", fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return string(append(id, ']')), nil
}

// document makes one JSON object on one line of a row, with the columns in their order and the geo points behind.
func (r *renderer) document(values [][]byte) ([]byte, error) {
	if len(values) != len(r.columns) {
		return nil, fmt.Errorf("has %d columns instead of %d", len(values), len(r.columns))
	}
	document := r.buffer[:0]
	document = append(document, '{')
	var err error
	for i := range r.columns {
		c := &r.columns[i]
		if i > 0 {
			document = append(document, ',')
		}
		document = append(document, c.field...)
		start := len(document)
		if values[i] == nil {
			document = append(document, null...)
		} else if document, err = c.kind.append(document, values[i]); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		r.spans[i] = span{start, len(document)}
	}
	for _, p := range r.points {
		document = r.appendPoint(document, p)
	}
	document = append(document, '}')
	r.buffer = document
	return oneLine(document)
}

func (r *renderer) appendPoint(document []byte, p point) []byte {
	latitude, longitude := r.spans[p.latitude], r.spans[p.longitude]
	if !isDigits(document[latitude.start]) || !isDigits(document[longitude.start]) {
		return document
	}
	if len(document) > 1 {
		document = append(document, ',')
	}
	document = append(document, p.field...)
	document = append(document, document[latitude.start:latitude.end]...)
	document = append(document, `,"lon":`...)
	document = append(document, document[longitude.start:longitude.end]...)
	return append(document, '}')
}

// isDigits says whether a JSON value with this first byte is a number.
func isDigits(first byte) bool { return first == '-' || '0' <= first && first <= '9' }

// oneLine returns a copy of the document without line breaks between tokens, which a json column may have. Where the
// decoder meets one, it takes the white space out of the whole document.
func oneLine(document []byte) ([]byte, error) {
	if bytes.IndexByte(document, '\n') < 0 && bytes.IndexByte(document, '\r') < 0 {
		return bytes.Clone(document), nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, document); err != nil {
		return nil, fmt.Errorf("take out the white space: %w", err)
	}
	return compact.Bytes(), nil
}

func appendQuoted(dst []byte, text string) []byte { return strconv.AppendQuote(dst, text) }
