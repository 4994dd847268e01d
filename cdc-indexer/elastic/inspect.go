package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/health"
)

// Inspect says how the index and its aliases are. It changes nothing.
func Inspect(ctx context.Context, client *Client, names Names) (health.Index, error) {
	i := inspection{client: client, names: names}
	var index health.Index
	var err error
	if index.ReadAlias, err = i.alias(ctx, names.ReadAlias); err != nil {
		return health.Index{}, err
	}
	if index.WriteAlias, err = i.alias(ctx, names.WriteAlias); err != nil {
		return health.Index{}, err
	}
	if err := i.indices(ctx, &index); err != nil {
		return health.Index{}, err
	}
	for _, target := range index.WriteAlias {
		if target.Written {
			if err := i.content(ctx, target.Index, &index); err != nil {
				return health.Index{}, err
			}
			break
		}
	}
	return index, i.clock(ctx, &index)
}

type inspection struct {
	client *Client
	names  Names
}

// get decodes the answer to a request; what says what it was for.
func (i inspection) get(ctx context.Context, what string, request esapi.Request, answer any) error {
	body, err := i.client.do(ctx, request)
	if err != nil {
		return fmt.Errorf("look up %s: %w", what, err)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("look up %s: decode elasticsearch's answer: %w", what, err)
	}
	return nil
}

// alias returns the indices behind an alias, none when there is no such alias.
func (i inspection) alias(ctx context.Context, name string) ([]health.AliasTarget, error) {
	var indices map[string]struct {
		Aliases map[string]struct {
			IsWriteIndex *bool           `json:"is_write_index"`
			Filter       json.RawMessage `json:"filter"`
		} `json:"aliases"`
	}
	err := i.get(ctx, "alias "+name, esapi.IndicesGetAliasRequest{Name: []string{name}}, &indices)
	if hasStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	targets := make([]health.AliasTarget, 0, len(indices))
	for _, index := range slices.Sorted(maps.Keys(indices)) {
		alias := indices[index].Aliases[name]
		flag := alias.IsWriteIndex
		targets = append(targets, health.AliasTarget{
			Index: index, Written: flag != nil && *flag || flag == nil && len(indices) == 1,
			HidesTombstones: hidesTombstones(alias.Filter),
		})
	}
	return targets, nil
}

// hidesTombstones says whether an alias's filter is Ensure's, alone or together with other conditions.
func hidesTombstones(filter json.RawMessage) bool {
	parsed := gjson.ParseBytes(filter)
	conditions := append(parsed.Get("bool.filter").Array(), parsed.Get("bool.must").Array()...)
	for _, condition := range append(conditions, parsed) {
		term := condition.Get(`term.` + bookkeeping + `\.deleted`)
		if value := term.Get("value"); value.Exists() {
			term = value
		}
		if term.String() == "false" {
			return true
		}
	}
	return false
}

// indices finds the state of the indices of the prefix and of those behind the aliases.
func (i inspection) indices(ctx context.Context, index *health.Index) error {
	asked := []string{i.names.Prefix + "-*"}
	for _, target := range slices.Concat(index.ReadAlias, index.WriteAlias) {
		if !slices.Contains(asked, target.Index) {
			asked = append(asked, target.Index)
		}
	}
	var states struct {
		Indices map[string]struct {
			Status string `json:"status"`
		} `json:"indices"`
	}
	if err := i.get(ctx, "the health of "+asked[0], esapi.ClusterHealthRequest{Index: asked, Level: "indices"}, &states); err != nil {
		return err
	}
	blocks, err := writeBlocks(ctx, i.client, asked...)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(states.Indices)) {
		state := health.IndexState{Name: name, Health: states.Indices[name].Status, Blocks: blocks[name]}
		index.Indices = append(index.Indices, state)
	}
	return nil
}

// content finds what an index knows of its documents' fields, and how new the newest are.
func (i inspection) content(ctx context.Context, name string, index *health.Index) error {
	var mappings map[string]struct {
		Mappings struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"mappings"`
	}
	if err := i.get(ctx, "the mapping of "+name, esapi.IndicesGetMappingRequest{Index: []string{name}}, &mappings); err != nil {
		return err
	}
	index.Mapped = slices.Sorted(maps.Keys(mappings[name].Mappings.Properties))
	const query = `{"size":0,"track_total_hits":false,"aggs":{
		"committed":{"max":{"field":"` + bookkeeping + `.committed_at"}},"indexed":{"max":{"field":"` + bookkeeping + `.indexed_at"}}}}`
	var newest struct {
		Aggregations struct {
			Committed, Indexed struct{ Value *float64 } // milliseconds since 1970, null when there is no document
		}
	}
	err := i.get(ctx, "the newest document of "+name, esapi.SearchRequest{Index: []string{name}, Body: bytes.NewReader([]byte(query))}, &newest)
	if answered(err) {
		return nil // an index whose shards are missing: its health says so
	}
	if err != nil {
		return err
	}
	index.CommittedAt = milliseconds(newest.Aggregations.Committed.Value)
	index.IndexedAt = milliseconds(newest.Aggregations.Indexed.Value)
	return nil
}

// answered says whether err is the server's answer, and not the lack of one.
func answered(err error) bool {
	var answer *ServerError
	return errors.As(err, &answer)
}

func milliseconds(value *float64) time.Time {
	if value == nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(*value)).UTC()
}

// clock compares our clock with that of the node that answers. It needs the right to monitor the cluster; without
// it the skew stays unknown.
func (i inspection) clock(ctx context.Context, index *health.Index) error {
	var stats struct {
		Nodes map[string]struct {
			Timestamp int64 `json:"timestamp"` // milliseconds
		} `json:"nodes"`
	}
	asked := time.Now()
	err := i.get(ctx, "the clock", esapi.NodesStatsRequest{
		NodeID: []string{"_local"}, Metric: []string{"process"}, FilterPath: []string{"nodes.*.timestamp"},
	}, &stats)
	if answered(err) {
		return nil
	}
	if err != nil {
		return err
	}
	uncertainty := time.Since(asked) / 2
	for _, node := range stats.Nodes {
		skew := time.UnixMilli(node.Timestamp).Sub(asked.Add(uncertainty))
		index.Skew, index.Uncertainty = &skew, uncertainty+time.Millisecond/2
	}
	return nil
}
