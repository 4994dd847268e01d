package schemacompat_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/schemacompat"
)

// released are the folders with copies of the schemas as they were last released, beside the schemas themselves.
var released = []string{"../../connectors/schemas/released", "../../cdc-indexer/pipelines/released"}

func TestSchemasAreCompatibleWithTheReleasedOnes(t *testing.T) {
	t.Parallel()
	for _, folder := range released {
		files, err := filepath.Glob(filepath.Join(folder, "*.schema.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files, folder)
		for _, file := range files {
			older, err := os.ReadFile(file)
			require.NoError(t, err)
			newer, err := os.ReadFile(filepath.Join(folder, "..", filepath.Base(file)))
			require.NoError(t, err, "a schema that was released is gone")
			breaking, err := schemacompat.Breaking(older, newer)
			require.NoError(t, err, file)
			require.Empty(t, breaking, "%s: readers of the released schema break; if that is intended, see CONTRIBUTING.md", filepath.Base(file))
		}
	}
}

// Every schema has a released copy: one without would be compared with nothing.
func TestEverySchemaIsCompared(t *testing.T) {
	t.Parallel()
	for _, folder := range released {
		files, err := filepath.Glob(filepath.Join(folder, "..", "*.schema.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			require.FileExists(t, filepath.Join(folder, filepath.Base(file)), "copy it there when it is released")
		}
	}
}

const base = `{
	"type": "object", "description": "a thing", "required": ["id", "row"],
	"properties": {
		"id": {"type": "string", "format": "uuid"},
		"note": {"type": ["string", "null"]},
		"state": {"enum": ["on", "off", null]},
		"price": {"type": "string", "pattern": "^\\d+$"},
		"tags": {"type": "array", "items": {"type": "string"}},
		"row": {"anyOf": [{"$ref": "#/$defs/row"}, {"type": "null"}]}
	},
	"$defs": {"row": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}}}
}`

func TestRules(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		newer string
		want  []string
	}{
		"nothing changed": {base, nil},
		"what may change": {`{
			"type": "object", "title": "words", "required": ["row", "id"],
			"properties": {
				"id": {"type": ["string"], "format": "uuid", "description": "the key"},
				"note": {"type": ["null", "string"]},
				"state": {"enum": ["off", "on", null, "unknown"]},
				"price": {"type": "string", "pattern": "^\\d+$"},
				"tags": {"type": "array", "items": {"type": "string", "description": "one"}},
				"row": {"anyOf": [{"$ref": "#/$defs/row"}, {"type": "null"}]},
				"added": {"type": "number"}
			},
			"$defs": {
				"row": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}, "added": {"type": "null"}}},
				"other": {"type": "string"}
			}
		}`, nil},
		"everything else": {`{
			"type": "object", "required": ["id", "note"], "additionalProperties": false,
			"properties": {
				"id": {"type": "string"},
				"note": {"type": "string"},
				"state": {"enum": ["on", null]},
				"price": {"type": "number", "pattern": "^\\d*$"},
				"tags": {"type": "array", "items": {"type": "integer"}},
				"row": {"anyOf": [{"$ref": "#/$defs/other"}, {"type": "null"}]}
			},
			"$defs": {"row": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 0}}}}
		}`, []string{
			`#/$defs/row/properties/size/minimum: was 1, is 0`,
			`#/additionalProperties: was not there, is false`,
			`#/properties/id/format: was "uuid", is not there`,
			`#/properties/note/type: was ["string","null"], is "string"`,
			`#/properties/price/pattern: was "^\\d+$", is "^\\d*$"`,
			`#/properties/price/type: was "string", is "number"`,
			`#/properties/row/anyOf/0/$ref: was "#/$defs/row", is "#/$defs/other"`,
			`#/properties/state/enum: "off" is no value any more`,
			`#/properties/tags/items/type: was "string", is "integer"`,
			`#/required: note was optional: messages that lack it become invalid`,
			`#/required: row may be missing now`,
		}},
		"things removed": {`{
			"type": "object", "required": ["id", "row"],
			"properties": {
				"id": {"type": "string", "format": "uuid"}, "note": {"type": ["string", "null"]}, "state": {},
				"tags": {"type": "array", "items": {"type": "string"}}, "row": {"anyOf": [{"type": "null"}]}
			}
		}`, []string{
			`#/$defs/row: was removed`,
			`#/properties/price: was removed`,
			`#/properties/row/anyOf: was [{"$ref":"#/$defs/row"},{"type":"null"}], is [{"type":"null"}]`,
			`#/properties/state/enum: was ["on","off",null], is not there`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			breaking, err := schemacompat.Breaking([]byte(base), []byte(test.newer))
			require.NoError(t, err)
			require.Equal(t, test.want, breaking)
		})
	}
}

func TestConstraintAddedToWhatHadNone(t *testing.T) {
	t.Parallel()
	breaking, err := schemacompat.Breaking([]byte(`{"properties": {"a": {}}}`), []byte(`{"properties": {"a": {"enum": [1]}}, "type": "object"}`))
	require.NoError(t, err)
	require.Equal(t, []string{"#/properties/a/enum: was not there, is [1]", `#/type: was not there, is "object"`}, breaking)
}

func TestEnumOfObjects(t *testing.T) {
	t.Parallel()
	breaking, err := schemacompat.Breaking([]byte(`{"enum": [{"a": 1}, [2]]}`), []byte(`{"enum": [[2], {"a": 3}]}`))
	require.NoError(t, err)
	require.Equal(t, []string{`#/enum: {"a":1} is no value any more`}, breaking)
}

func TestNoSchema(t *testing.T) {
	t.Parallel()
	for older, newer := range map[string]string{`[]`: `{}`, `{}`: `{"a":`} {
		_, err := schemacompat.Breaking([]byte(older), []byte(newer))
		require.ErrorContains(t, err, "no JSON object")
	}
}
