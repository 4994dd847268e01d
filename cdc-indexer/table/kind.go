package table

import (
	"errors"
	"fmt"
)

// kind is how the values of a type come from Postgres and stand in a document.
//
// Most come in the binary format: it is cheaper on both sides, and does not depend on the session's settings.
type kind struct {
	// append appends the JSON of a value that is not null.
	append appender
	// asText has the value sent as Postgres writes it.
	asText bool
	// cast is SQL behind the column's name.
	cast string
	json bool
	// array says that append takes arrays, of values of the kind's.
	array bool
	// same says whether two forms are of one value; nil where Debezium has one form only.
	same sameness
}

type appender func(dst, value []byte) ([]byte, error)

// typeOf is a column's type as the catalogue has it.
type typeOf struct {
	declared string // as people write it
	modifier int32  // length or precision, -1 without
	array    bool
	name     string // in pg_type: of the element if it is an array, of the base if it is a domain
	class    string // b: built-in or an extension's, e: enum, c: composite, d: domain, r: range
	domain   bool
}

// errLeftOut is the error for types that Debezium leaves out of its messages.
var errLeftOut = errors.New("not in the documents")

// leftOut are the types of which Debezium sends nothing, unlike those of which it sends something else.
var leftOut = map[string]bool{
	"box": true, "circle": true, "line": true, "lseg": true, "path": true, "polygon": true, "pg_lsn": true, "tsquery": true,
}

var leftOutArrays = map[string]bool{"interval": true, "money": true, "name": true, "point": true, "xml": true}

// kindOf returns how to render a type. It returns errLeftOut for one that Debezium leaves out, and another error for
// one of which it is not known what Debezium sends, or which Debezium sends in different ways.
func kindOf(t typeOf) (kind, error) {
	switch {
	case !t.array && t.class == "b" && leftOut[t.name], t.array && (leftOutArrays[t.name] || t.class == "d"):
		return kind{}, errLeftOut
	case t.class == "e" && t.domain:
		return kind{}, fmt.Errorf("its type %s is a domain over an enum, with which Debezium does not start", t.declared)
	}
	element, ok := scalarKind(t)
	if !ok || t.array && (element.asText || element.cast != "" || notInArrays[t.name]) {
		return kind{}, fmt.Errorf("its type %s is not supported: no document could be made that is sure to be Debezium's", t.declared)
	}
	if t.array {
		return arrayKind(t, element), nil
	}
	return element, nil
}

// notInArrays are types that Debezium sends shortened, or not at all, when they are elements.
var notInArrays = map[string]bool{"time": true, "timetz": true, "bit": true, "varbit": true}

func scalarKind(t typeOf) (kind, bool) {
	if t.class == "e" {
		return kind{append: appendText}, true
	}
	if make, ok := sizedKinds[t.name]; ok && t.class == "b" {
		return make(t.modifier)
	}
	k, ok := simpleKinds[t.name]
	return k, ok && t.class == "b"
}

// simpleKinds are those of types that are rendered in one way whatever their length or precision. citext's name is
// that of an extension's type, all others are built in.
var simpleKinds = map[string]kind{
	"bool":   {append: fixed(1, appendBool)},
	"int2":   {append: fixed(2, appendInt2)},
	"int4":   {append: fixed(4, appendInt4)},
	"int8":   {append: fixed(8, appendInt8)},
	"oid":    {append: fixed(4, appendOID)},
	"float4": {append: fixed(4, appendFloat4), same: sameFloats(32)},
	"float8": {append: fixed(8, appendFloat8), same: sameFloats(64)},
	"money":  {append: appendNumeric, cast: "::numeric", same: sameNumbers},

	"text": {append: appendText}, "varchar": {append: appendText}, "bpchar": {append: appendText}, "citext": {append: appendText},
	"uuid":  {append: fixed(16, appendUUID)},
	"bytea": {append: appendBytea},
	"json":  {append: appendText, json: true},
	"jsonb": {append: appendJSONB, json: true},

	"date":     {append: fixed(4, appendDate), same: sameDates},
	"timetz":   {append: fixed(12, appendTimetz)},
	"interval": {append: fixed(16, appendInterval)},
	"point":    {append: fixed(16, appendPoint), same: samePoints},

	"inet": {append: appendText, asText: true}, "cidr": {append: appendText, asText: true},
	"macaddr": {append: appendText, asText: true}, "macaddr8": {append: appendText, asText: true},
	"xml": {append: appendText, asText: true}, "tsvector": {append: appendText, asText: true},
	"int4range": {append: appendText, asText: true}, "int8range": {append: appendText, asText: true}, "numrange": {append: appendText, asText: true},
	"daterange": {append: appendText, asText: true}, "tsrange": {append: appendText, asText: true}, "tstzrange": {append: appendText, asText: true},
}

// sizedKinds are those of types that are rendered by their length or precision.
var sizedKinds = map[string]func(modifier int32) (kind, bool){
	// A negative scale, as in numeric(3, -2), reaches Debezium as one of 2046 digits.
	"numeric": func(modifier int32) (kind, bool) {
		return kind{append: appendNumeric}, modifier < 0 || (modifier-4)&0x400 == 0
	},
	"timestamptz": func(modifier int32) (kind, bool) {
		return kind{append: fixed(8, appendTimestamptz(digits(modifier)))}, true
	},
	"timestamp": func(modifier int32) (kind, bool) {
		if digits(modifier) <= 3 {
			return kind{append: fixed(8, appendTimestampMillis)}, true
		}
		return kind{append: fixed(8, appendTimestampMicros)}, true
	},
	"time": func(modifier int32) (kind, bool) {
		if digits(modifier) <= 3 {
			return kind{append: fixed(8, appendTimeMillis)}, true
		}
		return kind{append: fixed(8, appendTimeMicros)}, true
	},
	"bit": func(modifier int32) (kind, bool) {
		if modifier == 1 {
			return kind{append: appendBit}, true
		}
		return kind{append: appendBits}, true
	},
	// Of a varbit(1) Debezium sends a boolean when it streams, and null when it reads a snapshot.
	"varbit": func(modifier int32) (kind, bool) { return kind{append: appendBits}, modifier != 1 },
}

// digits returns how many a type has behind the second.
func digits(modifier int32) int {
	if modifier < 0 {
		return 6
	}
	return int(modifier)
}

// errMalformed says that Postgres sent something that is no value of the type.
var errMalformed = errors.New("the value's bytes are not what its type has")

// fixed checks the length of values that all have the same.
func fixed(length int, append func(dst, value []byte) []byte) appender {
	return func(dst, value []byte) ([]byte, error) {
		if len(value) != length {
			return nil, errMalformed
		}
		return append(dst, value), nil
	}
}
