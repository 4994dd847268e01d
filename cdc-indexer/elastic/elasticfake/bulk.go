package elasticfake

import (
	"bytes"
	"math"
	"net/http"

	"github.com/tidwall/gjson"
)

// write is one operation of a bulk request.
type write struct {
	verb        string // index or delete
	id          string
	index       string // of the item itself; empty: the request's
	alias       *bool  // the item's require_alias
	source      []byte // nil for a delete
	version     int64  // with versionType other than "internal"
	versionType string
	ifSeqNo     int64 // -1: not asked for
	ifTerm      int64
}

func (s *Server) bulk(q *request) (any, *failure) {
	writes, f := parseBulk(q.body)
	if f != nil {
		return nil, f
	}
	refresh := q.parameters.Get("refresh")
	if refresh != "" && refresh != "true" && refresh != "false" {
		return nil, unsupported("refresh=%s", refresh)
	}
	requireAlias := q.parameters.Get("require_alias") == "true"
	items := make([]object, len(writes))
	failed := false
	for i, w := range writes {
		target, strict := w.target(q.name, requireAlias)
		outcome, f := s.write(target, strict, w, q.unwritten != nil && q.unwritten(i))
		if f != nil {
			if f.status == http.StatusNotImplemented {
				return nil, f
			}
			failed = true
			outcome = object{"_index": q.name, "_id": w.id, "status": f.status, "error": f.cause()}
		}
		items[i] = object{w.verb: outcome}
	}
	if refresh == "true" {
		for _, x := range s.targets(q.name) {
			x.refresh()
		}
	}
	return object{"took": 0, "errors": failed, "items": items}, nil
}

// target is where an item goes: its own words go before the request's.
func (w *write) target(name string, requireAlias bool) (string, bool) {
	if w.index != "" {
		name = w.index
	}
	if w.alias != nil {
		requireAlias = *w.alias
	}
	return name, requireAlias
}

func (s *Server) write(target string, requireAlias bool, w write, overloaded bool) (object, *failure) {
	if w.id == "" {
		return nil, illegal("if _id is specified it must not be empty")
	}
	x, f := s.writeTarget(target, requireAlias)
	switch {
	case f != nil:
		return nil, f
	case x.blocked:
		return nil, fail(http.StatusForbidden, "cluster_block_exception", "index [%s] blocked by: [FORBIDDEN/8/index write (api)];", x.name)
	case overloaded:
		return nil, fail(http.StatusTooManyRequests, "es_rejected_execution_exception", "rejected execution of primary operation")
	}
	return x.apply(w)
}

// apply checks the document and its version, and writes.
func (x *index) apply(w write) (object, *failure) {
	if w.verb != "delete" {
		if f := x.mapping.check(w.id, w.source); f != nil {
			return nil, f
		}
	}
	current := x.documents[w.id]
	version, f := x.nextVersion(w, current)
	if f != nil {
		return nil, f
	}
	written := &document{id: w.id, source: w.source, version: version, seqNo: x.seqNo, primaryTerm: x.primaryTerm}
	x.seqNo++
	result, status := "updated", http.StatusOK
	switch {
	case w.verb == "delete" && current == nil:
		result, status = "not_found", http.StatusNotFound
	case w.verb == "delete":
		result = "deleted"
	case current == nil:
		result, status = "created", http.StatusCreated
	}
	if w.verb == "delete" {
		delete(x.documents, w.id)
		x.deleted[w.id] = version
	} else {
		delete(x.deleted, w.id)
		x.documents[w.id] = written
	}
	return object{
		"_index": x.name, "_id": w.id, "_version": version, "_seq_no": written.seqNo, "_primary_term": written.primaryTerm,
		"result": result, "status": status, "_shards": object{"total": 1, "successful": 1, "failed": 0},
	}, nil
}

// nextVersion returns the version the document gets, or the conflict that forbids the write.
func (x *index) nextVersion(w write, current *document) (int64, *failure) {
	last, known := x.deleted[w.id]
	if current != nil {
		last, known = current.version, true
	}
	if w.ifSeqNo >= 0 {
		return last + 1, w.compare(current)
	}
	switch {
	case w.versionType == "internal":
		return last + 1, nil
	case known && w.versionType == "external" && w.version <= last:
		return 0, conflict(w.id, "current version [%d] is higher or equal to the one provided [%d]", last, w.version)
	case known && w.version < last:
		return 0, conflict(w.id, "current version [%d] is higher than the one provided [%d]", last, w.version)
	default:
		return w.version, nil
	}
}

