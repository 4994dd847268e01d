// Package pipeline reads the file that says how the rows of one table become the documents of one index. Nothing
// in the indexer's code knows a table: another table is another file.
package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"ticketing/cdc-indexer/change"
)

// Pipeline is what the file says.
type Pipeline struct {
	Name            string     `yaml:"name"`
	Table           string     `yaml:"table"` // schema.table
	Key             []string   `yaml:"key"`   // columns of the primary key
	Topics          []string   `yaml:"topics"`
	DeadLetterTopic string     `yaml:"dead_letter_topic"`
	ConsumerGroup   string     `yaml:"consumer_group"`
	Epoch           uint8      `yaml:"epoch"`
	Index           Index      `yaml:"index"`
	JSONColumns     []string   `yaml:"json_columns"`
	GeoPoints       []GeoPoint `yaml:"geo_points"`
	// Source says how the rows get into the topics. It is for those who watch: consuming needs none of it, and what
	// is not named is not looked at.
	Source Source `yaml:"source"`
}

// Source names what lies between the table and the topics.
type Source struct {
	Connector   string `yaml:"connector"`   // in Kafka Connect
	Slot        string `yaml:"slot"`        // the connector's replication slot
	Publication string `yaml:"publication"` // what the slot streams
	// Messages is the topic that the connector writes logical decoding messages to (its topic.prefix and ".message"):
	// traces come in it. Empty: none do.
	Messages string `yaml:"messages"`
	// Heartbeat is the table, schema.table, whose column "at" the connector's heartbeat query sets to the present
	// time; empty when it has none.
	Heartbeat string `yaml:"heartbeat"`
}

// Index names the index and its aliases.
type Index struct {
	Prefix     string `yaml:"prefix"`
	ReadAlias  string `yaml:"read_alias"`
	WriteAlias string `yaml:"write_alias"`
	// Definition is the file with settings and mappings, relative to the pipeline file.
	Definition string `yaml:"definition"`
}

// GeoPoint is a field of type geo_point made of two columns.
type GeoPoint struct {
	Field     string `yaml:"field"`
	Latitude  string `yaml:"latitude"`
	Longitude string `yaml:"longitude"`
}

// Load reads and checks a pipeline file. Its error names every field that is wrong.
func Load(path string) (Pipeline, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator says which file
	if err != nil {
		return Pipeline{}, fmt.Errorf("pipeline file: %w", err)
	}
	p, err := Parse(text)
	if err != nil {
		return Pipeline{}, fmt.Errorf("pipeline file %s: %w", path, err)
	}
	if !filepath.IsAbs(p.Index.Definition) {
		p.Index.Definition = filepath.Join(filepath.Dir(path), p.Index.Definition)
	}
	return p, nil
}

// Parse reads and checks a pipeline file's text.
func Parse(text []byte) (Pipeline, error) {
	var p Pipeline
	if err := yaml.UnmarshalWithOptions(text, &p, yaml.Strict()); err != nil {
		return Pipeline{}, err //nolint:wrapcheck // names the line and the field; Load adds the file
	}
	if err := p.validate(); err != nil {
		return Pipeline{}, err
	}
	return p, nil
}

// SchemaAndTable returns the two parts of Table.
func (p Pipeline) SchemaAndTable() (schema, table string) {
	schema, table, _ = strings.Cut(p.Table, ".")
	return schema, table
}

var (
	topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
	indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,200}$`)
	tableName = regexp.MustCompile(`^[^.]+\.[^.]+$`)
	slotName  = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)
)

func (p Pipeline) validate() error {
	var problems []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
		}
	}
	check(p.Name != "", "name", "is missing")
	check(tableName.MatchString(p.Table), "table", "must be schema.table, such as public.events, not %q", p.Table)
	check(len(p.Key) > 0 && !slices.Contains(p.Key, ""), "key", "must list the columns of the primary key")
	check(len(p.Topics) > 0, "topics", "is missing")
	for n, topic := range p.Topics {
		check(topicName.MatchString(topic), fmt.Sprintf("topics[%d]", n), "%q is no valid topic name", topic)
		check(slices.Index(p.Topics, topic) == n, fmt.Sprintf("topics[%d]", n), "%q is there twice", topic)
	}
	check(topicName.MatchString(p.DeadLetterTopic), "dead_letter_topic", "%q is no valid topic name", p.DeadLetterTopic)
	check(!slices.Contains(p.Topics, p.DeadLetterTopic), "dead_letter_topic", "must not be one of topics")
	check(p.ConsumerGroup != "", "consumer_group", "is missing")
	check(p.Epoch <= change.MaxEpoch, "epoch", "must be 0 to %d", change.MaxEpoch)
	check(indexName.MatchString(p.Index.Prefix), "index.prefix", "%q is no valid index name: lower case letters, digits, - _ .", p.Index.Prefix)
	check(indexName.MatchString(p.Index.ReadAlias), "index.read_alias", "%q is no valid alias", p.Index.ReadAlias)
	check(indexName.MatchString(p.Index.WriteAlias), "index.write_alias", "%q is no valid alias", p.Index.WriteAlias)
	check(p.Index.ReadAlias != p.Index.WriteAlias, "index.write_alias", "must not be the read alias: that one hides deleted rows")
	check(p.Index.Definition != "", "index.definition", "is missing: the file with settings and mappings")
	for n, point := range p.GeoPoints {
		check(point.Field != "" && point.Latitude != "" && point.Longitude != "", fmt.Sprintf("geo_points[%d]", n), "needs field, latitude and longitude")
	}
	check(p.Source.Slot == "" || slotName.MatchString(p.Source.Slot), "source.slot", "%q is no valid slot name: lower case letters, digits, _", p.Source.Slot)
	check(p.Source.Messages == "" || topicName.MatchString(p.Source.Messages), "source.messages", "%q is no valid topic name", p.Source.Messages)
	check(p.Source.Heartbeat == "" || tableName.MatchString(p.Source.Heartbeat), "source.heartbeat", "must be schema.table, not %q", p.Source.Heartbeat)
	return errors.Join(problems...)
}
