// Package elasticfake is a small part of Elasticsearch in memory, for tests that need thousands of servers or one
// that fails on command. It does what the indexer relies on, as the real server does it: a contract suite in the
// elastic package runs the same requests against both. Everything else it answers with status 501, so that no test
// passes because the fake looked away.
//
// One index is one shard. Nothing happens by itself: there is no refresh in the background, and the versions of
// deleted documents are forgotten on command.
package elasticfake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
)

// Server is the fake. It is an http.Handler, and an http.RoundTripper for clients that need no network. It is safe
// for concurrent use; each request is carried out as a whole.
type Server struct {
	mu      sync.Mutex
	indices map[string]*index
	points  map[string][]hit // points in time, by id
	created int              // indices so far
	opened  int              // points in time so far
	fault   func(*http.Request) Fault
}

// New returns a server without any index.
func New() *Server { return &Server{indices: map[string]*index{}, points: map[string][]hit{}} }

// Fault is what goes wrong with one request.
type Fault struct {
	// Unreachable fails the request before the server has seen it.
	Unreachable bool
	// LostResponse lets the server carry out the request and loses the answer.
	LostResponse bool
	// Unwritten says which items of a bulk request, counted from 0, are left out. They answer with status 429; with
	// LostResponse it is a server that crashed half way.
	Unwritten func(item int) bool
}

// ErrConnection is what a client sees of a Fault that leaves it without an answer.
var ErrConnection = errors.New("elasticfake: connection lost")

// SetFault has decide asked before every request. The zero Fault, and a nil decide, let requests pass.
func (s *Server) SetFault(decide func(*http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = decide
}

// ForgetDeletes drops the versions of deleted documents, as Elasticsearch does after index.gc_deletes.
func (s *Server) ForgetDeletes() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.indices {
		clear(x.deleted)
	}
}

// Restart stops and starts the server: acknowledged writes survive and become searchable, the versions of deleted
// documents are lost, and writes get a new primary term.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.indices {
		clear(x.deleted)
		x.primaryTerm++
		x.refresh()
	}
}

// ServeHTTP answers one request. A Fault that loses the answer breaks the connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.serve(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = answer.Body.Close() }()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // the client has gone: nobody to tell
}

// RoundTrip answers one request without a network. A Fault that loses the answer is ErrConnection.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) { return s.serve(r) }

func (s *Server) serve(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, fmt.Errorf("elasticfake: %w", err)
	}
	var body []byte
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, fmt.Errorf("elasticfake: read request: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var fault Fault
	if s.fault != nil {
		asked := r.WithContext(r.Context()) // a copy, whose body can be read
		asked.Body = io.NopCloser(bytes.NewReader(body))
		fault = s.fault(asked)
	}
	if fault.Unreachable {
		return nil, ErrConnection
	}
	parameters := r.URL.Query()
	answer, failure := s.route(r, parameters, body, fault)
	if fault.LostResponse {
		return nil, ErrConnection
	}
	status := http.StatusOK
	if failure != nil {
		status, answer = failure.status, failure.body()
	}
	if filter := parameters.Get("filter_path"); filter != "" && failure == nil {
		answer = filterPath(answer, filter)
	}
	return response(r, status, answer)
}

func response(r *http.Request, status int, answer any) (*http.Response, error) {
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("elasticfake: encode answer: %w", err)
	}
	if r.Method == http.MethodHead {
		text = nil
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"X-Elastic-Product": {"Elasticsearch"}, "Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(text)),
		ContentLength: int64(len(text)),
		Request:       r,
	}, nil
}

// object is a JSON object of an answer.
type object = map[string]any

// failure is an answer that is not a success.
type failure struct {
	status int
	kind   string
	reason string
}

func fail(status int, kind, format string, args ...any) *failure {
	return &failure{status: status, kind: kind, reason: fmt.Sprintf(format, args...)}
}

func illegal(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "illegal_argument_exception", format, args...)
}

func invalid(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "action_request_validation_exception", "Validation Failed: 1: "+format+";", args...)
}

func unsupported(format string, args ...any) *failure {
	return fail(http.StatusNotImplemented, "elasticfake_unsupported", "elasticfake does not implement "+format, args...)
}

func noIndex(name string) *failure {
	return fail(http.StatusNotFound, "index_not_found_exception", "no such index [%s]", name)
}

func (f *failure) cause() object { return object{"type": f.kind, "reason": f.reason} }

func (f *failure) body() object {
	return object{"error": object{"type": f.kind, "reason": f.reason, "root_cause": []object{f.cause()}}, "status": f.status}
}

// request is what operations get to see of a request.
type request struct {
	name       string // of the index or alias in the path
	parameters url.Values
	body       []byte
	json       gjson.Result // body, unless it is made of lines
	unwritten  func(int) bool
}

