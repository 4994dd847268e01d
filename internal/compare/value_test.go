package compare

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"ticketing/internal/exactjson"
)

func TestColumnEqual(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		column         column
		table, index   string // as JSON
		indexThatIsNot string // another value of the index that must differ
	}{
		"null":                      {column{kind: text}, `null`, `null`, `"null"`},
		"null and absent":           {column{kind: text}, `null`, ``, `""`},
		"text":                      {column{kind: text}, `"é\ud83c\udfab"`, `"é🎫"`, `"é🎫 "`},
		"text and number":           {column{kind: text}, `"1"`, `"1"`, `1`},
		"boolean":                   {column{kind: boolean}, `true`, `true`, `false`},
		"boolean and text":          {column{kind: boolean}, `true`, `true`, `"true"`},
		"integer beyond float64":    {column{kind: integer}, `9007199254740993`, `9007199254740993`, `9007199254740992`},
		"integer and text":          {column{kind: integer}, `1`, `1`, `"1"`},
		"numeric":                   {column{kind: decimal}, `1.50`, `"1.50"`, `"1.51"`},
		"numeric by value":          {column{kind: decimal}, `1.50`, `"1.5"`, `"15"`},
		"numeric of 30 digits":      {column{kind: decimal}, `123456789012345678901234567890.123456789`, `"123456789012345678901234567890.123456789"`, `"123456789012345678901234567890.123456788"`},
		"numeric NaN":               {column{kind: decimal}, `"NaN"`, `"NAN"`, `null`},
		"double of other digits":    {column{kind: float64bit}, `2e-323`, `2.0E-323`, `2.5E-323`},
		"double, Java before 19":    {column{kind: float64bit}, `5.684341886080802e-14`, `5.6843418860808015E-14`, `5.684341886080803E-14`},
		"double infinity":           {column{kind: float64bit}, `"Infinity"`, `"Infinity"`, `"-Infinity"`},
		"double NaN":                {column{kind: float64bit}, `"NaN"`, `"NaN"`, `0`},
		"real":                      {column{kind: float32bit}, `3.4028235e+38`, `3.4028235E38`, `3.4028233E38`},
		"timestamptz":               {column{kind: instant}, `"2026-02-03T02:05:06.123456+00:00"`, `"2026-02-03T02:05:06.123456Z"`, `"2026-02-03T02:05:06.123457Z"`},
		"timestamptz, zeros":        {column{kind: instant}, `"2026-02-03T02:05:06+00:00"`, `"2026-02-03T02:05:06.000000Z"`, `"2026-02-03T02:05:06.000001Z"`},
		"timestamptz, another zone": {column{kind: instant}, `"2026-02-03T02:05:06+00:00"`, `"2026-02-03T04:05:06+02:00"`, `"2026-02-03T02:05:06+02:00"`},
		"timestamptz infinity":      {column{kind: instant}, `"infinity"`, `"infinity"`, `"-infinity"`},
		"timestamp":                 {column{kind: timestamp}, `"2026-02-03T04:05:06.123456"`, `1770091506123456`, `1770091506123457`},
		"timestamp(3)":              {column{kind: timestamp, milliseconds: true}, `"2026-02-03T04:05:06.123"`, `1770091506123`, `1770091506123000`},
		"date":                      {column{kind: date}, `"2026-02-03"`, `20487`, `20488`},
		"date before 1970":          {column{kind: date}, `"1969-12-31"`, `-1`, `0`},
		"time":                      {column{kind: timeOfDay}, `"04:05:06.123456"`, `14706123456`, `14706123`},
		"bytea":                     {column{kind: binary}, `"\\x00deadbeef"`, `"AN6tvu8="`, `"AN6tvu4="`},
		"jsonb":                     {column{kind: jsonValue}, `{"a": [1, {"b": null}], "c": 1.10}`, `{"c":1.1,"a":[1,{"b":null}]}`, `{"c":1.1,"a":[1,{}]}`},
		"jsonb number's last digit": {column{kind: jsonValue}, `{"a": 0.12345678901234567890}`, `{"a":0.1234567890123456789}`, `{"a":0.12345678901234567891}`},
		"jsonb array's order":       {column{kind: jsonValue}, `[1, 2]`, `[1,2]`, `[2,1]`},
		"jsonb types":               {column{kind: jsonValue}, `{"a": "1"}`, `{"a":"1"}`, `{"a":1}`},
		"jsonb empty":               {column{kind: jsonValue}, `{}`, `{}`, `[]`},
		"jsonb more members":        {column{kind: jsonValue}, `{"a": 1}`, `{"a":1}`, `{"a":1,"b":2}`},
		"jsonb other member":        {column{kind: jsonValue}, `{"a": null}`, `{"a":null}`, `{"b":null}`},
		"jsonb string":              {column{kind: jsonValue}, `"x"`, `"x"`, `"\"x\""`},
		"jsonb as text":             {column{kind: jsonText}, `{"a": 1.0}`, `"{\"a\": 1.0}"`, `{"a":1.0}`},
		"array":                     {column{kind: text, array: true}, `["a", null, "b"]`, `["a",null,"b"]`, `["a","b",null]`},
		"array's length":            {column{kind: text, array: true}, `["a"]`, `["a"]`, `["a","a"]`},
		"array and value":           {column{kind: text, array: true}, `["a"]`, `["a"]`, `"a"`},
		"array empty":               {column{kind: text, array: true}, `[]`, `[]`, `null`},
		"array null":                {column{kind: text, array: true}, `null`, `null`, `[]`},
		"numeric array":             {column{kind: decimal, array: true}, `[1.10, 2]`, `["1.10","2"]`, `["1.10","3"]`},
		"jsonb array":               {column{kind: jsonText, array: true}, `[{"a": 1.10}]`, `["{\"a\": 1.1}"]`, `["{\"a\": 1.2}"]`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := gjson.Parse(test.table)
			require.True(t, test.column.equal(table, gjson.Parse(test.index)), "%s in the index", test.index)
			require.False(t, test.column.equal(table, gjson.Parse(test.indexThatIsNot)), "%s in the index", test.indexThatIsNot)
		})
	}
}

// TestEqualNumbers compares with what math/big says of decimals written in many ways.
func TestEqualNumbers(t *testing.T) {
	t.Parallel()
	written := rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?([eE][+-]?[0-3])?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := written.Draw(t, "a"), written.Draw(t, "b")
		x, ok := new(big.Rat).SetString(a)
		y, alsoOK := new(big.Rat).SetString(b)
		require.True(t, ok && alsoOK)
		require.Equal(t, x.Cmp(y) == 0, exactjson.EqualNumbers(a, b), "%s and %s", a, b)

		shifted := new(big.Rat).Mul(x, big.NewRat(1000, 1)).FloatString(8) + "e-3"
		require.True(t, exactjson.EqualNumbers(a, shifted), "%s and %s", a, shifted)
	})
}

func TestKeyOrder(t *testing.T) {
	t.Parallel()
	one := func(text string, numeric bool) key {
		v, err := newKeyValue(text, numeric)
		require.NoError(t, err)
		return key{v}
	}
	require.Negative(t, one("9", true).compare(one("10", true)))
	require.Positive(t, one("9", false).compare(one("10", false)))
	require.Negative(t, one("Z", false).compare(one("a", false)), "by bytes, as Elasticsearch does")
	require.Zero(t, one("a", false).compare(one("a", false)))
	require.Equal(t, `7`, one("7", true).String())
	require.Equal(t, `["a\"b",7]`, key{one(`a"b`, false)[0], one("7", true)[0]}.String())
}
