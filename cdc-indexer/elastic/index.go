package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/goccy/go-yaml"
)

// Names are what an index is called. The index itself has a number behind Prefix, so that a new one can be built
// beside it; programs only ever use the aliases.
type Names struct {
	Prefix     string // "events": the first index is events-000001
	ReadAlias  string // searches go here; it never shows a tombstone
	WriteAlias string // the indexer writes here
}

// First returns the name of the first index.
func (n Names) First() string { return n.Prefix + "-000001" }

// Definition is an index's settings and mappings, as in the body of Elasticsearch's create index request.
type Definition struct {
	Settings map[string]any `yaml:"settings"`
	Mappings map[string]any `yaml:"mappings"`
}

// ParseDefinition reads a definition, written in YAML or JSON, and adds the mapping of the bookkeeping object cdc.
func ParseDefinition(text []byte) (Definition, error) {
	var d Definition
	if err := yaml.UnmarshalWithOptions(text, &d, yaml.Strict()); err != nil {
		return Definition{}, fmt.Errorf("index definition: %w", err)
	}
	properties, ok := d.Mappings["properties"].(map[string]any)
	if !ok {
		return Definition{}, errors.New("index definition: mappings.properties is missing")
	}
	if _, taken := properties[bookkeeping]; taken {
		return Definition{}, fmt.Errorf("index definition: mappings.properties.%s: the name is taken by the indexer's bookkeeping", bookkeeping)
	}
	properties[bookkeeping] = bookkeepingMapping()
	if d.Settings == nil {
		d.Settings = map[string]any{}
	}
	return d, nil
}

// bookkeeping is the field that Writer adds to every document.
const bookkeeping = "cdc"

func bookkeepingMapping() map[string]any {
	number := map[string]any{"type": "long", "index": false} // only added up
	return map[string]any{
		"dynamic": "strict",
		"properties": map[string]any{
			"version":      map[string]any{"type": "long"},
			"lsn":          map[string]any{"type": "long"},
			"deleted":      map[string]any{"type": "boolean"},
			"committed_at": map[string]any{"type": "date"},
			"indexed_at":   map[string]any{"type": "date"},
			"checksum":     map[string]any{"properties": map[string]any{"high": number, "low": number}},
		},
	}
}

// mapBookkeeping adds to an index what it does not have of the bookkeeping's fields.
func mapBookkeeping(ctx context.Context, client *Client, index string) error {
	body, err := json.Marshal(map[string]any{"properties": map[string]any{bookkeeping: bookkeepingMapping()}})
	if err != nil {
		return fmt.Errorf("encode the mapping of %s: %w", bookkeeping, err)
	}
	if _, err := client.do(ctx, esapi.IndicesPutMappingRequest{Index: []string{index}, Body: bytes.NewReader(body)}); err != nil {
		return fmt.Errorf("add the fields of %s to the mapping of %s: %w", bookkeeping, index, err)
	}
	return nil
}

// Ensure creates the first index with both aliases when the write alias does not exist yet. Several indexers may do
// so at the same time. An index that exists is left as it is, but for bookkeeping that an earlier version did
// not know: a changed definition takes effect by a rebuild.
func Ensure(ctx context.Context, client *Client, names Names, definition Definition) (created bool, err error) {
	err = checkWriteAlias(ctx, client, names.WriteAlias)
	if err == nil {
		return false, mapBookkeeping(ctx, client, names.WriteAlias)
	}
	if !hasStatus(err, http.StatusNotFound) {
		return false, err
	}
	body, err := json.Marshal(map[string]any{
		"settings": definition.Settings,
		"mappings": definition.Mappings,
		"aliases": map[string]any{
			names.ReadAlias:  map[string]any{"filter": withoutTombstones()},
			names.WriteAlias: map[string]any{"is_write_index": true},
		},
	})
	if err != nil {
		return false, fmt.Errorf("encode the definition of index %s: %w", names.First(), err)
	}
	_, err = client.do(ctx, esapi.IndicesCreateRequest{Index: names.First(), Body: bytes.NewReader(body)})
	var answer *ServerError
	if errors.As(err, &answer) && answer.Type == "resource_already_exists_exception" {
		// Another indexer was quicker, or somebody took the alias away from an index that is still there.
		return false, checkWriteAlias(ctx, client, names.WriteAlias)
	}
	if err != nil {
		return false, fmt.Errorf("create index %s: %w", names.First(), err)
	}
	return true, nil
}

// withoutTombstones is the read alias's filter.
func withoutTombstones() map[string]any {
	return map[string]any{"term": map[string]any{bookkeeping + ".deleted": false}}
}

// CheckWriteAlias returns nil when documents can be written through the alias: it exists and leads to one index to
// write to. It is also a cheap way to ask whether the server is there.
func (w *Writer) CheckWriteAlias(ctx context.Context) error {
	return checkWriteAlias(ctx, w.client, w.alias)
}

func checkWriteAlias(ctx context.Context, client *Client, alias string) error {
	indices, err := aliased(ctx, client, alias)
	if err != nil {
		return err
	}
	writable := 0
	for _, aliases := range indices {
		flag := aliases[alias].IsWriteIndex
		if flag != nil && *flag || flag == nil && len(indices) == 1 {
			writable++
		}
	}
	if writable != 1 {
		return fmt.Errorf("write alias %s leads to %d indices and %d of them may be written to: it must be exactly one", alias, len(indices), writable)
	}
	return nil
}

// aliasOptions are what an alias says of one of its indices.
type aliasOptions struct {
	IsWriteIndex *bool `json:"is_write_index"`
}

// aliased returns the indices behind an alias, which may be a pattern, with the aliases of each.
func aliased(ctx context.Context, client *Client, alias string) (map[string]map[string]aliasOptions, error) {
	response, err := client.do(ctx, esapi.IndicesGetAliasRequest{Name: []string{alias}})
	if err != nil {
		return nil, fmt.Errorf("look up alias %s: %w", alias, err)
	}
	var answer map[string]struct {
		Aliases map[string]aliasOptions `json:"aliases"`
	}
	if err := json.Unmarshal(response, &answer); err != nil {
		return nil, fmt.Errorf("look up alias %s: decode elasticsearch's answer: %w", alias, err)
	}
	indices := make(map[string]map[string]aliasOptions, len(answer))
	for index, found := range answer {
		if len(found.Aliases) > 0 {
			indices[index] = found.Aliases
		}
	}
	return indices, nil
}
