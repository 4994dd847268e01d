package table

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Java's own examples and the values around the ends of its plain form. Each is what Double.toString or Float.toString
// returns since Java 19.
func TestFloatsAreWrittenAsJavaDoes(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]float64{
		"0.0": 0, "-0.0": math.Copysign(0, -1), "1.0": 1, "-1.5": -1.5, "100.0": 100, "123.456": 123.456, "0.001": 0.001, "9.99E-4": 0.000999, "0.0010001": 0.0010001,
		"0.01": 0.01, "0.1": 0.1, "0.012": 0.012, "9999999.0": 9999999, "1.0E7": 1e7, "9999999.5": 9999999.5, "1234567.8": 1234567.8, "1.23456789E7": 12345678.9, "1.0E22": 1e22,
		"1.0E23": 1e23, "2.0E23": 2e23, "8.41E21": 8.41e21, "4.9E-324": 5e-324, "9.9E-324": 1e-323, "2.2250738585072014E-308": 2.2250738585072014e-308, "1.7976931348623157E308": math.MaxFloat64,
		`"NaN"`: math.NaN(), `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1), "48.2007": 48.2007, "9.007199254740992E15": 9007199254740993,
	} {
		require.Equal(t, want, string(appendFloat(nil, f, 64)))
	}
	for want, f := range map[string]float32{
		"0.1": 0.1, "1.4E-45": math.SmallestNonzeroFloat32, "3.4028235E38": math.MaxFloat32, "1.6777216E7": 16777216, "1.1754944E-38": 1.17549435e-38, "0.33333334": 1. / 3, "2.0": 2,
	} {
		require.Equal(t, want, string(appendFloat(nil, float64(f), 32)))
	}
}

func TestStringsAreWrittenAsJacksonDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              `""`,
		"\x00\x07\b\t\n\v\f\r\x1b\x1f":  `"\u0000\u0007\b\t\n\u000B\f\r\u001B\u001F"`,
		`"\/`:                           `"\"\\/"`,
		"\x7f\u0080é\u2028\ufeff\uffff": "\"\x7f\u0080é\u2028\ufeff\uffff\"",
		"\U00010000🎫\U0010ffff":         `"\uD800\uDC00\uD83C\uDFAB\uDBFF\uDFFF"`,
		"<>&'":                          `"<>&'"`,
		"\xff\xf0":                      "\"\xff\xf0\"", // as it is: a database that is not UTF-8
	} {
		require.Equal(t, want, string(appendString(nil, []byte(text))))
	}
}

// What Postgres never sends must not end the program.
func TestMalformedValuesAreErrors(t *testing.T) {
	t.Parallel()
	int4s := func(values ...int32) (bytes []byte) {
		for _, value := range values {
			bytes = binary.BigEndian.AppendUint32(bytes, uint32(value))
		}
		return bytes
	}
	numbers := kind{append: fixed(4, appendInt4)}
	for name, value := range map[string][]byte{
		"nothing": {}, "no header": int4s(1), "too many dimensions": int4s(7, 0, 23), "negative": int4s(-1, 0, 23), "no dimension": int4s(1, 0, 23),
		"negative length": int4s(1, 0, 23, -1, 1), "no elements": int4s(1, 0, 23, 1000, 1), "no element": int4s(1, 0, 23, 1, 1, 4), "short element": int4s(1, 0, 23, 1, 1, 8, 7),
		"product": int4s(2, 0, 23, 2, 1, 2, 1, 4, 1, 4, 2),
	} {
		_, err := numbers.appendArray(nil, value)
		require.ErrorIs(t, err, errMalformed, name)
	}
	for name, value := range map[string][]byte{"nothing": {}, "header": make([]byte, 7), "digits": {0, 1, 0, 0, 0, 0, 0, 0}} {
		_, err := appendNumeric(nil, value)
		require.ErrorIs(t, err, errMalformed, name)
	}
	for name, value := range map[string][]byte{"nothing": {}, "negative": int4s(-1), "bits": append(int4s(9), 1)} {
		_, err := appendBits(nil, value)
		require.ErrorIs(t, err, errMalformed, name)
	}
	_, err := appendBit(nil, []byte{0, 0, 0, 1})
	require.ErrorIs(t, err, errMalformed)
	_, err = fixed(8, appendInt8)(nil, []byte{1})
	require.ErrorIs(t, err, errMalformed)
}

func TestArraysInArrays(t *testing.T) {
	t.Parallel()
	value := []byte{0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'a', 255, 255, 255, 255}
	got, err := kind{append: appendText}.appendArray(nil, value)
	require.NoError(t, err)
	require.Equal(t, `[["a"],[null]]`, string(got))
}

func TestSame(t *testing.T) {
	t.Parallel()
	l := &layout{
		generated: map[string]bool{"made": true},
		points:    []point{{name: "location"}},
		columns: []column{
			{name: "text", kind: simpleKinds["text"]},
			{name: "float", kind: simpleKinds["float8"]},
			{name: "real", kind: simpleKinds["float4"]},
			{name: "money", kind: simpleKinds["money"]},
			{name: "date", kind: simpleKinds["date"]},
			{name: "point", kind: simpleKinds["point"]},
			{name: "floats", kind: arrayKind(typeOf{name: "float8"}, simpleKinds["float8"])},
		},
	}
	rows := &Table{layout: l}
	tests := map[string]struct {
		a, b string
		want bool
	}{
		"equal":                    {`{"text":"a","x":[1]}`, `{"text":"a","x":[1]}`, true},
		"another order":            {`{"text":"a","float":1.0}`, `{"float":1.0,"text":"a"}`, true},
		"text":                     {`{"text":"a"}`, `{"text":"A"}`, false},
		"text of digits":           {`{"text":"1.0"}`, `{"text":"1"}`, false},
		"missing":                  {`{"text":"a"}`, `{}`, false},
		"too many":                 {`{}`, `{"text":"a"}`, false},
		"null":                     {`{"float":null}`, `{"float":1.0}`, false},
		"float":                    {`{"float":1.0E23}`, `{"float":9.999999999999999E22}`, true},
		"another float":            {`{"float":1.0E23}`, `{"float":9.99999999999999E22}`, false},
		"zeros":                    {`{"float":0.0}`, `{"float":-0.0}`, false},
		"NaN":                      {`{"float":"NaN"}`, `{"float":"Infinity"}`, false},
		"real":                     {`{"real":8.589973E9}`, `{"real":8.5899735E9}`, true},
		"floats":                   {`{"floats":[1.0E23,null,"NaN"]}`, `{"floats":[9.999999999999999E22,null,"NaN"]}`, true},
		"other floats":             {`{"floats":[1.0,null]}`, `{"floats":[1.0,0.0]}`, false},
		"fewer floats":             {`{"floats":[1.0]}`, `{"floats":[1.0,1.0]}`, false},
		"money":                    {`{"money":"1.00"}`, `{"money":"1.0"}`, true},
		"more money":               {`{"money":"100"}`, `{"money":"1"}`, false},
		"infinite date":            {`{"date":-2147472692}`, `{"date":-622191234}`, true},
		"the other infinite date":  {`{"date":-2147472692}`, `{"date":-625821272}`, false},
		"date":                     {`{"date":1}`, `{"date":2}`, false},
		"point":                    {`{"point":{"x":1.0E23,"wkb":"A"}}`, `{"point":{"x":9.999999999999999E22,"wkb":"A"}}`, true},
		"another point":            {`{"point":{"x":1.0,"wkb":"A"}}`, `{"point":{"x":1.0,"wkb":"B"}}`, false},
		"location":                 {`{"location":{"lat":1.0E23,"lon":1.0}}`, `{"location":{"lat":9.999999999999999E22,"lon":1.0}}`, true},
		"another location":         {`{"location":{"lat":1.0,"lon":1.0}}`, `{"location":{"lat":1.0,"lon":2.0}}`, false},
		"no location":              {`{"location":{"lat":1.0,"lon":1.0}}`, `{}`, false},
		"generated in one":         {`{"text":"a","made":1}`, `{"text":"a"}`, true},
		"generated in the other":   {`{"text":"a"}`, `{"text":"a","made":1}`, true},
		"generated, and different": {`{"made":2}`, `{"made":1}`, true},
	}
	for name, test := range tests {
		require.Equal(t, test.want, rows.Same([]byte(test.a), []byte(test.b)), name)
		require.Equal(t, test.want, rows.Same([]byte(test.b), []byte(test.a)), name)
	}
}

func TestBlockersHaveNames(t *testing.T) {
	t.Parallel()
	held := &HeldUpError{Blocker: Blocker{Prepared: "it's", User: "u"}}
	require.ErrorContains(t, held, `the prepared transaction "it's" of user u`)
	require.ErrorContains(t, held, "ROLLBACK PREPARED 'it''s'")
	held.Blocker = Blocker{}
	require.ErrorContains(t, held, "see pg_stat_activity")
	require.Equal(t, "SELECT 1 …", excerpt("SELECT\n\t1 "+string(make([]rune, 0)))+" …")
	require.Len(t, []rune(excerpt(string(make([]byte, 200)))), queryExcerpt+1)
}
