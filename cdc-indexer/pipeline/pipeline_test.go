package pipeline_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/pipeline"
)

func TestTheEventsPipeline(t *testing.T) {
	t.Parallel()
	p, err := pipeline.Load(filepath.Join("..", "pipelines", "events.yaml"))
	require.NoError(t, err)
	schema, table := p.SchemaAndTable()
	require.Equal(t, "public", schema)
	require.Equal(t, "events", table)
	require.Equal(t, []string{"event-created", "event-updated", "event-deleted"}, p.Topics)
	require.FileExists(t, p.Index.Definition)
	require.Equal(t, pipeline.Source{
		Connector: "events", Slot: "events", Publication: "ticketing", Heartbeat: "public.debezium_heartbeat",
		Messages: "ticketing.message",
	}, p.Source)
}

func TestLoadNamesTheFile(t *testing.T) {
	t.Parallel()
	_, err := pipeline.Load("absent.yaml")
	require.ErrorContains(t, err, "absent.yaml")
}

func TestParseNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	_, err := pipeline.Parse([]byte(`
name: ""
table: events
topics: [a, "b c", a, letters]
dead_letter_topic: letters
epoch: 200
index: {prefix: Events, read_alias: x, write_alias: x}
geo_points: [{field: f}]
source: {slot: No Slot, heartbeat: heartbeat, messages: a b}
`))
	for _, field := range []string{
		"name:", "table:", "key:", "topics[1]:", "topics[2]:", "dead_letter_topic:", "consumer_group:", "epoch:",
		"index.prefix:", "index.write_alias:", "index.definition:", "geo_points[0]:", "source.slot:", "source.heartbeat:", "source.messages:",
	} {
		require.ErrorContains(t, err, field)
	}
	_, err = pipeline.Parse([]byte("nome: x\n"))
	require.ErrorContains(t, err, "nome")
	_, err = pipeline.Parse([]byte("epoch: 300\n"))
	require.ErrorContains(t, err, "epoch")
}
