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

type connectFlags struct {
	ConnectURL string `help:"Address of Kafka Connect's REST interface." default:"http://localhost:8083" env:"CDC_INDEXER_CONNECT_URL"`
}

// limitFlags say from where on a number is worth a warning.
type limitFlags struct {
	MaxSlotWAL   int64         `help:"Warn when Postgres keeps more of its log than this for the replication slot, in bytes." name:"max-slot-wal" default:"2147483648" env:"CDC_INDEXER_MAX_SLOT_WAL"`
	MaxClockSkew time.Duration `help:"Warn when a server's clock differs more than this from this machine's." default:"1s" env:"CDC_INDEXER_MAX_CLOCK_SKEW"`
}

func (f limitFlags) validate() error {
	return errors.Join(
		mustBe(f.MaxSlotWAL > 0, "max-slot-wal", "above 0"),
		mustBe(f.MaxClockSkew > 0, "max-clock-skew", "above 0"),
	)
}

// watchFlags are for run: what is not given is not watched, and consuming goes on without.
type watchFlags struct {
	DatabaseURL   string        `help:"URL of the database that holds the table, to watch slot, publication and clock; the role indexer of init-sql has the rights it takes. Empty: not watched." env:"CDC_INDEXER_DATABASE_URL"`
	ConnectURL    string        `help:"Address of Kafka Connect's REST interface, to watch the connector. Empty: not watched." env:"CDC_INDEXER_CONNECT_URL"`
	CheckInterval time.Duration `help:"How often to look at what lies around the indexer; more often while something is wrong." default:"30s" env:"CDC_INDEXER_CHECK_INTERVAL"`
	limitFlags
}

func (f watchFlags) validate() error {
	return errors.Join(
		mustBe(f.CheckInterval >= time.Second && f.CheckInterval <= time.Hour, "check-interval", "1s to 1h"),
		f.limitFlags.validate(),
	)
}

// mustBe returns an error that names the flag unless ok.
func mustBe(ok bool, flag, want string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("--%s must be %s", flag, want)
}
