package exactjson_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"ticketing/internal/exactjson"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b string
		want bool
	}{
		"null":                      {`null`, `null`, true},
		"null and absent":           {`null`, ``, true},
		"null and false":            {`null`, `false`, false},
		"true":                      {`true`, `true`, true},
		"true and false":            {`true`, `false`, false},
		"text":                      {`"a"`, `"a"`, true},
		"text, escaped":             {`"é\ud83c\udfab\n"`, `"\u00e9🎫\u000a"`, true},
		"text, another":             {`"a"`, `"A"`, false},
		"text and number":           {`"1"`, `1`, false},
		"text and true":             {`"true"`, `true`, false},
		"number":                    {`1`, `1`, true},
		"number, written otherwise": {`1.50`, `15e-1`, true},
		"number, beyond float64":    {`9007199254740993`, `9007199254740992`, false},
		"number, last of 30 digits": {`123456789012345678901234567890`, `123456789012345678901234567891`, false},
		"number, sign":              {`1`, `-1`, false},
		"zero":                      {`0`, `-0.00e7`, true},
		"array":                     {`[1,"a",null]`, `[ 1.0, "a", null ]`, true},
		"array, order":              {`[1,2]`, `[2,1]`, false},
		"array, longer":             {`[1]`, `[1,null]`, false},
		"array, empty, and null":    {`[]`, `null`, false},
		"object":                    {`{"a":1,"b":{"c":[]}}`, `{"b":{"c":[]},"a":1.0}`, true},
		"object, name":              {`{"a":1}`, `{"A":1}`, false},
		"object, value":             {`{"a":{"b":1}}`, `{"a":{"b":2}}`, false},
		"object, more":              {`{"a":1}`, `{"a":1,"b":null}`, false},
		"object, null for another":  {`{"a":1,"b":null}`, `{"a":1,"c":null}`, false},
		"object and array":          {`{}`, `[]`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := gjson.Parse(test.a), gjson.Parse(test.b)
			require.Equal(t, test.want, exactjson.Equal(a, b))
			require.Equal(t, test.want, exactjson.Equal(b, a))
			require.True(t, exactjson.Equal(a, a))
		})
	}
}

func TestEqualNumbers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b string
		want bool
	}{
		"zeros behind":           {"1.5", "1.500", true},
		"zeros before":           {"1.5", "001.5", true},
		"exponents":              {"1200", "1.2E+3", true},
		"a small one":            {"0.00012", "12e-5", true},
		"powers of ten":          {"10", "100", false},
		"a fraction":             {"1", "1.0000000000000000000000000000001", false},
		"not a number":           {"NaN", "NAN", true},
		"infinity":               {"Infinity", "-Infinity", false},
		"number and no number":   {"0", "NaN", false},
		"an exponent too large":  {"1e99999999999", "1e99999999999", true},
		"exponents out of sight": {"1e99999999999", "2e99999999999", false},
		"nothing":                {"", "", true},
		"nothing and zero":       {"", "0", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, exactjson.EqualNumbers(test.a, test.b))
			require.Equal(t, test.want, exactjson.EqualNumbers(test.b, test.a))
		})
	}
}

// Rational numbers are slow and right.
func TestEqualNumbersAgreesWithRationalNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := number().Draw(t, "a"), number().Draw(t, "b")
		if rapid.Bool().Draw(t, "same value") {
			b = rewrite(t, a)
		}
		x, ok := new(big.Rat).SetString(a)
		require.True(t, ok, a)
		y, ok := new(big.Rat).SetString(b)
		require.True(t, ok, b)
		require.Equal(t, x.Cmp(y) == 0, exactjson.EqualNumbers(a, b), "%s and %s", a, b)
	})
}

// number draws from few digits, so that two are often equal.
func number() *rapid.Generator[string] {
	return rapid.StringMatching(`-?(0|[19][09]{0,25})(\.[019]{1,4})?([eE][-+]?[0-3])?`)
}

// rewrite returns the same value with the point elsewhere.
func rewrite(t *rapid.T, number string) string {
	exact, ok := new(big.Rat).SetString(number)
	require.True(t, ok)
	shift := rapid.IntRange(0, 30).Draw(t, "shift")
	scaled := new(big.Rat).Quo(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)))
	return fmt.Sprintf("%s%se%d", scaled.FloatString(45), strings.Repeat("0", shift%3), shift)
}

func TestMembers(t *testing.T) {
	t.Parallel()
	members := exactjson.Members(gjson.Parse(`{"a":1,"\u0062":{"c":2}}`))
	require.Len(t, members, 2)
	require.Equal(t, "1", members["a"].Raw)
	require.Equal(t, `{"c":2}`, members["b"].Raw)
}
