package table

import (
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"
)

// appendText appends what comes as text.
func appendText(dst, value []byte) ([]byte, error) { return appendString(dst, value), nil }

// appendJSON appends a json or jsonb as what it means. The decoder does so with the text that Debezium sends.
func appendJSON(dst, value []byte) ([]byte, error) { return append(dst, withoutVersion(value)...), nil }

// appendJSONB appends a jsonb as a string.
func appendJSONB(dst, value []byte) ([]byte, error) {
	return appendString(dst, withoutVersion(value)), nil
}

// withoutVersion takes off the byte in front of a jsonb's text. A json has none, and no text of one starts with it.
func withoutVersion(value []byte) []byte {
	if len(value) > 0 && value[0] == 1 {
		return value[1:]
	}
	return value
}

func appendUUID(dst, value []byte) []byte {
	dst = append(dst, '"')
	dst = appendUUIDText(dst, value)
	return append(dst, '"')
}

func appendUUIDText(dst, value []byte) []byte {
	dst = hex.AppendEncode(dst, value[0:4])
	for _, part := range [][]byte{value[4:6], value[6:8], value[8:10], value[10:16]} {
		dst = append(dst, '-')
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

func appendBytea(dst, value []byte) ([]byte, error) {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, value)
	return append(dst, '"'), nil
}

const upperHex = "0123456789ABCDEF"

// plain are the bytes that stand in a JSON string as they are: all but control characters, quotes, backslashes, and
// the first bytes of characters beyond U+FFFF.
var plain = func() (plain [256]bool) {
	for b := 0x20; b < 0xF0; b++ {
		plain[b] = b != '"' && b != '\\'
	}
	return plain
}()

// appendString appends text as the JSON string that Kafka Connect's converter writes (Jackson's UTF8JsonGenerator):
// UTF-8, but for characters beyond U+FFFF, which are escaped as surrogate pairs; digits of escapes in upper case.
func appendString(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		if plain[text[i]] {
			i++
			continue
		}
		dst = append(dst, text[start:i]...)
		dst, i = appendEscaped(dst, text, i)
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// appendEscaped escapes the character at a place in the text, and returns the place of the next.
func appendEscaped(dst, text []byte, at int) (_ []byte, next int) {
	b := text[at]
	switch b {
	case '"', '\\':
		return append(dst, '\\', b), at + 1
	case '\b':
		return append(dst, '\\', 'b'), at + 1
	case '\t':
		return append(dst, '\\', 't'), at + 1
	case '\n':
		return append(dst, '\\', 'n'), at + 1
	case '\f':
		return append(dst, '\\', 'f'), at + 1
	case '\r':
		return append(dst, '\\', 'r'), at + 1
	}
	if b < 0x20 {
		return appendUnit(dst, rune(b)), at + 1
	}
	r, size := utf8.DecodeRune(text[at:])
	if size < utf8.UTFMax { // not UTF-8: the database holds something else
		return append(dst, b), at + 1
	}
	r -= 0x10000
	dst = appendUnit(dst, 0xD800+r>>10)
	return appendUnit(dst, 0xDC00+r&0x3FF), at + size
}

// appendUnit appends \u and the four digits of a UTF-16 unit.
func appendUnit(dst []byte, unit rune) []byte {
	return append(dst, '\\', 'u', upperHex[unit>>12&0xF], upperHex[unit>>8&0xF], upperHex[unit>>4&0xF], upperHex[unit&0xF])
}
