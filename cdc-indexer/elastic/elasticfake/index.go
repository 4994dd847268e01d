package elasticfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// index is one index with its only shard. A document is never changed in place.
type index struct {
	name        string
	mapping     *mapping
	uuid        string
	meta        json.RawMessage // of the mapping
	aliases     map[string]alias
	blocked     bool // index.blocks.write
	documents   map[string]*document
	deleted     map[string]int64     // versions of deleted documents, until they are forgotten
	searchable  map[string]*document // documents as of the last refresh
	seqNo       int64                // of the next operation
	primaryTerm int64
}

type document struct {
	id          string
	source      []byte
	version     int64
	seqNo       int64
	primaryTerm int64
}

type alias struct {
	filter     json.RawMessage
	writeIndex *bool
}

func (x *index) refresh() { x.searchable = maps.Clone(x.documents) }

func (s *Server) createIndex(q *request) (any, *failure) {
	name := q.name
	if _, exists := s.indices[name]; exists {
		return nil, fail(http.StatusBadRequest, "resource_already_exists_exception", "index [%s] already exists", name)
	}
	if len(s.withAlias(name)) > 0 {
		return nil, fail(http.StatusBadRequest, "invalid_index_name_exception", "Invalid index name [%s], already exists as alias", name)
	}
	mapping, f := parseMapping(q.json.Get("mappings"))
	if f != nil {
		return nil, f
	}
	s.created++
	x := &index{
		name: name, uuid: fmt.Sprintf("uuid-%d", s.created), mapping: mapping, aliases: map[string]alias{},
		documents: map[string]*document{}, deleted: map[string]int64{}, primaryTerm: 1,
		meta: metaOf(q.json.Get("mappings")),
	}
	q.json.Get("aliases").ForEach(func(aliasName, value gjson.Result) bool {
		x.aliases[aliasName.String()], f = parseAlias(value)
		return f == nil
	})
	if f != nil {
		return nil, f
	}
	s.indices[name] = x
	return object{"acknowledged": true, "shards_acknowledged": true, "index": name}, nil
}

func (s *Server) indexExists(q *request) (any, *failure) {
	if len(s.targets(q.name)) == 0 {
		return nil, noIndex(q.name)
	}
	return nil, nil
}

func (s *Server) deleteIndex(q *request) (any, *failure) {
	if s.indices[q.name] == nil {
		return nil, noIndex(q.name)
	}
	delete(s.indices, q.name)
	return object{"acknowledged": true}, nil
}

func (s *Server) blockWrites(q *request) (any, *failure) {
	targets := s.targets(q.name)
	if len(targets) == 0 {
		return nil, noIndex(q.name)
	}
	blocked := make([]object, 0, len(targets))
	for _, x := range targets {
		if !x.blocked {
			blocked = append(blocked, object{"name": x.name, "blocked": true})
		}
		x.blocked = true
	}
	return object{"acknowledged": true, "shards_acknowledged": len(blocked) > 0, "indices": blocked}, nil
}

// clusterBlocks answers with what there is of the cluster's state with filter_path=blocks.indices.
func (s *Server) clusterBlocks(q *request) (any, *failure) {
	indices := object{}
	for _, x := range s.targets(q.name) {
		if x.blocked {
			indices[x.name] = object{"8": object{"description": "index write (api)", "retryable": false, "levels": []string{"write"}}}
		}
	}
	if len(indices) == 0 {
		return object{}, nil
	}
	return object{"blocks": object{"indices": indices}}, nil
}

// changeSettings knows the write block; other settings that change nothing the fake does are accepted.
func (s *Server) changeSettings(q *request) (any, *failure) {
	targets := s.targets(q.name)
	if len(targets) == 0 {
		return nil, noIndex(q.name)
	}
	var f *failure
	q.json.ForEach(func(setting, value gjson.Result) bool {
		switch setting.String() {
		case "index.blocks.write":
			for _, x := range targets {
				x.blocked = value.Bool()
			}
		case "index.refresh_interval", "index.number_of_replicas":
		default:
			f = unsupported("setting %s", setting)
		}
		return f == nil
	})
	return object{"acknowledged": true}, f
}

func (s *Server) refreshTarget(q *request) (any, *failure) {
	targets := s.targets(q.name)
	if len(targets) == 0 {
		return nil, noIndex(q.name)
	}
	for _, x := range targets {
		x.refresh()
	}
	return object{"_shards": object{"total": len(targets), "successful": len(targets), "failed": 0}}, nil
}

// targets returns the indices that a name, of an index or an alias, leads to.
func (s *Server) targets(name string) []*index {
	if x := s.indices[name]; x != nil {
		return []*index{x}
	}
	return s.withAlias(name)
}

func (s *Server) withAlias(name string) []*index {
	var found []*index
	for _, indexName := range slices.Sorted(maps.Keys(s.indices)) {
		if _, ok := s.indices[indexName].aliases[name]; ok {
			found = append(found, s.indices[indexName])
		}
	}
	return found
}

