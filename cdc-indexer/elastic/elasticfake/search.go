package elasticfake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// mget reads documents by _id, refreshed or not, by the body's ids.
func (s *Server) mget(q *request) (any, *failure) {
	ids := q.json.Get("ids").Array()
	if len(ids) == 0 {
		return nil, invalid("no documents to get")
	}
	targets := s.targets(q.name)
	documents := make([]object, len(ids))
	for i, id := range ids {
		answer := object{"_index": q.name, "_id": id.String()}
		switch {
		case len(targets) == 0:
			answer["error"] = noIndex(q.name).cause()
		case len(targets) > 1:
			answer["error"] = illegal("alias [%s] has more than one index associated with it, can't execute a single index op", q.name).cause()
		default:
			targets[0].get(answer, id.String(), q.parameters)
		}
		documents[i] = answer
	}
	return object{"docs": documents}, nil
}

func (x *index) get(answer object, id string, parameters url.Values) {
	answer["_index"] = x.name
	d, found := x.documents[id]
	answer["found"] = found
	if !found {
		return
	}
	answer["_version"], answer["_seq_no"], answer["_primary_term"] = d.version, d.seqNo, d.primaryTerm
	if parameters.Get("_source") == "false" {
		return
	}
	answer["_source"] = json.RawMessage(d.source)
	if includes := parameters.Get("_source_includes"); includes != "" {
		answer["_source"] = filterPath(decode(d.source), includes)
	}
}

// decode returns a document whose numbers keep all their digits.
func decode(source []byte) any {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(source))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		panic(err) // checked when it was written
	}
	return value
}

// query says whether it holds for a document. Only match_all, term, range and bool with filter are known.
type query func(*document) bool

func parseQuery(q gjson.Result) (query, *failure) {
	if !q.Exists() {
		return everything, nil
	}
	if len(q.Map()) == 1 {
		switch {
		case q.Get("match_all").Exists():
			return everything, nil
		case len(q.Get("term").Map()) == 1:
			return parseTerm(q.Get("term")), nil
		case len(q.Get("range").Map()) == 1:
			return parseRange(q.Get("range"))
		case q.Get("bool").Exists():
			return parseBool(q.Get("bool"))
		}
	}
	return nil, unsupported("query %s", q.Raw)
}

func everything(*document) bool { return true }

func parseTerm(term gjson.Result) query {
	var q query
	term.ForEach(func(field, want gjson.Result) bool {
		if want.IsObject() {
			want = want.Get("value")
		}
		q = func(d *document) bool {
			value := d.field(field.String())
			return value.Exists() && value.String() == want.String()
		}
		return false
	})
	return q
}

// field returns a value of the source, or the sequence number, which a query may ask for like a field.
func (d *document) field(path string) gjson.Result {
	if path == "_seq_no" {
		return gjson.Parse(strconv.FormatInt(d.seqNo, 10))
	}
	return gjson.GetBytes(d.source, path)
}

func parseRange(q gjson.Result) (query, *failure) {
	var found query
	var f *failure
	q.ForEach(func(field, bounds gjson.Result) bool {
		for name := range bounds.Map() {
			if !slices.Contains([]string{"gt", "gte", "lt", "lte"}, name) {
				f = unsupported("range option %s", name)
			}
		}
		found = func(d *document) bool {
			value := d.field(field.String())
			within := func(bound string, ok func(int) bool) bool {
				limit := bounds.Get(bound)
				return !limit.Exists() || ok(compareInRange(value, limit))
			}
			return value.Exists() &&
				within("gt", func(c int) bool { return c > 0 }) && within("gte", func(c int) bool { return c >= 0 }) &&
				within("lt", func(c int) bool { return c < 0 }) && within("lte", func(c int) bool { return c <= 0 })
		}
		return false
	})
	return found, f
}

// parseBool knows filter and must_not.
func parseBool(clauses gjson.Result) (query, *failure) {
	var all []query
	for clause, conditions := range clauses.Map() {
		if clause != "filter" && clause != "must_not" || !conditions.IsArray() {
			return nil, unsupported("bool with %s", clause)
		}
		for _, condition := range conditions.Array() {
			q, f := parseQuery(condition)
			if f != nil {
				return nil, f
			}
			if clause == "must_not" {
				positive := q
				q = func(d *document) bool { return !positive(d) }
			}
			all = append(all, q)
		}
	}
	return func(d *document) bool {
		return !slices.ContainsFunc(all, func(q query) bool { return !q(d) })
	}, nil
}

