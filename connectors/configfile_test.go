package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadConfigRejects(t *testing.T) {
	tests := map[string]struct{ content, message string }{
		"no object":       {`["a"]`, "want one JSON object of settings"},
		"empty":           {``, "want one JSON object of settings"},
		"broken":          {`{"connector.class": "c", "a": }`, "setting a: not JSON"},
		"cut off":         {`{"connector.class": "c"`, "not JSON"},
		"number":          {`{"connector.class": "c", "tasks.max": 1}`, "setting tasks.max: want a string"},
		"the POST's form": {`{"name": "events", "config": {"connector.class": "c"}}`, "setting config: want a string"},
		"twice":           {`{"connector.class": "c", "a": "1", "a": "2"}`, "setting a: stands twice"},
		"followed":        {`{"connector.class": "c"} {}`, "something follows"},
		"no class":        {`{"a": "1"}`, "the setting connector.class is missing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.json")
			require.NoError(t, os.WriteFile(path, []byte(test.content), 0o600))
			_, err := readConfig(path)
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, test.message)
		})
	}
}

func TestReadConfigOfTheProject(t *testing.T) {
	config, err := readConfig("events.json")
	require.NoError(t, err)
	require.Equal(t, "${env:DATABASE_PASSWORD}", config["database.password"], "no secret is committed")
	require.Equal(t, "events", connectorName("some/folder/events.json"))
}

func TestOverride(t *testing.T) {
	config := map[string]string{"a": "1", "b": "2"}
	require.NoError(t, override(config, []string{"a=x=y, [c: 'd']", "new="}))
	require.Equal(t, map[string]string{"a": "x=y, [c: 'd']", "b": "2", "new": ""}, config)
	require.ErrorContains(t, override(config, []string{"a"}), `--set "a": want name=value`)
	require.ErrorContains(t, override(config, []string{"=a"}), "want name=value")
}
