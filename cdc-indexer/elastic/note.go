package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"
)

// SetNote keeps a value in the index itself, in the _meta of its mapping, under a name. It goes with the index, and a
// write block does not stop it. One process at a time writes the notes of an index.
func (b *Builder) SetNote(ctx context.Context, index, name string, value any) error {
	notes, err := b.notes(ctx, index)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode note %s of index %s: %w", name, index, err)
	}
	notes[name] = encoded
	body, err := json.Marshal(map[string]any{"_meta": map[string]any{bookkeeping: notes}})
	if err != nil {
		return fmt.Errorf("encode the notes of index %s: %w", index, err)
	}
	if _, err := b.client.do(ctx, esapi.IndicesPutMappingRequest{Index: []string{index}, Body: bytes.NewReader(body)}); err != nil {
		return fmt.Errorf("write note %s of index %s: %w", name, index, err)
	}
	return nil
}

// Note reads a value that SetNote has kept, and says whether there is one.
func (b *Builder) Note(ctx context.Context, index, name string, into any) (bool, error) {
	notes, err := b.notes(ctx, index)
	if err != nil {
		return false, err
	}
	encoded, found := notes[name]
	if !found {
		return false, nil
	}
	if err := json.Unmarshal(encoded, into); err != nil {
		return false, fmt.Errorf("decode note %s of index %s: %w", name, index, err)
	}
	return true, nil
}

func (b *Builder) notes(ctx context.Context, index string) (map[string]json.RawMessage, error) {
	response, err := b.client.do(ctx, esapi.IndicesGetMappingRequest{Index: []string{index}})
	if err != nil {
		return nil, fmt.Errorf("read the notes of index %s: %w", index, err)
	}
	notes := map[string]json.RawMessage{}
	gjson.GetBytes(response, "*.mappings._meta."+bookkeeping).ForEach(func(name, value gjson.Result) bool {
		notes[name.String()] = json.RawMessage(value.Raw)
		return true
	})
	return notes, nil
}