// writeTarget returns the one index that documents sent to name are written to.
func (s *Server) writeTarget(name string, requireAlias bool) (*index, *failure) {
	if requireAlias && len(s.withAlias(name)) == 0 {
		return nil, fail(http.StatusNotFound, "index_not_found_exception",
			"no such index [%s] and [require_alias] request flag is [true] and [%s] is not an alias", name, name)
	}
	targets := s.targets(name)
	if len(targets) == 0 {
		return nil, unsupported("creating an index by writing to it: [%s]", name)
	}
	for _, x := range targets {
		flag := x.aliases[name].writeIndex
		if x.name == name || flag != nil && *flag || flag == nil && len(targets) == 1 {
			return x, nil
		}
	}
	return nil, illegal("no write index is defined for alias [%s]", name)
}

func parseAlias(value gjson.Result) (alias, *failure) {
	var a alias
	var f *failure
	value.ForEach(func(name, option gjson.Result) bool {
		switch name.String() {
		case "filter":
			a.filter = json.RawMessage(option.Raw)
			_, f = parseQuery(option)
		case "is_write_index":
			flag := option.Bool()
			a.writeIndex = &flag
		case "index", "alias": // of an action of _aliases
		default:
			f = unsupported("alias option %s", name)
		}
		return f == nil
	})
	return a, f
}

func (a alias) describe() object {
	described := object{}
	if a.filter != nil {
		described["filter"] = a.filter
	}
	if a.writeIndex != nil {
		described["is_write_index"] = *a.writeIndex
	}
	return described
}

func (s *Server) getAlias(q *request) (any, *failure) {
	answer := object{}
	for _, name := range strings.Split(q.name, ",") {
		found := s.describeAliases(name)
		if len(found) == 0 && !strings.Contains(name, "*") {
			return nil, fail(http.StatusNotFound, "", "alias [%s] missing", name)
		}
		for _, x := range slices.Sorted(maps.Keys(found)) {
			if answer[x] == nil {
				answer[x] = object{"aliases": object{}}
			}
			maps.Copy(answer[x].(object)["aliases"].(object), found[x]) //nolint:forcetypeassert // built above
		}
	}
	return answer, nil
}

// describeAliases returns the aliases of a name or pattern by index.
func (s *Server) describeAliases(pattern string) map[string]object {
	found := map[string]object{}
	for _, x := range s.indices {
		for name, a := range x.aliases {
			if !match(pattern, name) {
				continue
			}
			if found[x.name] == nil {
				found[x.name] = object{}
			}
			found[x.name][name] = a.describe()
		}
	}
	return found
}

// match knows patterns of one * at the end.
func match(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// getIndexAliases lists the indices of a name or pattern with all their aliases.
func (s *Server) getIndexAliases(q *request) (any, *failure) {
	answer := object{}
	for _, x := range s.indices {
		if !match(q.name, x.name) {
			continue
		}
		aliases := object{}
		for name, a := range x.aliases {
			aliases[name] = a.describe()
		}
		answer[x.name] = object{"aliases": aliases}
	}
	if len(answer) == 0 && !strings.HasSuffix(q.name, "*") {
		return nil, noIndex(q.name)
	}
	return answer, nil
}

// stats tells the highest sequence number of the only shard, up to which all is done, in the shape of level=shards.
func (s *Server) stats(q *request) (any, *failure) {
	if q.parameters.Get("level") != "shards" {
		return nil, unsupported("_stats without level=shards")
	}
	indices := object{}
	for _, x := range s.targets(q.name) {
		copies := []any{object{"seq_no": object{"max_seq_no": x.seqNo - 1, "global_checkpoint": x.seqNo - 1}}}
		indices[x.name] = object{"uuid": x.uuid, "shards": object{"0": copies}}
	}
	if len(indices) == 0 {
		return nil, noIndex(q.name)
	}
	return object{"indices": indices}, nil
}

// updateAliases carries out all actions or none.
func (s *Server) updateAliases(q *request) (any, *failure) {
	changed := map[*index]map[string]alias{}
	for _, x := range s.indices {
		changed[x] = maps.Clone(x.aliases)
	}
	for _, action := range q.json.Get("actions").Array() {
		if f := s.aliasAction(action, changed); f != nil {
			return nil, f
		}
	}
	if f := oneWriteIndex(changed); f != nil {
		return nil, f
	}
	for x, aliases := range changed {
		x.aliases = aliases
	}
	return object{"acknowledged": true, "errors": false}, nil
}

func (s *Server) aliasAction(action gjson.Result, changed map[*index]map[string]alias) *failure {
	var f *failure
	action.ForEach(func(verb, options gjson.Result) bool {
		x, name := s.indices[options.Get("index").String()], options.Get("alias").String()
		switch {
		case x == nil:
			f = noIndex(options.Get("index").String())
		case verb.String() == "add":
			changed[x][name], f = parseAlias(options)
		case verb.String() == "remove":
			if _, ok := changed[x][name]; !ok { // must_exist makes no difference for an action that is alone
				f = fail(http.StatusNotFound, "aliases_not_found_exception", "aliases [%s] missing", name)
			}
			delete(changed[x], name)
		default:
			f = unsupported("alias action %s", verb)
		}
		return f == nil
	})
	return f
}

func oneWriteIndex(changed map[*index]map[string]alias) *failure {
	writable := map[string]int{}
	for _, aliases := range changed {
		for name, a := range aliases {
			if a.writeIndex != nil && *a.writeIndex {
				writable[name]++
			}
			if writable[name] > 1 {
				return fail(http.StatusInternalServerError, "illegal_state_exception", "alias [%s] has more than one write index", name)
			}
		}
	}
	return nil
}