// matches returns the searchable documents behind target that its filters and the query leave, by index and _id.
func (s *Server) matches(target string, body gjson.Result) ([]hit, *failure) {
	targets := s.targets(target)
	if len(targets) == 0 {
		return nil, noIndex(target)
	}
	wanted, f := parseQuery(body.Get("query"))
	if f != nil {
		return nil, f
	}
	var hits []hit
	for _, x := range targets {
		filter := query(func(*document) bool { return true })
		if raw := x.aliases[target].filter; raw != nil {
			filter, _ = parseQuery(gjson.ParseBytes(raw)) // known since the alias was made
		}
		for _, id := range slices.Sorted(maps.Keys(x.searchable)) {
			if d := x.searchable[id]; filter(d) && wanted(d) {
				hits = append(hits, hit{index: x, document: d})
			}
		}
	}
	return hits, nil
}

type hit struct {
	index    *index
	document *document
	sort     []gjson.Result
}

func (s *Server) count(q *request) (any, *failure) {
	hits, f := s.matches(q.name, q.json)
	return object{"count": len(hits)}, f
}

// search pages through documents: query, size, from, sort by fields of the mapping (ascending) with search_after.
func (s *Server) search(q *request) (any, *failure) {
	hits, f := s.matches(q.name, q.json)
	if f != nil {
		return nil, f
	}
	answer, f := page(hits, q.json)
	if f == nil && q.json.Get("aggs").Exists() {
		answer["aggregations"], f = aggregate(hits, q.json.Get("aggs"))
	}
	return answer, f
}

// openPointInTime keeps what is searchable now.
func (s *Server) openPointInTime(q *request) (any, *failure) {
	if q.parameters.Get("keep_alive") == "" {
		return nil, invalid("[keep_alive] is not specified")
	}
	hits, f := s.matches(q.name, gjson.Result{})
	if f != nil {
		return nil, f
	}
	s.opened++
	id := fmt.Sprintf("pit-%d", s.opened)
	s.points[id] = hits
	return object{"id": id}, nil
}

func (s *Server) closePointInTime(q *request) (any, *failure) {
	id := q.json.Get("id").String()
	if _, ok := s.points[id]; !ok {
		return nil, fail(http.StatusNotFound, "", "no point in time")
	}
	delete(s.points, id)
	return object{"succeeded": true, "num_freed": 1}, nil
}

// searchPointInTime searches what was searchable when the point in time was opened.
func (s *Server) searchPointInTime(q *request) (any, *failure) {
	kept, ok := s.points[q.json.Get("pit.id").String()]
	if !ok {
		return nil, fail(http.StatusNotFound, "search_phase_execution_exception", "all shards failed")
	}
	wanted, f := parseQuery(q.json.Get("query"))
	if f != nil {
		return nil, f
	}
	hits := slices.DeleteFunc(slices.Clone(kept), func(h hit) bool { return !wanted(h.document) })
	answer, f := page(hits, q.json)
	if f != nil {
		return nil, f
	}
	answer["pit_id"] = q.json.Get("pit.id").String()
	return answer, nil
}

// page returns the part of the hits that a search's body asks for.
func page(hits []hit, body gjson.Result) (object, *failure) {
	for name := range body.Map() {
		if !slices.Contains([]string{"query", "size", "from", "sort", "search_after", "version", "seq_no_primary_term", "track_total_hits", "pit", "aggs"}, name) {
			return nil, unsupported("search option %s", name)
		}
	}
	total := len(hits)
	hits, f := sortAfter(hits, body.Get("sort"), body.Get("search_after"))
	if f != nil {
		return nil, f
	}
	size := 10
	if body.Get("size").Exists() {
		size = int(body.Get("size").Int())
	}
	hits = hits[min(int(body.Get("from").Int()), len(hits)):]
	hits = hits[:min(size, len(hits))]
	found := make([]object, len(hits))
	for i, h := range hits {
		found[i] = h.describe(body)
	}
	return object{
		"took": 0, "timed_out": false, "_shards": object{"total": 1, "successful": 1, "skipped": 0, "failed": 0},
		"hits": object{"total": object{"value": total, "relation": "eq"}, "hits": found},
	}, nil
}

