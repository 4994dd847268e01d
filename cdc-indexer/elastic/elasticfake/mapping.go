package elasticfake

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// mapping is an object's: which fields it has and what becomes of others.
type mapping struct {
	kind       string // "object", or a field's type
	strict     bool   // dynamic: strict
	properties map[string]*mapping
}

// fieldTypes are the types whose values are checked.
var fieldTypes = map[string]func(gjson.Result) bool{
	"keyword": isScalar,
	"text":    isScalar,
	"boolean": func(v gjson.Result) bool {
		return v.IsBool() || v.Type == gjson.String && (v.Str == "true" || v.Str == "false" || v.Str == "")
	},
	"date":    isDate,
	"double":  func(v gjson.Result) bool { _, ok := asNumber(v); return ok },
	"long":    func(v gjson.Result) bool { return isIntegral(v, math.MinInt64, math.MaxInt64) },
	"integer": func(v gjson.Result) bool { return isIntegral(v, math.MinInt32, math.MaxInt32) },
}

// metaOf returns a mapping's _meta: people's own notes, which Elasticsearch only keeps.
func metaOf(mapping gjson.Result) json.RawMessage {
	if meta := mapping.Get("_meta"); meta.Exists() {
		return json.RawMessage(meta.Raw)
	}
	return nil
}

// putMapping knows a change of _meta, which replaces all of it, and fields that are added.
func (s *Server) putMapping(q *request) (any, *failure) {
	targets := s.targets(q.name)
	if len(targets) == 0 {
		return nil, noIndex(q.name)
	}
	if len(q.json.Map()) != 1 || !q.json.Get("_meta").Exists() && !q.json.Get("properties").Exists() {
		return nil, unsupported("changing the mapping: %s", q.json.Raw)
	}
	added, f := parseMapping(q.json)
	if f != nil {
		return nil, f
	}
	for _, x := range targets {
		if q.json.Get("_meta").Exists() {
			x.meta = metaOf(q.json)
		}
		x.mapping.add(added)
	}
	return object{"acknowledged": true}, nil
}

// add adds fields. Those that are there must be the same.
func (m *mapping) add(other *mapping) {
	for name, field := range other.properties {
		if m.properties[name] == nil {
			m.properties[name] = field
		} else {
			m.properties[name].add(field)
		}
	}
}

// getMapping tells _meta and leaves out the fields.
func (s *Server) getMapping(q *request) (any, *failure) {
	answer := object{}
	for _, x := range s.targets(q.name) {
		mappings := object{}
		if x.meta != nil {
			mappings["_meta"] = x.meta
		}
		answer[x.name] = object{"mappings": mappings}
	}
	if len(answer) == 0 {
		return nil, noIndex(q.name)
	}
	return answer, nil
}

func parseMapping(definition gjson.Result) (*mapping, *failure) {
	m := &mapping{kind: "object", properties: map[string]*mapping{}}
	if !definition.Exists() {
		return m, nil
	}
	if kind := definition.Get("type"); kind.Exists() {
		m.kind = kind.String()
	}
	if fieldTypes[m.kind] == nil && m.kind != "object" {
		return nil, unsupported("field type %s", m.kind)
	}
	dynamic := definition.Get("dynamic")
	m.strict = dynamic.String() == "strict"
	if dynamic.Exists() && !m.strict && dynamic.Raw != "false" {
		return nil, unsupported("dynamic: %s", dynamic)
	}
	var f *failure
	definition.Get("properties").ForEach(func(name, field gjson.Result) bool {
		m.properties[name.String()], f = parseMapping(field)
		return f == nil
	})
	return m, f
}

// check says why a document cannot be indexed.
func (m *mapping) check(id string, source []byte) *failure {
	document := gjson.ParseBytes(source)
	if !gjson.ValidBytes(source) || !document.IsObject() {
		return fail(http.StatusBadRequest, "document_parsing_exception", "failed to parse: the document is no JSON object")
	}
	return m.checkObject(id, "", document)
}

func (m *mapping) checkObject(id, path string, value gjson.Result) *failure {
	var f *failure
	value.ForEach(func(name, value gjson.Result) bool {
		field, known := m.properties[name.String()]
		switch {
		case known:
			f = field.checkField(id, path+name.String(), value)
		case m.strict:
			f = fail(http.StatusBadRequest, "strict_dynamic_mapping_exception",
				"mapping set to strict, dynamic introduction of [%s] within [%s] is not allowed", name.String(), strings.TrimSuffix("_doc."+path, "."))
		}
		return f == nil
	})
	return f
}

func (m *mapping) checkField(id, path string, value gjson.Result) *failure {
	switch {
	case value.Type == gjson.Null:
		return nil
	case value.IsArray():
		for _, element := range value.Array() {
			if f := m.checkField(id, path, element); f != nil {
				return f
			}
		}
		return nil
	case m.kind == "object" && value.IsObject():
		return m.checkObject(id, path+".", value)
	case m.kind != "object" && fieldTypes[m.kind](value):
		return nil
	}
	return fail(http.StatusBadRequest, "document_parsing_exception", "failed to parse field [%s] of type [%s] in document with id '%s'", path, m.kind, id)
}

func isScalar(v gjson.Result) bool { return !v.IsObject() }

func asNumber(v gjson.Result) (float64, bool) {
	if v.IsBool() || v.IsObject() {
		return 0, false
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(v.String()), 64)
	return number, err == nil && !math.IsInf(number, 0) && !math.IsNaN(number)
}

// isIntegral: a fraction is cut off, as by default.
func isIntegral(v gjson.Result, lowest, highest float64) bool {
	number, ok := asNumber(v)
	return ok && number >= lowest && number <= highest
}

func isDate(v gjson.Result) bool {
	if v.Type == gjson.Number {
		return !strings.ContainsAny(v.Raw, ".eE")
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02", "2006-01", "2006"} {
		if _, err := time.Parse(layout, v.String()); err == nil && v.Type == gjson.String {
			return true
		}
	}
	return false
}
