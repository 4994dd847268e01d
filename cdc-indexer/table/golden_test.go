package table_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/table"
)

// captured has the messages of the real Debezium, and a README with the SQL that made them.
const captured = "../debezium/testdata/captured"

// step is a piece of SQL and the names of the messages that were captured after it.
type step struct {
	sql      string
	messages []string
}

var (
	codeOrMessage = regexp.MustCompile("(?ms)^```sql\n(.*?)^```$|^- `([^`]+)`:")
	clock         = regexp.MustCompile(`"(created_at|updated_at)":"[^"]*"`)
)

// recordings returns the steps of each of the README's sections. The first is what was done before the connector
// started.
func recordings(t *testing.T) map[string][]step {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(captured, "README.md"))
	require.NoError(t, err)
	found := map[string][]step{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		var steps []step
		for _, match := range codeOrMessage.FindAllStringSubmatch(body, -1) {
			if match[2] == "" {
				steps = append(steps, step{sql: match[1]})
			} else {
				last := &steps[len(steps)-1]
				last.messages = append(last.messages, match[2])
			}
		}
		found[name] = steps
	}
	return found
}

// otherForm are the messages that Debezium writes in another way than those of the same row that it streams.
var otherForm = map[string]bool{"infinity-snapshot": true, "infinity-negative-snapshot": true, "values-snapshot": true}

// TestRowsAreRenderedAsDebeziumSendsThem runs the SQL that the captured messages come from, and compares the document
// made of each row with the one that the decoder makes of the message.
func TestRowsAreRenderedAsDebeziumSendsThem(t *testing.T) {
	t.Parallel()
	jsonColumns := map[string][]string{"events": {"attributes"}, "types": {"a_json", "a_jsonb"}, "values": {"j", "jb", "of_jsonb"}, "unusual": nil}
	all := recordings(t)
	require.Len(t, all, len(jsonColumns))
	for name, steps := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t, steps[0].sql, "GRANT SELECT ON events TO indexer")
			config := d.config(t)
			config.JSONColumns = jsonColumns[name]
			if name != "events" && name != "unusual" {
				config.GeoPoints = nil
			}
			rows := open(t, config)
			compared := 0
			for i, step := range steps {
				if i > 0 {
					d.exec(t, step.sql)
				}
				compared += compareMessages(t, rows, config, step.messages)
			}
			require.GreaterOrEqual(t, compared, 3)
		})
	}
}

// compareMessages compares the last message of each row. It returns how many it has compared.
func compareMessages(t *testing.T, rows *table.Table, config table.Config, messages []string) (compared int) {
	t.Helper()
	last := map[string]string{}
	changes := map[string]change.Change{}
	for _, name := range messages {
		c, ok := decode(t, config, name)
		if ok {
			changes[c.Key], last[c.Key] = c, name
		}
	}
	for key, want := range changes {
		got := fetch(t, rows, key)
		require.Equal(t, want.Op, got.Op, last[key])
		if want.Op == change.Delete {
			continue
		}
		compared++
		sent, made := string(withoutClock(want.Document)), string(withoutClock(got.Document))
		if !otherForm[last[key]] {
			require.Equal(t, sent, made, last[key])
		}
		require.True(t, rows.Same([]byte(sent), []byte(made)), "%s: %s\n%s", last[key], sent, made)
	}
	return compared
}

// withoutClock takes out what the database takes from its clock.
func withoutClock(document []byte) []byte { return clock.ReplaceAll(document, []byte(`"$1":""`)) }

func decode(t *testing.T, config table.Config, name string) (change.Change, bool) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(captured, name+".key.json"))
	if errors.Is(err, os.ErrNotExist) {
		return change.Change{}, false // a TRUNCATE
	}
	require.NoError(t, err)
	value, err := os.ReadFile(filepath.Join(captured, name+".value.json"))
	require.NoError(t, err)
	decoderConfig := debezium.Config{Schema: config.Schema, Table: config.Table, Key: config.Key, JSONColumns: config.JSONColumns}
	for _, point := range config.GeoPoints {
		decoderConfig.GeoPoints = append(decoderConfig.GeoPoints, debezium.GeoPoint(point))
	}
	c, err := debezium.NewDecoder(decoderConfig).Decode(key, value)
	var rejected *change.Rejection
	if errors.As(err, &rejected) || errors.Is(err, change.ErrNoChange) {
		return change.Change{}, false // a placeholder, or another table's
	}
	require.NoError(t, err)
	return c, true
}