// operation is one kind of request: what it does and which parameters it understands.
type operation struct {
	run        func(s *Server, q *request) (any, *failure)
	parameters []string
	lines      bool // the body is NDJSON
}

// operations by method and path; * stands for an index or alias.
var operations = map[string]operation{
	"PUT *":                       {run: (*Server).createIndex},
	"HEAD *":                      {run: (*Server).indexExists},
	"DELETE *":                    {run: (*Server).deleteIndex},
	"PUT */_block/write":          {run: (*Server).blockWrites},
	"PUT */_settings":             {run: (*Server).changeSettings},
	"GET _cluster/state/blocks/*": {run: (*Server).clusterBlocks},
	"POST */_refresh":             {run: (*Server).refreshTarget},
	"POST */_bulk":                {run: (*Server).bulk, parameters: []string{"require_alias", "refresh"}, lines: true},
	"POST _bulk":                  {run: (*Server).bulk, lines: true},
	"POST */_mget":                {run: (*Server).mget, parameters: []string{"_source", "_source_includes"}},
	"POST */_search":              {run: (*Server).search},
	"POST */_count":               {run: (*Server).count},
	"GET _alias/*":                {run: (*Server).getAlias},
	"GET */_alias":                {run: (*Server).getIndexAliases},
	"PUT */_mapping":              {run: (*Server).putMapping},
	"GET */_mapping":              {run: (*Server).getMapping},
	"GET */_stats/docs":           {run: (*Server).stats, parameters: []string{"level"}},
	"POST */_pit":                 {run: (*Server).openPointInTime, parameters: []string{"keep_alive"}},
	"DELETE _pit":                 {run: (*Server).closePointInTime},
	"POST _search":                {run: (*Server).searchPointInTime},
	"POST _aliases":               {run: (*Server).updateAliases},
}

func (s *Server) route(r *http.Request, parameters url.Values, body []byte, fault Fault) (any, *failure) {
	pattern, name := split(r)
	op, ok := operations[pattern]
	if !ok {
		return nil, unsupported("%s %s", r.Method, r.URL.Path)
	}
	for parameter := range parameters {
		if parameter != "filter_path" && !slices.Contains(op.parameters, parameter) {
			return nil, unsupported("parameter %s of %s %s", parameter, r.Method, r.URL.Path)
		}
	}
	q := &request{name: name, parameters: parameters, body: body, unwritten: fault.Unwritten}
	if !op.lines {
		if len(body) > 0 && !gjson.ValidBytes(body) {
			return nil, fail(http.StatusBadRequest, "parse_exception", "the body is no JSON")
		}
		q.json = gjson.ParseBytes(body)
	}
	return op.run(s, q)
}

// split returns the pattern that stands in operations and the name of the index or alias.
func split(r *http.Request) (pattern, name string) {
	first, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case first == "_alias" && rest != "":
		return r.Method + " _alias/*", rest
	case strings.HasPrefix(rest, "state/blocks/"):
		return r.Method + " _cluster/state/blocks/*", strings.TrimPrefix(rest, "state/blocks/")
	case strings.HasPrefix(first, "_"):
		return r.Method + " " + strings.Trim(r.URL.Path, "/"), ""
	case rest == "":
		return r.Method + " *", first
	default:
		return r.Method + " */" + rest, first
	}
}

// filterPath keeps the parts of an answer that one of the comma-separated paths leads to; * is any one field. Arrays
// are passed through.
func filterPath(answer any, paths string) any {
	var split [][]string
	for path := range strings.SplitSeq(paths, ",") {
		split = append(split, strings.Split(path, "."))
	}
	if kept, ok := keep(answer, split); ok {
		return kept
	}
	return object{}
}

func keep(value any, paths [][]string) (any, bool) {
	if slices.ContainsFunc(paths, func(path []string) bool { return len(path) == 0 }) {
		return value, true
	}
	switch value := value.(type) {
	case []any:
		return keepElements(value, paths)
	case []object:
		return keepElements(value, paths)
	case object:
		kept := object{}
		for name, field := range value {
			var below [][]string
			for _, path := range paths {
				if path[0] == "*" || path[0] == name {
					below = append(below, path[1:])
				}
			}
			if field, ok := keep(field, below); ok {
				kept[name] = field
			}
		}
		return kept, len(kept) > 0
	default:
		return nil, false
	}
}

func keepElements[T any](elements []T, paths [][]string) (any, bool) {
	var kept []any
	for _, element := range elements {
		if element, ok := keep(element, paths); ok {
			kept = append(kept, element)
		}
	}
	return kept, len(kept) > 0
}
