package table

import (
	"encoding/base64"
	"slices"
)

// appendBit appends a bit(1), which is a boolean.
func appendBit(dst, value []byte) ([]byte, error) {
	if len(value) != 5 {
		return nil, errMalformed
	}
	return appendBool(dst, value[4:5]), nil
}

// appendBits appends a bit string as base64: the last bit is the lowest of the first byte, and zeros in front of the
// first bit that is set are left out.
func appendBits(dst, value []byte) ([]byte, error) {
	if len(value) < 4 {
		return nil, errMalformed
	}
	length, bits := int(int4(value)), value[4:]
	if length < 0 || len(bits) != (length+7)/8 {
		return nil, errMalformed
	}
	number := make([]byte, len(bits))
	for i := range length {
		if bits[i/8]&(0x80>>(i%8)) != 0 {
			place := length - 1 - i
			number[place/8] |= 1 << (place % 8)
		}
	}
	for len(number) > 0 && number[len(number)-1] == 0 {
		number = number[:len(number)-1]
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), number)
	return append(dst, '"'), nil
}

// appendPoint appends a point with its coordinates and as WKB: byte order, type, and both in little endian.
func appendPoint(dst, value []byte) []byte {
	x, y := slices.Clone(value[:8]), slices.Clone(value[8:])
	slices.Reverse(x)
	slices.Reverse(y)
	dst = appendFloat(append(dst, `{"x":`...), float8(value), 64)
	dst = appendFloat(append(dst, `,"y":`...), float8(value[8:]), 64)
	wkb := slices.Concat([]byte{1, 1, 0, 0, 0}, x, y)
	dst = base64.StdEncoding.AppendEncode(append(dst, `,"wkb":"`...), wkb)
	return append(dst, `","srid":null}`...)
}
