package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/pipeline"
)

// The flags that several commands share. A command embeds what it needs.

type pipelineFlags struct {
	Pipeline string `help:"File that says how rows become documents." default:"cdc-indexer/pipelines/events.yaml" env:"CDC_INDEXER_PIPELINE" type:"existingfile"`
}

// load reads the pipeline file and the index definition that it names.
func (f pipelineFlags) load() (pipeline.Pipeline, elastic.Definition, error) {
	p, err := pipeline.Load(f.Pipeline)
	if err != nil {
		return pipeline.Pipeline{}, elastic.Definition{}, err
	}
	definition, err := loadDefinition(p.Index.Definition)
	return p, definition, err
}

type kafkaFlags struct {
	KafkaBrokers []string `help:"host:port, comma separated." default:"localhost:9092" env:"CDC_INDEXER_KAFKA_BROKERS"`
}

func (f kafkaFlags) validate() error {
	var problems []error
	for _, broker := range f.KafkaBrokers {
		_, _, err := net.SplitHostPort(broker)
		problems = append(problems, mustBe(err == nil, "kafka-brokers", fmt.Sprintf("host:port, comma separated, not %q", broker)))
	}
	return errors.Join(problems...)
}

type elasticsearchFlags struct {
	URL      string        `help:"Address of Elasticsearch." name:"url" default:"http://localhost:9200" env:"CDC_INDEXER_ELASTICSEARCH_URL"`
	Username string        `help:"For basic authentication." env:"CDC_INDEXER_ELASTICSEARCH_USERNAME"`
	Password string        `help:"For basic authentication." env:"CDC_INDEXER_ELASTICSEARCH_PASSWORD"`
	APIKey   string        `help:"Goes before username and password." name:"api-key" env:"CDC_INDEXER_ELASTICSEARCH_API_KEY"`
	CAFile   string        `help:"PEM file of the authority that signed the server's certificate." name:"ca-file" type:"existingfile" env:"CDC_INDEXER_ELASTICSEARCH_CA_FILE"`
	Timeout  time.Duration `help:"Bound of one request." default:"60s" env:"CDC_INDEXER_ELASTICSEARCH_TIMEOUT"`
}

func (f elasticsearchFlags) validate() error {
	return mustBe(f.Timeout > 0, "elasticsearch-timeout", "above 0")
}

func (f elasticsearchFlags) client() (*elastic.Client, error) {
	return elastic.NewClient(elastic.Config{
		URL: f.URL, Username: f.Username, Password: f.Password, APIKey: f.APIKey, CAFile: f.CAFile, Timeout: f.Timeout,
	})
}

type databaseFlags struct {
	DatabaseURL string `help:"URL of the database that holds the table; the role indexer of init-sql has the rights it takes." default:"postgres://indexer:indexer@localhost:5432/ticketing" env:"CDC_INDEXER_DATABASE_URL"`
}

// mustBe returns an error that names the flag unless ok.
func mustBe(ok bool, flag, want string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("--%s must be %s", flag, want)
}
