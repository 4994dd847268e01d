package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// indexer is a cdc-indexer in its default configuration, with names and a group of its own.
type indexer struct {
	name     string // of index, aliases and group
	pipeline string // its file
}

// pipelineFile is connectors' and cdc-indexer/pipelines/events.yaml's table under other names.
var pipelineFile = template.Must(template.New("pipeline").Parse(`name: {{.Name}}
table: public.events
key: [id]
topics: [event-created, event-updated, event-deleted]
dead_letter_topic: event-dlq
consumer_group: {{.Name}}
index: {prefix: {{.Name}}, read_alias: {{.Name}}-read, write_alias: {{.Name}}-write, definition: {{.Definition}}}
json_columns: [attributes]
geo_points:
  - {field: location, latitude: latitude, longitude: longitude}
source: {connector: events, slot: events, publication: ticketing}
`))

// newIndexer makes an indexer with a group that begins where the topic of updates ends: those that came of measuring
// freshness are nobody else's business.
func (s *system) newIndexer(ctx context.Context) (indexer, error) {
	name := fmt.Sprintf("bench%03d", s.named.Add(1))
	definition, err := filepath.Abs(filepath.Join(s.config.Root, s.definition))
	if err != nil {
		return indexer{}, fmt.Errorf("find the index's definition: %w", err)
	}
	var text strings.Builder
	if err := pipelineFile.Execute(&text, map[string]string{"Name": name, "Definition": definition}); err != nil {
		return indexer{}, fmt.Errorf("make the pipeline's file: %w", err)
	}
	i := indexer{name: name, pipeline: filepath.Join(s.dir, name+".yaml")}
	if err := os.WriteFile(i.pipeline, []byte(text.String()), 0o600); err != nil {
		return indexer{}, fmt.Errorf("write the pipeline's file: %w", err)
	}
	ends, err := s.backlog.ends(ctx, updatedTopic)
	if err != nil {
		return indexer{}, err
	}
	return i, s.backlog.startAt(ctx, name, updatedTopic, ends)
}

func (i indexer) writeAlias() string { return i.name + "-write" }
func (i indexer) readAlias() string  { return i.name + "-read" }

// command is one of cdc-indexer's commands for this pipeline.
func (s *system) command(i indexer, arguments ...string) program {
	return program{
		path: s.indexer, arguments: append(arguments, "--pipeline", i.pipeline),
		environment: []string{
			"CDC_INDEXER_KAFKA_BROKERS=" + s.at.Kafka, "CDC_INDEXER_ELASTICSEARCH_URL=" + s.at.Elasticsearch,
			"CDC_INDEXER_DATABASE_URL=" + s.at.IndexerURL, "CDC_INDEXER_CONNECT_URL=" + s.at.Connect,
		},
	}
}

// running is `cdc-indexer run` under way.
type running struct {
	*process
	url string // of its metrics
}

// startIndexer starts `cdc-indexer run` with its defaults.
func (s *system) startIndexer(ctx context.Context, i indexer) (running, error) {
	listen, err := freeAddress(ctx)
	if err != nil {
		return running{}, err
	}
	command := s.command(i, "run")
	command.environment = append(command.environment, "CDC_INDEXER_LISTEN="+listen)
	started, err := command.start(ctx)
	return running{process: started, url: "http://" + listen}, err
}

// alive is an error once the process has ended.
func (r *process) alive() error {
	select {
	case <-r.ended:
		return fmt.Errorf("%s ended by itself: %s", r.command.Path, r.output.String())
	default:
		return nil
	}
}

// freeAddress returns an address of the loopback interface that nothing listened on a moment ago.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}
