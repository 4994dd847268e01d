package table_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

// keyGenerators make values of key columns, as text.
var keyGenerators = map[string]*rapid.Generator[string]{
	"bigint": rapid.Custom(func(t *rapid.T) string {
		return strconv.FormatInt(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-20, 20)).Draw(t, "integer"), 10)
	}),
	"uuid": rapid.Custom(func(t *rapid.T) string {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
	}),
	"text": rapid.OneOf(rapid.StringMatching(`[aAbB_ \-]{1,4}`), nastyText(12)),
}

// nastyText draws text that Postgres can hold and whoever quotes, escapes or sorts may stumble over.
func nastyText(most int) *rapid.Generator[string] {
	special := []rune("\"\\/\b\f\n\r\t\x01\x1f\x7f\u0080\u00e9\u2028\u2029\ud7ff\ue000\uffff\U00010000\U0001f3ab\U0010ffff'{},:[]<>&%$")
	return rapid.StringOfN(rapid.OneOf(rapid.SampledFrom(special), rapid.Rune().Filter(func(r rune) bool { return r != 0 })), 1, most, -1)
}

func TestSplitCoversEveryRowOnce(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	tests := map[string][]string{ // the type of each column of the key, with a collation where it has one
		"numbers": {"bigint"}, "uuids": {"uuid"}, "texts": {"text"}, "other_order": {`text COLLATE "en-x-icu"`},
		"pairs": {"bigint", "text"}, "triples": {`text COLLATE "en-x-icu"`, "uuid", "bigint"},
	}
	for name, types := range tests {
		t.Run(name, func(t *testing.T) {
			columns, key := []string{"v text"}, []string{}
			for i, columnType := range types {
				key = append(key, fmt.Sprintf("k%d", i))
				columns = append(columns, key[i]+" "+columnType)
			}
			rows := d.keyed(t, name, strings.Join(columns, ", ")+", PRIMARY KEY ("+strings.Join(key, ", ")+")", key...)
			rapid.Check(t, func(rt *rapid.T) {
				d.exec(t, "DELETE FROM "+name)
				drawn := rapid.SliceOfNDistinct(keyGenerator(types), 0, 60, func(k []string) string { return fmt.Sprintf("%q", k) }).Draw(rt, "keys")
				d.insertKeys(t, name, key, types, drawn)
				snapshot, err := rows.Snapshot(testenv.Context(t, time.Minute), table.WaitFor{})
				require.NoError(rt, err)
				defer func() { require.NoError(rt, snapshot.Close(t.Context())) }()
				for range 3 {
					checkSplit(rt, t, snapshot, rows.Key(), drawn, rapid.IntRange(1, 70).Draw(rt, "rowsPerRange"))
				}
			})
		})
	}
}

func keyGenerator(types []string) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		values := make([]string, len(types))
		for i, columnType := range types {
			values[i] = keyGenerators[strings.Fields(columnType)[0]].Draw(t, "value")
		}
		return values
	})
}

func (d *database) insertKeys(t *testing.T, name string, key, types []string, keys [][]string) {
	t.Helper()
	parameters, arguments := make([]string, len(types)), make([]any, len(types))
	for i, columnType := range types {
		values := make([]string, len(keys))
		for n, k := range keys {
			values[n] = k[i]
		}
		parameters[i], arguments[i] = fmt.Sprintf("$%d::text[]::%s[]", i+1, strings.Fields(columnType)[0]), values
	}
	d.exec(t, "INSERT INTO "+name+" ("+strings.Join(key, ", ")+") SELECT * FROM unnest("+strings.Join(parameters, ", ")+")", arguments...)
}

func checkSplit(rt *rapid.T, t *testing.T, snapshot *table.Snapshot, columns []table.KeyColumn, keys [][]string, rowsPerRange int) {
	t.Helper()
	ranges, err := snapshot.Split(testenv.Context(t, time.Minute), rowsPerRange)
	require.NoError(rt, err)
	require.Len(rt, ranges, max(1, (len(keys)+rowsPerRange-1)/rowsPerRange))
	require.Nil(rt, ranges[0].From)
	require.Nil(rt, ranges[len(ranges)-1].To)
	seen := map[string]int{}
	for i, r := range ranges {
		if i > 0 {
			require.Equal(rt, ranges[i-1].To, r.From)
		}
		text, err := json.Marshal(r)
		require.NoError(rt, err)
		var again table.Range
		require.NoError(rt, json.Unmarshal(text, &again))
		want := slices.DeleteFunc(slices.Clone(keys), func(k []string) bool {
			return r.From != nil && compareKeys(columns, k, r.From) < 0 || r.To != nil && compareKeys(columns, k, r.To) >= 0
		})
		read := 0
		err = snapshot.Read(testenv.Context(t, time.Minute), again, func(c change.Change) error {
			read++
			seen[c.Key]++
			return nil
		})
		require.NoError(rt, err)
		require.Len(rt, want, read, "range %s", r)
		require.LessOrEqual(rt, read, rowsPerRange)
	}
	require.Len(rt, seen, len(keys))
	for id, times := range seen {
		require.Equal(rt, 1, times, id)
	}
}

// compareKeys orders keys as a range says.
func compareKeys(columns []table.KeyColumn, a, b []string) int {
	for i, column := range columns {
		order := strings.Compare(a[i], b[i])
		if column.Numeric {
			x, _ := strconv.ParseInt(a[i], 10, 64)
			y, _ := strconv.ParseInt(b[i], 10, 64)
			order = cmp.Compare(x, y)
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

func TestRangesThatAreNone(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	snapshot := takeSnapshot(t, open(t, d.config(t)))
	for _, r := range []table.Range{{From: []string{"x"}}, {To: []string{}}, {To: []string{first, first}}} {
		err := snapshot.Read(t.Context(), r, func(change.Change) error { return nil })
		require.ErrorContains(t, err, "range ")
	}
	_, err := snapshot.Split(t.Context(), 0)
	require.Error(t, err)
}

func TestEstimateRows(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rows := open(t, d.config(t))
	for _, insert := range []int{0, 123} {
		d.fill(t, insert)
		estimated, err := rows.EstimateRows(testenv.Context(t, time.Minute))
		require.NoError(t, err)
		require.EqualValues(t, insert, estimated)
	}
	large := d.keyed(t, "large", "id int PRIMARY KEY", "id")
	d.exec(t, "INSERT INTO large SELECT generate_series(1, 50000)")
	d.exec(t, "ANALYZE large")
	estimated, err := large.EstimateRows(testenv.Context(t, time.Minute))
	require.NoError(t, err)
	require.InDelta(t, 50000, estimated, 5000)
}
