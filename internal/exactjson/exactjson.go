// Package exactjson compares JSON values without losing a digit: what reads the numbers of a row into floats cannot tell
// whether they arrived.
package exactjson

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Equal compares JSON values: numbers by their exact values, arrays in order, objects in any order.
func Equal(a, b gjson.Result) bool {
	switch {
	case a.IsObject() && b.IsObject():
		x, y := Members(a), Members(b)
		if len(x) != len(y) {
			return false
		}
		for name, value := range x {
			other, ok := y[name]
			if !ok || !Equal(value, other) {
				return false
			}
		}
		return true
	case a.IsArray() && b.IsArray():
		return EqualElements(a, b, Equal)
	case a.Type != b.Type || a.Type == gjson.JSON:
		return false
	case a.Type == gjson.Number:
		return EqualNumbers(a.Raw, b.Raw)
	default:
		return a.String() == b.String()
	}
}

// EqualElements compares two arrays element by element.
func EqualElements(a, b gjson.Result, equal func(a, b gjson.Result) bool) bool {
	x, y := a.Array(), b.Array()
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !equal(x[i], y[i]) {
			return false
		}
	}
	return true
}

// Members returns what an object holds.
func Members(object gjson.Result) map[string]gjson.Result {
	found := map[string]gjson.Result{}
	object.ForEach(func(name, value gjson.Result) bool {
		found[name.String()] = value
		return true
	})
	return found
}

// EqualNumbers compares decimal numbers by their exact values, however they are written.
func EqualNumbers(a, b string) bool {
	x, ok := parseNumber(a)
	y, alsoOK := parseNumber(b)
	if !ok || !alsoOK {
		return strings.EqualFold(a, b) // NaN and infinities
	}
	return x == y
}

// number is 0.digits * 10^exponent, with no zero at either end of the digits: one form for each value.
type number struct {
	negative bool
	digits   string
	exponent int64
}

func parseNumber(s string) (number, bool) {
	unsigned, negative := strings.CutPrefix(s, "-")
	mantissa, exponent := unsigned, int64(0)
	if at := strings.IndexAny(unsigned, "eE"); at >= 0 {
		mantissa = unsigned[:at]
		var err error
		if exponent, err = strconv.ParseInt(unsigned[at+1:], 10, 32); err != nil {
			return number{}, false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return number{}, false
	}
	exponent += int64(len(whole))
	significant := strings.TrimLeft(digits, "0")
	exponent -= int64(len(digits) - len(significant))
	significant = strings.TrimRight(significant, "0")
	if significant == "" {
		return number{}, true
	}
	return number{negative: negative, digits: significant, exponent: exponent}, true
}
