package elastic_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/elastic"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestNewClientNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for config, want := range map[elastic.Config]string{
		{URL: "localhost:9200"}: "elasticsearch url",
		{URL: ""}:               "elasticsearch url",
		{URL: "http://localhost:9200", CAFile: "testdata/absent"}: "certificate authority",
	} {
		_, err := elastic.NewClient(config)
		require.ErrorContains(t, err, want)
	}
}

func TestParseDefinition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`settings: {}`: "mappings.properties is missing",
		`mapping: {}`:  "mapping",
		`mappings: {properties: {cdc: {type: keyword}}}`: "mappings.properties.cdc",
	} {
		_, err := elastic.ParseDefinition([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	definition, err := elastic.ParseDefinition([]byte(`mappings: {properties: {title: {type: text}}}`))
	require.NoError(t, err)
	require.Contains(t, definition.Mappings["properties"], "cdc")
}
