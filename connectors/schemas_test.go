package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// schema returns one of the schemas of the messages.
func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiled, err := compiler.Compile(filepath.Join("schemas", name+".schema.json"))
	require.NoError(t, err)
	return compiled
}

func captured(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "cdc-indexer", "debezium", "testdata", "captured", file))
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return value
}

// The schemas say what the messages are: those of the real connector are valid, each in its own topic only.
func TestCapturedMessagesAreOfTheirSchema(t *testing.T) {
	t.Parallel()
	topics := map[string][]string{
		"event-created": {
			"create", "create-minimal", "large", "unicode", "primary-key-create", "snapshot-first", "snapshot-middle",
			"snapshot-last", "incremental-snapshot",
		},
		"event-updated": {"update", "first-transaction", "second-transaction", "toast-full", "traced-update", "transaction-update-1", "transaction-update-2"},
		"event-deleted": {"delete", "primary-key-delete", "truncate-trigger"},
		"traceparent":   {"traceparent"},
	}
	for topic, names := range topics {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				message := captured(t, name+".value.json")
				for other := range topics {
					err := schema(t, other).Validate(message)
					if other == topic {
						require.NoError(t, err)
					} else {
						require.Error(t, err, "valid in %s too", other)
					}
				}
				if topic != "traceparent" { // whose key is its prefix
					require.NoError(t, schema(t, "key").Validate(captured(t, name+".key.json")))
				}
			})
		}
	}
}

func TestSchemasFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "cdc-indexer", "debezium", "testdata", "captured", "create.value.json"))
	require.NoError(t, err)
	for was, is := range map[string]string{
		`"19.00"`:                    `19.00`,         // a decimal as a number
		`"sequence":"[`:              `"sequence":"`,  // no array
		`"status":"published"`:       `"status":"on"`, // an unknown status
		`"title":`:                   `"titel":`,      // a column that is gone
		`"starts_at":"2026-12-01T18`: `"starts_at":"2026-13-01T18`,
	} {
		broken := strings.Replace(string(text), was, is, 1)
		require.NotEqual(t, string(text), broken, was)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(broken))
		require.NoError(t, err)
		require.Error(t, schema(t, "event-created").Validate(value), is)
	}
	added, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(string(text), `"title":`, `"new_column":1,"title":`, 1)))
	require.NoError(t, err)
	require.NoError(t, schema(t, "event-created").Validate(added), "an addition must not break the contract")
}