// compare checks a conditional write.
func (w *write) compare(current *document) *failure {
	switch {
	case current == nil:
		return conflict(w.id, "required seqNo [%d], primary term [%d]. but no document was found", w.ifSeqNo, w.ifTerm)
	case current.seqNo != w.ifSeqNo || current.primaryTerm != w.ifTerm:
		return conflict(w.id, "required seqNo [%d], primary term [%d]. current document has seqNo [%d] and primary term [%d]",
			w.ifSeqNo, w.ifTerm, current.seqNo, current.primaryTerm)
	default:
		return nil
	}
}

func conflict(id, format string, args ...any) *failure {
	return fail(http.StatusConflict, "version_conflict_engine_exception", "["+id+"]: version conflict, "+format, args...)
}

// parseBulk checks the request as a whole, before any document is looked at.
func parseBulk(body []byte) ([]write, *failure) {
	if len(body) == 0 {
		return nil, fail(http.StatusBadRequest, "parse_exception", "request body is required")
	}
	if body[len(body)-1] != '\n' {
		return nil, illegal("The bulk request must be terminated by a newline [\\n]")
	}
	var writes []write
	lines := bytes.Split(body[:len(body)-1], []byte("\n"))
	for len(lines) > 0 {
		w, f := parseAction(lines[0])
		if f != nil {
			return nil, f
		}
		lines = lines[1:]
		if w.verb != "delete" {
			if len(lines) == 0 {
				return nil, invalid("source is missing")
			}
			w.source, lines = bytes.Clone(lines[0]), lines[1:]
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func parseAction(line []byte) (write, *failure) {
	w := write{versionType: "internal", version: math.MinInt64, ifSeqNo: -1}
	if !gjson.ValidBytes(line) {
		return w, illegal("Malformed action/metadata line: %s", line)
	}
	var f *failure
	gjson.ParseBytes(line).ForEach(func(verb, meta gjson.Result) bool {
		w.verb = verb.String()
		meta.ForEach(func(name, value gjson.Result) bool {
			switch name.String() {
			case "_id":
				w.id = value.String()
			case "_index":
				w.index = value.String()
			case "require_alias":
				strict := value.Bool()
				w.alias = &strict
			case "version":
				w.version = value.Int()
			case "version_type":
				w.versionType = value.String()
			case "if_seq_no":
				w.ifSeqNo = value.Int()
			case "if_primary_term":
				w.ifTerm = value.Int()
			default:
				f = unsupported("bulk action field %s", name)
			}
			return f == nil
		})
		return false
	})
	if f == nil {
		f = w.validate()
	}
	return w, f
}

func (w *write) validate() *failure {
	const maxID = 512 // bytes
	switch {
	case w.verb != "index" && w.verb != "delete":
		return unsupported("bulk action %q", w.verb)
	case w.versionType != "internal" && w.versionType != "external" && w.versionType != "external_gte":
		return illegal("No version type match [%s]", w.versionType)
	case len(w.id) > maxID:
		return invalid("id [%s] is too long, must be no longer than %d bytes but was: %d", w.id, maxID, len(w.id))
	}
	return w.validateCondition()
}

func (w *write) validateCondition() *failure {
	versioned := w.version != math.MinInt64
	switch {
	case w.ifSeqNo >= 0 && (versioned || w.versionType != "internal"):
		return invalid("compare and write operations can not use versioning")
	case w.ifSeqNo >= 0 && w.ifTerm == 0:
		return invalid("ifSeqNo is set, but primary term is [0]")
	case versioned && w.versionType == "internal":
		return invalid("internal versioning can not be used for optimistic concurrency control. Please use `if_seq_no` and `if_primary_term` instead")
	case w.versionType != "internal" && w.version < 0:
		return invalid("illegal version value [%d] for version type [%s]", w.version, w.versionType)
	}
	return nil
}
