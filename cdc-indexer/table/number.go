package table

import (
	"encoding/binary"
	"math"
	"strconv"
)

func appendBool(dst, value []byte) []byte { return strconv.AppendBool(dst, value[0] != 0) }

func int2(value []byte) int16  { return int16(binary.BigEndian.Uint16(value)) } //nolint:gosec // two's complement
func int4(value []byte) int32  { return int32(binary.BigEndian.Uint32(value)) } //nolint:gosec // two's complement
func int8b(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) } //nolint:gosec // two's complement

func appendInt2(dst, value []byte) []byte { return strconv.AppendInt(dst, int64(int2(value)), 10) }
func appendInt4(dst, value []byte) []byte { return strconv.AppendInt(dst, int64(int4(value)), 10) }
func appendInt8(dst, value []byte) []byte { return strconv.AppendInt(dst, int8b(value), 10) }

func appendOID(dst, value []byte) []byte {
	return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(value)), 10)
}

func appendFloat4(dst, value []byte) []byte {
	return appendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(value))), 32)
}

func appendFloat8(dst, value []byte) []byte { return appendFloat(dst, float8(value), 64) }

func float8(value []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(value)) }

// appendFloat appends a floating point number as Java 19 and later write it: the shortest digits that lead back to the
// number, one of them behind the point, and an exponent below 0.001 and from ten million on. Older ones write more
// digits, or others, for a few numbers: see sameFloats.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	var buffer [32]byte
	digits, exponent := shortest(buffer[:0], math.Abs(f), bits)
	if math.Signbit(f) {
		dst = append(dst, '-')
	}
	switch {
	case f != 0 && (exponent < -3 || exponent >= 7):
		dst = append(dst, digits[0], '.')
		dst = append(dst, digits[1:]...)
		if len(digits) == 1 {
			dst = append(dst, '0')
		}
		return strconv.AppendInt(append(dst, 'E'), int64(exponent), 10)
	case exponent < 0:
		dst = append(dst, "0.000"[:1-exponent]...)
		return append(dst, digits...)
	default:
		for i := range max(exponent+2, len(digits)) {
			if i == exponent+1 {
				dst = append(dst, '.')
			}
			if i < len(digits) {
				dst = append(dst, digits[i])
			} else {
				dst = append(dst, '0')
			}
		}
		return dst
	}
}

// shortest returns the shortest digits of a number, without a zero at the end, and the exponent of the first. Where one
// digit would do, Java writes the two that come closest: 4.9E-324, not 5.0E-324.
func shortest(buffer []byte, f float64, bits int) (digits []byte, exponent int) {
	text := strconv.AppendFloat(buffer, f, 'e', -1, bits)
	if text[1] == 'e' {
		text = strconv.AppendFloat(buffer, f, 'e', 1, bits)
	}
	e := len(text) - 1
	for text[e] != 'e' {
		e--
	}
	exponent, _ = strconv.Atoi(string(text[e+1:])) // what AppendFloat has written
	digits = text[:e]
	copy(digits[1:], digits[2:]) // the point
	digits = digits[:e-1]
	for len(digits) > 1 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	return digits, exponent
}

// The words of a numeric's sign that say that it is no number.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInfinite = 0xD000
	numericMinusInf = 0xF000
)

const base10000 = 4 // decimal digits in one of numeric's

// appendNumeric appends a numeric's exact digits as a string.
func appendNumeric(dst, value []byte) ([]byte, error) {
	if len(value) < 8 || len(value) != 8+2*int(binary.BigEndian.Uint16(value)) {
		return nil, errMalformed
	}
	weight, sign, scale := int(int2(value[2:])), binary.BigEndian.Uint16(value[4:]), int(binary.BigEndian.Uint16(value[6:]))
	switch sign {
	case numericNaN:
		return append(dst, `"NAN"`...), nil
	case numericInfinite:
		return append(dst, `"POSITIVE_INFINITY"`...), nil
	case numericMinusInf:
		return append(dst, `"NEGATIVE_INFINITY"`...), nil
	case numericNegative:
		dst = append(dst, '"', '-')
	default:
		dst = append(dst, '"')
	}
	digits := value[8:]
	// digit returns numeric's digit of a weight: the one of weight 0 stands before the point.
	digit := func(of int) uint16 {
		at := 2 * (weight - of)
		if at < 0 || at >= len(digits) {
			return 0
		}
		return binary.BigEndian.Uint16(digits[at:])
	}
	dst = strconv.AppendUint(dst, uint64(digit(max(weight, 0))), 10)
	for of := weight - 1; of >= 0; of-- {
		dst = appendFour(dst, digit(of))
	}
	if scale > 0 {
		dst = append(dst, '.')
		end := len(dst) + scale
		for of := -1; len(dst) < end; of-- {
			dst = appendFour(dst, digit(of))
		}
		dst = dst[:end]
	}
	return append(dst, '"'), nil
}

func appendFour(dst []byte, digit uint16) []byte {
	for _, unit := range [base10000]uint16{1000, 100, 10, 1} {
		dst = append(dst, '0'+byte(digit/unit%10))
	}
	return dst
}

// isNumber says whether a numeric is one.
func isNumber(value []byte) bool {
	return len(value) >= 8 && binary.BigEndian.Uint16(value[4:]) < numericNaN
}
