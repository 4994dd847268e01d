package table

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// keyType is what must be known of the type of a key's column.
type keyType struct {
	cast    string // the type's name in SQL
	numeric bool
	// appendKey appends a value as text.
	appendKey func(dst, value []byte) []byte
	// valid says whether a text is one of the type's values. Whether it is written as Postgres would is not looked at.
	valid func(text string) bool
}

// keyTypes are those that may be a key's, by their names in pg_type.
var keyTypes = map[string]keyType{
	"int2":    {cast: "int2", numeric: true, appendKey: appendInt2, valid: isInteger(16)},
	"int4":    {cast: "int4", numeric: true, appendKey: appendInt4, valid: isInteger(32)},
	"int8":    {cast: "int8", numeric: true, appendKey: appendInt8, valid: isInteger(64)},
	"uuid":    {cast: "uuid", appendKey: appendUUIDText, valid: regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString},
	"text":    {cast: "text", appendKey: appendPlain, valid: isText},
	"varchar": {cast: "varchar", appendKey: appendPlain, valid: isText},
}

func appendPlain(dst, value []byte) []byte { return append(dst, value...) }

func isInteger(bits int) func(text string) bool {
	return func(text string) bool {
		_, err := strconv.ParseInt(text, 10, bits)
		return err == nil
	}
}

func isText(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// parseID returns the values of the key's columns that a document's _id is made of, or false when no row can have it.
func (l *layout) parseID(id string) ([]string, bool) {
	if len(l.key) == 1 {
		return []string{id}, l.key[0].keyType.valid(id)
	}
	if !gjson.Valid(id) {
		return nil, false
	}
	parts := gjson.Parse(id)
	if !parts.IsArray() || len(parts.Array()) != len(l.key) {
		return nil, false
	}
	values := make([]string, len(l.key))
	for i, part := range parts.Array() {
		keyType := l.key[i].keyType
		if want := map[bool]gjson.Type{true: gjson.Number, false: gjson.String}[keyType.numeric]; part.Type != want {
			return nil, false
		}
		values[i] = literal(part)
		if !keyType.valid(values[i]) {
			return nil, false
		}
	}
	return values, true
}

// Range is the rows with From <= key < To. Both are values of the key's columns as text; nil is no bound.
//
// Integers are ordered by value, UUIDs by value, which is the order of their text, and text by its bytes.
type Range struct {
	From []string `json:"from,omitempty"`
	To   []string `json:"to,omitempty"`
}

// String returns the bounds as people read them.
func (r Range) String() string {
	switch {
	case r.From == nil && r.To == nil:
		return "all rows"
	case r.From == nil:
		return "up to " + bound(r.To)
	case r.To == nil:
		return "from " + bound(r.From)
	default:
		return "from " + bound(r.From) + " up to " + bound(r.To)
	}
}

func bound(values []string) string {
	text, err := json.Marshal(values)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(text)
}

// where returns the condition for a range's rows, with parameters in text format.
func (l *layout) where(r Range) (condition string, parameters [][]byte, err error) {
	var conditions []string
	for _, side := range []struct {
		operator string
		values   []string
	}{{">=", r.From}, {"<", r.To}} {
		if side.values == nil {
			continue
		}
		if len(side.values) != len(l.key) {
			return "", nil, fmt.Errorf("range %s: a bound has %d values, the key %d columns", r, len(side.values), len(l.key))
		}
		var placeholders []string
		for i, value := range side.values {
			if !l.key[i].keyType.valid(value) {
				return "", nil, fmt.Errorf("range %s: %q is no value of column %s", r, value, l.key[i].name)
			}
			parameters = append(parameters, []byte(value))
			placeholders = append(placeholders, fmt.Sprintf("$%d::%s", len(parameters), l.key[i].keyType.cast))
		}
		conditions = append(conditions, fmt.Sprintf("(%s) %s (%s)", l.keyOrder(), side.operator, strings.Join(placeholders, ", ")))
	}
	if len(conditions) == 0 {
		return "true", nil, nil
	}
	return strings.Join(conditions, " AND "), parameters, nil
}

// keyOrder returns the key's columns such that comparisons go by bytes. Where the column's own order is that of the
// bytes nothing is added to it: Postgres would not use its index otherwise. Where it is not, an index on
// (column COLLATE "C") makes ranges quick; without one each range reads the whole table.
func (l *layout) keyOrder() string {
	columns := make([]string, len(l.key))
	for i, c := range l.key {
		columns[i] = c.quoted
		if !c.byteOrder {
			columns[i] += ` COLLATE "C"`
		}
	}
	return strings.Join(columns, ", ")
}