// aggregate knows filter and sum.
func aggregate(hits []hit, aggregations gjson.Result) (object, *failure) {
	answer := object{}
	for name, a := range aggregations.Map() {
		var f *failure
		switch {
		case a.Get("filter").Exists():
			answer[name], f = aggregateFilter(hits, a)
		case a.Get("sum.field").Exists():
			total := int64(0)
			for _, h := range hits {
				total += h.document.field(a.Get("sum.field").String()).Int()
			}
			answer[name] = object{"value": float64(total)}
		default:
			f = unsupported("aggregation %s", a.Raw)
		}
		if f != nil {
			return nil, f
		}
	}
	return answer, nil
}

func aggregateFilter(hits []hit, a gjson.Result) (object, *failure) {
	wanted, f := parseQuery(a.Get("filter"))
	if f != nil {
		return nil, f
	}
	left := slices.DeleteFunc(slices.Clone(hits), func(h hit) bool { return !wanted(h.document) })
	answer, f := aggregate(left, a.Get("aggs"))
	if f == nil {
		answer["doc_count"] = len(left)
	}
	return answer, f
}

func (h *hit) describe(options gjson.Result) object {
	d := h.document
	described := object{"_index": h.index.name, "_id": d.id, "_source": json.RawMessage(d.source)}
	if options.Get("version").Bool() {
		described["_version"] = d.version
	}
	if options.Get("seq_no_primary_term").Bool() {
		described["_seq_no"], described["_primary_term"] = d.seqNo, d.primaryTerm
	}
	if len(h.sort) > 0 {
		values := make([]any, len(h.sort))
		for i, value := range h.sort {
			values[i] = json.RawMessage(value.Raw)
		}
		described["sort"] = values
	}
	return described
}

// shardDoc sorts by the place in the shard, which here is the one before any other sorting.
const shardDoc = "_shard_doc"

func sortAfter(hits []hit, keys, after gjson.Result) ([]hit, *failure) {
	if !keys.Exists() {
		if after.Exists() {
			return nil, fail(http.StatusBadRequest, "search_phase_execution_exception", "Sort must contain at least one field")
		}
		return hits, nil
	}
	var fields []string
	for _, key := range keys.Array() {
		for field, order := range key.Map() {
			if strings.HasPrefix(field, "_") && field != shardDoc || order.String() != "asc" && order.Get("order").String() != "asc" {
				return nil, unsupported("sort %s", key.Raw)
			}
			fields = append(fields, field)
		}
	}
	for i := range hits {
		for _, field := range fields {
			value := gjson.GetBytes(hits[i].document.source, field)
			if field == shardDoc {
				value = gjson.Parse(strconv.Itoa(i))
			}
			if value.Type != gjson.String && value.Type != gjson.Number {
				return nil, unsupported("sorting by %s of document %s", field, hits[i].document.id)
			}
			hits[i].sort = append(hits[i].sort, value)
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return slices.CompareFunc(a.sort, b.sort, compareValues) })
	if after.Exists() {
		hits = slices.DeleteFunc(hits, func(h hit) bool { return slices.CompareFunc(h.sort, after.Array(), compareValues) <= 0 })
	}
	return hits, nil
}

// compareInRange compares dates as dates, and everything else as a sort does.
func compareInRange(a, b gjson.Result) int {
	x, err := time.Parse(time.RFC3339Nano, a.String())
	y, alsoErr := time.Parse(time.RFC3339Nano, b.String())
	if err == nil && alsoErr == nil {
		return x.Compare(y)
	}
	if a.Type == gjson.Number && b.Type == gjson.String { // 30 and "30" are the same bound of a number
		b = gjson.Parse(b.String())
	}
	return compareValues(a, b)
}

func compareValues(a, b gjson.Result) int {
	if a.Type == gjson.Number && b.Type == gjson.Number {
		return cmp.Compare(a.Int(), b.Int())
	}
	return strings.Compare(a.String(), b.String())
}
