package table_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

func TestOpenNamesTheOptionThatIsWrong(t *testing.T) {
	t.Parallel()
	d := newDatabase(t,
		"CREATE VIEW a_view AS SELECT 1 AS id; GRANT SELECT ON a_view TO indexer",
		"CREATE TABLE keys (id int, n int UNIQUE, m int NOT NULL, d date NOT NULL UNIQUE, x text NOT NULL, y text NOT NULL, a int[] NOT NULL UNIQUE)",
		"CREATE UNIQUE INDEX ON keys (id) WHERE id > 0; CREATE UNIQUE INDEX ON keys (m, lower(x)); CREATE UNIQUE INDEX ON keys (x, y) INCLUDE (m); GRANT SELECT ON keys TO indexer")
	tests := map[string]struct {
		change func(*table.Config)
		want   string
	}{
		"URL":                         {func(c *table.Config) { c.URL = "postgres://%" }, "option URL"},
		"epoch":                       {func(c *table.Config) { c.Epoch = 128 }, "option Epoch"},
		"connections":                 {func(c *table.Config) { c.MaxConns = -1 }, "option MaxConns"},
		"no table":                    {func(c *table.Config) { c.Table = "nothing" }, `option Table: there is no table "public"."nothing"`},
		"a view":                      {func(c *table.Config) { c.Table = "a_view" }, "is no table"},
		"no key":                      {func(c *table.Config) { c.Key = nil }, "option Key: names no column"},
		"unknown key":                 {func(c *table.Config) { c.Key = []string{"nothing"} }, "option Key: there is no column nothing"},
		"key twice":                   {func(c *table.Config) { c.Key = []string{"id", "id"} }, "option Key: column id is there twice"},
		"not unique":                  {func(c *table.Config) { c.Key = []string{"title"} }, "option Key: (title) is neither the primary key"},
		"more than the key":           {func(c *table.Config) { c.Key = []string{"id", "title"} }, "option Key: (id, title) is neither"},
		"unique where it is not null": {func(c *table.Config) { c.Table, c.Key = "keys", []string{"n"} }, "option Key: (n) is neither"},
		"unique in part":              {func(c *table.Config) { c.Table, c.Key = "keys", []string{"id"} }, "option Key: (id) is neither"},
		"unique as an expression":     {func(c *table.Config) { c.Table, c.Key = "keys", []string{"m", "x"} }, "option Key: (m, x) is neither"},
		"key's type":                  {func(c *table.Config) { c.Table, c.Key = "keys", []string{"d"} }, "option Key: column d must be an integer, a uuid, a text or a varchar"},
		"key of arrays":               {func(c *table.Config) { c.Table, c.Key = "keys", []string{"a"} }, "option Key: column a must be"},
		"no JSON":                     {func(c *table.Config) { c.JSONColumns = []string{"title"} }, "option JSONColumns: there is no column title of type json or jsonb"},
		"no JSON column":              {func(c *table.Config) { c.JSONColumns = []string{"nothing"} }, "option JSONColumns: there is no column nothing"},
		"no latitude":                 {func(c *table.Config) { c.GeoPoints[0].Latitude = "nothing" }, "option GeoPoints: location needs columns nothing and longitude"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := d.config(t)
			test.change(&config)
			if config.Table == "keys" {
				config.JSONColumns, config.GeoPoints = nil, nil
			}
			_, err := table.Open(testenv.Context(t, time.Minute), config)
			require.ErrorContains(t, err, test.want)
		})
	}
	config := d.config(t)
	config.Table, config.JSONColumns, config.GeoPoints = "keys", nil, nil
	config.Key = []string{"y", "x"} // unique, in whatever order
	require.Equal(t, []table.KeyColumn{{Name: "y"}, {Name: "x"}}, open(t, config).Key())
}

func TestOpenRefusesTypesItCannotRender(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, "CREATE EXTENSION hstore", "CREATE TYPE pair AS (a int, b int)", "CREATE TYPE mood AS ENUM ('sad')", "CREATE DOMAIN d_mood AS mood", "CREATE TYPE own_range AS RANGE (subtype = float8)")
	for _, columnType := range []string{
		"name", `"char"`, "numeric(3,-2)", "bit varying(1)", "hstore", "pair", "d_mood", "own_range", "int4multirange", "xid", "time without time zone[]", "time with time zone[]", "bit(3)[]", "inet[]", "hstore[]", "pair[]", "int4range[]", "oidvector",
	} {
		t.Run(columnType, func(t *testing.T) {
			d.exec(t, "DROP TABLE IF EXISTS odd")
			d.exec(t, "CREATE TABLE odd (id int PRIMARY KEY, odd_one "+columnType+")")
			d.exec(t, "GRANT SELECT ON odd TO indexer")
			_, err := table.Open(testenv.Context(t, time.Minute), table.Config{URL: testenv.URLAs(t, d.url, "indexer"), Schema: "public", Table: "odd", Key: []string{"id"}})
			require.ErrorContains(t, err, "column odd_one of public.odd")
			require.ErrorContains(t, err, columnType)
		})
	}
}

func TestRowsHiddenByAPolicyAreAnError(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, insert(first), "ALTER TABLE events ENABLE ROW LEVEL SECURITY")
	snapshot := takeSnapshot(t, open(t, d.config(t)))
	_, err := snapshot.Fetch(t.Context(), []string{first})
	require.ErrorContains(t, err, "row-level security")
}
