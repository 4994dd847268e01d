package compare

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"ticketing/internal/exactjson"
)

// kind says how the values of a type are written on either side, and so how to compare them.
type kind int

const (
	text       kind = iota // also what is written as text: uuid, enum, inet, ...
	boolean                //
	integer                //
	decimal                // a number in the row, its digits as a string in the document
	float32bit             // Java and Postgres write one value with different digits
	float64bit             //
	instant                // timestamptz: RFC 3339 on both sides
	timestamp              // micro- or milliseconds since 1970 in the document
	date                   // days since 1970 in the document
	timeOfDay              // micro- or milliseconds since midnight in the document
	binary                 // base64 in the document
	jsonValue              // JSON in the document too
	jsonText               // JSON as a string in the document
)

// kinds are those of Postgres' types, by their names in pg_type. Any other is compared as text.
var kinds = map[string]kind{
	"bool": boolean,
	"int2": integer, "int4": integer, "int8": integer, "oid": integer,
	"numeric": decimal,
	"float4":  float32bit, "float8": float64bit,
	"timestamptz": instant, "timestamp": timestamp, "date": date, "time": timeOfDay,
	"bytea": binary,
	"json":  jsonText, "jsonb": jsonText,
}

// column is what must be known of a column to compare its values.
type column struct {
	name  string
	kind  kind
	array bool
	// milliseconds is set for times with at most three digits after the second, which Debezium counts in those.
	milliseconds bool
}

// equal compares a value of row_to_json with a field of a document. A null equals a field that is null or absent:
// Elasticsearch makes no difference between the two.
func (c column) equal(inTable, inIndex gjson.Result) bool {
	if c.array && inTable.IsArray() && inIndex.IsArray() {
		return exactjson.EqualElements(inTable, inIndex, c.equalElement)
	}
	if c.array && !isNull(inTable) {
		return false
	}
	return c.equalElement(inTable, inIndex)
}

func (c column) equalElement(inTable, inIndex gjson.Result) bool {
	if isNull(inTable) || isNull(inIndex) {
		return isNull(inTable) && isNull(inIndex)
	}
	return comparers[c.kind](c, inTable, inIndex)
}

// comparers compare two values, neither of which is null.
var comparers = map[kind]func(c column, inTable, inIndex gjson.Result) bool{
	text:    func(_ column, inTable, inIndex gjson.Result) bool { return equalStrings(inTable, inIndex) },
	boolean: func(_ column, inTable, inIndex gjson.Result) bool { return inTable.Type == inIndex.Type },
	integer: func(_ column, inTable, inIndex gjson.Result) bool { return isNumber(inIndex, inTable.Raw) },
	decimal: func(_ column, inTable, inIndex gjson.Result) bool {
		return exactjson.EqualNumbers(literal(inTable), literal(inIndex))
	},
	float32bit: func(_ column, inTable, inIndex gjson.Result) bool { return equalFloats(inTable, inIndex, 32) },
	float64bit: func(_ column, inTable, inIndex gjson.Result) bool { return equalFloats(inTable, inIndex, 64) },
	instant:    func(_ column, inTable, inIndex gjson.Result) bool { return equalInstants(inTable, inIndex) },
	timestamp:  column.equalCounts,
	date:       column.equalCounts,
	timeOfDay:  column.equalCounts,
	binary:     func(_ column, inTable, inIndex gjson.Result) bool { return equalBytes(inTable, inIndex) },
	jsonValue:  func(_ column, inTable, inIndex gjson.Result) bool { return exactjson.Equal(inTable, inIndex) },
	jsonText: func(_ column, inTable, inIndex gjson.Result) bool {
		return inIndex.Type == gjson.String && gjson.Valid(inIndex.String()) && exactjson.Equal(inTable, gjson.Parse(inIndex.String()))
	},
}

func equalStrings(inTable, inIndex gjson.Result) bool {
	return inTable.Type == gjson.String && inIndex.Type == gjson.String && inTable.String() == inIndex.String()
}

func isNumber(inIndex gjson.Result, want string) bool {
	return inIndex.Type == gjson.Number && exactjson.EqualNumbers(want, inIndex.Raw)
}

// equalCounts compares a time with the number that stands for it.
func (c column) equalCounts(inTable, inIndex gjson.Result) bool {
	count, ok := c.count(inTable.String())
	return ok && isNumber(inIndex, strconv.FormatInt(count, 10))
}

// count turns a time without a zone into the number that stands for it in a document.
func (c column) count(value string) (int64, bool) {
	layout := map[kind]string{timestamp: "2006-01-02T15:04:05", date: time.DateOnly, timeOfDay: time.TimeOnly}[c.kind]
	at, err := time.Parse(layout, value) // accepts a fraction of the second
	switch {
	case err != nil:
		return 0, false
	case c.kind == date:
		return at.Unix() / (24 * 60 * 60), true // midnight, so nothing is left over
	case c.kind == timeOfDay:
		at = at.AddDate(1970, 0, 0) // parsed as of the year 0
	}
	if c.milliseconds {
		return at.UnixMilli(), true
	}
	return at.UnixMicro(), true
}

func isNull(value gjson.Result) bool { return value.Type == gjson.Null } // that of a value that is not there, too

// literal returns a number's digits, whether it is written as a number or as a string.
func literal(value gjson.Result) string {
	if value.Type == gjson.String {
		return value.String()
	}
	return value.Raw
}

// equalFloats compares binary floating point numbers: two decimal texts are the same one when they lead to the same
// bits.
func equalFloats(inTable, inIndex gjson.Result, bits int) bool {
	a, err := strconv.ParseFloat(literal(inTable), bits)
	if err != nil {
		return false
	}
	b, err := strconv.ParseFloat(literal(inIndex), bits)
	return err == nil && (a == b || math.IsNaN(a) && math.IsNaN(b))
}

// equalPoints compares what GeoPoint.of makes with a field.
func equalPoints(inTable, inIndex gjson.Result) bool {
	if isNull(inTable) || isNull(inIndex) {
		return isNull(inTable) && isNull(inIndex)
	}
	a, b := exactjson.Members(inTable), exactjson.Members(inIndex)
	return len(b) == len(a) && equalFloats(a["lat"], b["lat"], 64) && equalFloats(a["lon"], b["lon"], 64)
}

func equalInstants(inTable, inIndex gjson.Result) bool {
	if inIndex.Type != gjson.String {
		return false
	}
	a, err := time.Parse(time.RFC3339Nano, inTable.String())
	b, alsoErr := time.Parse(time.RFC3339Nano, inIndex.String())
	if err != nil || alsoErr != nil {
		return inTable.String() == inIndex.String() // infinity
	}
	return a.Equal(b)
}

func equalBytes(inTable, inIndex gjson.Result) bool {
	digits, ok := strings.CutPrefix(inTable.String(), `\x`)
	a, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return false
	}
	b, err := base64.StdEncoding.DecodeString(inIndex.String())
	return err == nil && bytes.Equal(a, b)
}
