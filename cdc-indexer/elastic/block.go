package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Block refuses writes to an index from now on, and returns when those under way are done.
func (b *Builder) Block(ctx context.Context, index string) error {
	done, err := b.block(ctx, index)
	if err == nil && !done {
		// A block that is there already, perhaps because only the answer was lost, says nothing of the writes under way.
		if err = b.Unblock(ctx, index); err == nil {
			done, err = b.block(ctx, index)
		}
	}
	if err == nil && !done {
		err = errors.New("not all shards have confirmed")
	}
	if err != nil {
		return fmt.Errorf("block writes to %s: %w", index, err)
	}
	return nil
}

// block says whether all shards have confirmed the block. Where there is one already, none does.
func (b *Builder) block(ctx context.Context, index string) (confirmed bool, err error) {
	response, err := b.client.do(ctx, esapi.IndicesAddBlockRequest{Index: []string{index}, Block: "write"})
	if err != nil {
		return false, err
	}
	var answer struct {
		Acknowledged       bool `json:"acknowledged"`
		ShardsAcknowledged bool `json:"shards_acknowledged"`
	}
	if err := json.Unmarshal(response, &answer); err != nil {
		return false, fmt.Errorf("decode elasticsearch's answer: %w", err)
	}
	return answer.Acknowledged && answer.ShardsAcknowledged, nil
}

// unblockTries is how often Unblock takes a block back that is still being put up.
const unblockTries = 10

// Unblock lets writes through again.
//
// Elasticsearch puts a block up in steps: the setting and a temporary block, then, when every shard has let the writes
// under way through, the lasting one. Taking the setting back in between, as after the death of whoever asked for the
// block, leaves a block without a setting, which no further change of the setting takes back. Such a block is put up to
// the end first. Seen with Elasticsearch 8.19.
func (b *Builder) Unblock(ctx context.Context, index string) error {
	for range unblockTries {
		if err := b.putSettings(ctx, index, map[string]any{"index.blocks.write": nil}); err != nil {
			return err
		}
		left, err := writeBlocks(ctx, b.client, index)
		if err != nil {
			return err
		}
		if !slices.Contains(left[index], settingWriteBlock) {
			return nil
		}
		if _, err := b.block(ctx, index); err != nil {
			return fmt.Errorf("unblock %s, where a block is being put up: %w", index, err)
		}
	}
	return fmt.Errorf("unblock %s: it is blocked anew each time: does anything else block it?", index)
}

const settingWriteBlock = "index.blocks.write"

// blockSettings are the settings that stop writes, by the number of their block.
var blockSettings = map[string]string{
	"5":  "index.blocks.read_only",
	"8":  settingWriteBlock,
	"12": "index.blocks.read_only_allow_delete",
}

// writeBlocks returns what keeps indices from being written to, by index: the names of the settings that do, or what
// Elasticsearch says of a block without one. The settings alone would not tell: see Builder.Unblock.
func writeBlocks(ctx context.Context, client *Client, indices ...string) (map[string][]string, error) {
	asked := strings.Join(indices, ",")
	body, err := client.do(ctx, esapi.ClusterStateRequest{Metric: []string{"blocks"}, Index: indices, FilterPath: []string{"blocks.indices"}})
	if err != nil {
		return nil, fmt.Errorf("look up the blocks of %s: %w", asked, err)
	}
	var state struct {
		Blocks struct {
			Indices map[string]map[string]struct {
				Description string   `json:"description"`
				Levels      []string `json:"levels"`
			} `json:"indices"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return nil, fmt.Errorf("look up the blocks of %s: decode elasticsearch's answer: %w", asked, err)
	}
	found := make(map[string][]string, len(state.Blocks.Indices))
	for index, blocks := range state.Blocks.Indices {
		for _, number := range slices.Sorted(maps.Keys(blocks)) {
			block := blocks[number]
			if !slices.Contains(block.Levels, "write") {
				continue
			}
			name := blockSettings[number]
			if name == "" {
				name = block.Description
			}
			found[index] = append(found[index], name)
		}
	}
	return found, nil
}
