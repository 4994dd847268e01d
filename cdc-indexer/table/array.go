package table

import (
	"slices"
)

// maxDimensions is Postgres' own limit.
const maxDimensions = 6

const null = "null"

// arrayKind renders arrays of a kind.
func arrayKind(t typeOf, element kind) kind {
	if t.name == "date" {
		element.append = fixed(4, appendDateElement)
	}
	array := kind{array: true, append: element.appendArray}
	switch {
	case t.class == "e":
		// Debezium's elements of an enum must not be null: one that is makes the whole array null.
		array.append = nullIf(element.appendArray, func(value []byte) bool { return value == nil })
	case t.name == "numeric":
		// NaN and infinities too.
		array.append = nullIf(element.appendArray, func(value []byte) bool { return value != nil && !isNumber(value) })
	}
	if element.same != nil {
		array.same = sameElements(element.same)
	}
	return array
}

// nullIf makes an array null that has an element of a certain sort.
func nullIf(render appender, has func(value []byte) bool) appender {
	return func(dst, value []byte) ([]byte, error) {
		a, err := parseArray(value)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(a.elements, has) {
			return append(dst, null...), nil
		}
		return render(dst, value)
	}
}

// appendArray appends an array. One of several dimensions, which Debezium does not send in a way that makes sense,
// becomes arrays in arrays.
func (k kind) appendArray(dst, value []byte) ([]byte, error) {
	a, err := parseArray(value)
	if err != nil {
		return nil, err
	}
	if len(a.lengths) == 0 {
		return append(dst, '[', ']'), nil
	}
	dst, _, err = k.appendDimension(dst, a.lengths, a.elements)
	return dst, err
}

// appendDimension appends the outermost dimension, and returns the elements that are left.
func (k kind) appendDimension(dst []byte, lengths []int, elements [][]byte) (_ []byte, rest [][]byte, err error) {
	dst = append(dst, '[')
	for i := range lengths[0] {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch {
		case len(lengths) > 1:
			dst, elements, err = k.appendDimension(dst, lengths[1:], elements)
		case elements[0] == nil:
			dst, elements = append(dst, null...), elements[1:]
		default:
			dst, err = k.append(dst, elements[0])
			elements = elements[1:]
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return append(dst, ']'), elements, nil
}

type array struct {
	lengths  []int    // of the dimensions, from the outermost
	elements [][]byte // nil for null
}

// parseArray reads the binary format: the number of dimensions, a flag and the elements' type, the length and first
// index of each dimension, and the elements with their lengths.
func parseArray(value []byte) (array, error) {
	if len(value) < 12 {
		return array{}, errMalformed
	}
	dimensions := int(int4(value))
	value = value[12:]
	if dimensions < 0 || dimensions > maxDimensions || len(value) < 8*dimensions {
		return array{}, errMalformed
	}
	a := array{lengths: make([]int, dimensions)}
	count := min(dimensions, 1)
	for i := range a.lengths {
		a.lengths[i] = int(int4(value))
		value = value[8:]
		if a.lengths[i] < 0 || a.lengths[i] > len(value)/4 {
			return array{}, errMalformed
		}
		count *= a.lengths[i]
	}
	if count > len(value)/4 {
		return array{}, errMalformed
	}
	a.elements = make([][]byte, count)
	for i := range a.elements {
		if len(value) < 4 {
			return array{}, errMalformed
		}
		length := int(int4(value))
		value = value[4:]
		if length > len(value) {
			return array{}, errMalformed
		}
		if length >= 0 {
			a.elements[i], value = value[:length:length], value[length:]
		}
	}
	return a, nil
}
