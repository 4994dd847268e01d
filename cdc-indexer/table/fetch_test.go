package table_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

// keyed opens a table of its own with a key.
func (d *database) keyed(t testing.TB, name, columns string, key ...string) *table.Table {
	t.Helper()
	d.exec(t, "CREATE TABLE "+name+" ("+columns+")")
	d.exec(t, "GRANT SELECT ON "+name+" TO indexer")
	return open(t, table.Config{URL: testenv.URLAs(t, d.url, "indexer"), Schema: "public", Table: name, Key: key})
}

func TestFetch(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	tests := map[string]struct {
		columns, values string
		key             []string
		present         []string
		absent          []string // or no key of this table
	}{
		"integer": {
			columns: "id int PRIMARY KEY, v text", values: "(-5), (7), (2147483647)", key: []string{"id"},
			present: []string{"7", "-5", "2147483647"}, absent: []string{"8", "07", "+7", " 7", "7.0", "", "x", "2147483648", "99999999999999999999"},
		},
		"smallint": {
			columns: "id int2 PRIMARY KEY, v text", values: "(7)", key: []string{"id"}, present: []string{"7"}, absent: []string{"32768"},
		},
		"bigint": {
			columns: "id bigint PRIMARY KEY, v text", values: "(9007199254740993)", key: []string{"id"},
			present: []string{"9007199254740993"}, absent: []string{"9007199254740992", "9223372036854775808"},
		},
		"uuid": {
			columns: "id uuid PRIMARY KEY, v text", values: "('" + first + "')", key: []string{"id"},
			present: []string{first}, absent: []string{second, strings.ToUpper("0198abcd-0000-7000-8000-000000000001"), "{" + first + "}", "", first + "x"},
		},
		"text": {
			columns: "id text PRIMARY KEY, v text", values: `('a'), ('A'), ('"{,}\ ü'), ('🎫'), ('NULL'), (' ')`, key: []string{"id"},
			present: []string{"A", "a", `"{,}\ ü`, "🎫", "NULL", " "}, absent: []string{"b", "", "null", "a\x00", "a\xff", `\`},
		},
		"varchar that takes one letter for another": {
			columns: "id varchar(3) COLLATE ignoring_case PRIMARY KEY, v text", values: "('a')", key: []string{"id"}, present: []string{"a"}, absent: []string{"A", "aaaa"},
		},
		"composite": {
			columns: "b bigint, a text, c uuid, v text, PRIMARY KEY (a, b, c)", values: `(7, 'x"🎫', '` + first + `'), (7, 'y', '` + second + `')`, key: []string{"a", "b", "c"},
			present: []string{`["x\"\uD83C\uDFAB",7,"` + first + `"]`, `["y",7,"` + second + `"]`},
			absent: []string{
				`["y",7,"` + first + `"]`, `["y", 7,"` + second + `"]`, `["x\"🎫",7,"` + first + `"]`, `["y","7","` + second + `"]`, `["y",7]`, `["y",7,"` + second + `",1]`,
				`[7,7,7]`, `{}`, `[`, ``, `null`, `["y",7.0,"` + second + `"]`, `["\ud83c",7,"` + second + `"]`, `["y",null,"` + second + `"]`,
			},
		},
	}
	d.exec(t, "CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			table := "t_" + strings.ReplaceAll(name, " ", "_")
			rows := d.keyed(t, table, test.columns, test.key...)
			d.exec(t, "INSERT INTO "+table+" VALUES "+test.values)
			snapshot := takeSnapshot(t, rows)
			ids := append(append(append([]string{}, test.absent...), test.present...), test.present...)
			changes, err := snapshot.Fetch(testenv.Context(t, time.Minute), ids)
			require.NoError(t, err)
			require.Len(t, changes, len(ids))
			for i, c := range changes {
				require.Equal(t, ids[i], c.Key)
				require.Equal(t, snapshot.Order(), c.Order)
				require.True(t, c.Read)
				if i < len(test.absent) {
					require.Equal(t, change.Delete, c.Op, c.Key)
					require.Nil(t, c.Document)
				} else {
					require.Equal(t, change.Upsert, c.Op, c.Key)
					require.NotEmpty(t, c.Document)
				}
			}
			none, err := snapshot.Fetch(testenv.Context(t, time.Minute), nil)
			require.NoError(t, err)
			require.Empty(t, none)
		})
	}
}
