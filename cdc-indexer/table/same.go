package table

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// sameness says whether two forms, neither of which is null, are of one value.
type sameness func(a, b gjson.Result) bool

// Same says whether two documents tell the same of a row. Nearly always that is so only of equal ones. But some values
// have several forms, depending on whether Debezium streamed a change or read a snapshot, and on its version of Java:
//
//   - floating point numbers: Java before 19 has other digits for some, that lead to the same number
//   - money: without zeros at the end when read by a snapshot
//   - an infinite date: one number when streamed, another when read
//   - generated columns: in the documents of a snapshot only, where they are ignored
//
// It does not look at the order of fields. Both must be JSON objects.
func (t *Table) Same(a, b []byte) bool {
	x, y := fields(a), fields(b)
	for name, value := range x {
		if other, ok := y[name]; ok && !t.layout.same(name, value, other) || !ok && !t.layout.generated[name] {
			return false
		}
	}
	for name := range y {
		if _, ok := x[name]; !ok && !t.layout.generated[name] {
			return false
		}
	}
	return true
}

func fields(document []byte) map[string]gjson.Result {
	found := map[string]gjson.Result{}
	gjson.ParseBytes(document).ForEach(func(name, value gjson.Result) bool {
		found[name.String()] = value
		return true
	})
	return found
}

func (l *layout) same(name string, a, b gjson.Result) bool {
	if a.Raw == b.Raw {
		return true
	}
	if a.Type == gjson.Null || b.Type == gjson.Null {
		return false
	}
	if l.generated[name] {
		return true
	}
	if c, ok := l.find(name); ok {
		return c.kind.same != nil && c.kind.same(a, b)
	}
	return l.isPoint(name) && samePoints(a, b)
}

func (l *layout) isPoint(name string) bool {
	return slices.ContainsFunc(l.points, func(p point) bool { return p.name == name })
}

func sameFloats(bits int) sameness {
	return func(a, b gjson.Result) bool {
		x, err := strconv.ParseFloat(literal(a), bits)
		if err != nil {
			return false
		}
		y, err := strconv.ParseFloat(literal(b), bits)
		return err == nil && (x == y && math.Signbit(x) == math.Signbit(y) || math.IsNaN(x) && math.IsNaN(y))
	}
}

// literal returns a number's digits, whether it stands as a number or as a string.
func literal(value gjson.Result) string {
	if value.Type == gjson.String {
		return value.String()
	}
	return value.Raw
}

// sameNumbers compares decimals without the zeros at their ends.
func sameNumbers(a, b gjson.Result) bool { return trimmed(literal(a)) == trimmed(literal(b)) }

func trimmed(digits string) string {
	if strings.Contains(digits, ".") {
		digits = strings.TrimRight(digits, "0")
	}
	return strings.TrimSuffix(digits, ".")
}

func sameDates(a, b gjson.Result) bool {
	return infiniteDates[a.Raw] != 0 && infiniteDates[a.Raw] == infiniteDates[b.Raw]
}

// infiniteDates are the signs of the numbers that stand for an infinite date.
var infiniteDates = map[string]int{
	strconv.Itoa(infiniteDate): 1, strconv.Itoa(infiniteDateRead): 1,
	strconv.Itoa(minusInfiniteDate): -1, strconv.Itoa(minusInfiniteDateRead): -1,
}

// samePoints compares objects with floating point numbers in them.
func samePoints(a, b gjson.Result) bool {
	x, y := fields([]byte(a.Raw)), fields([]byte(b.Raw))
	if len(x) != len(y) {
		return false
	}
	for name, value := range x {
		other, ok := y[name]
		if !ok || value.Raw != other.Raw && !sameFloats(64)(value, other) {
			return false
		}
	}
	return true
}

func sameElements(same sameness) sameness {
	return func(a, b gjson.Result) bool {
		x, y := a.Array(), b.Array()
		return slices.EqualFunc(x, y, func(a, b gjson.Result) bool {
			if a.IsArray() && b.IsArray() {
				return sameElements(same)(a, b)
			}
			return a.Raw == b.Raw || a.Type != gjson.Null && b.Type != gjson.Null && same(a, b)
		})
	}
}
