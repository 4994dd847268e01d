package debezium

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/bits"
	"slices"
	"strconv"
)

// value is one JSON value as it stands in a message, with no space around it; nil when there is none.
type value []byte

func (v value) isString() bool { return len(v) > 0 && v[0] == '"' }
func (v value) isNumber() bool { return len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') }
func (v value) isNull() bool   { return string(v) == "null" }

// text returns what a string means, and anything else as it stands.
func (v value) text() string { return string(v.meaning()) }

// meaning is text without a copy where nothing is escaped.
func (v value) meaning() []byte {
	if !v.isString() {
		return v
	}
	inside := v[1 : len(v)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return inside
	}
	return unescape(inside)
}

// unescape takes the escapes out of a string that the scanner has passed over.
func unescape(inside []byte) []byte {
	text := make([]byte, 0, len(inside))
	for rest := inside; ; {
		plain := bytes.IndexByte(rest, '\\')
		if plain < 0 {
			return append(text, rest...)
		}
		text = append(text, rest[:plain]...)
		switch kind := rest[plain+1]; kind {
		case '"', '\\', '/':
			text = append(text, kind)
		default: // rare
			var whole string
			_ = json.Unmarshal(slices.Concat([]byte{'"'}, inside, []byte{'"'}), &whole) // it is valid
			return []byte(whole)
		}
		rest = rest[plain+2:]
	}
}

// integer returns a whole number that fits 64 bits.
func (v value) integer() (int64, bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

// scanner reads JSON once, from left to right: it checks the syntax and finds where values begin and end. It decodes
// nothing, because most of a message goes into the document as it stands. A general parser took half of the indexer's
// processor time, since it reads a message once to check it and again for each level that one looks into.
type scanner struct {
	text  []byte
	at    int
	depth int
}

// maxDepth bounds the nesting, and with it the stack. Elasticsearch's parser has the same bound: Jackson's default.
const maxDepth = 1000

var (
	errNoJSON   = errors.New("no JSON")
	errNoObject = errors.New("no JSON object")
)

// only passes over an object that is all there is; see object.
func (s *scanner) only(member func(name value) bool) error {
	isObject := s.next() == '{'
	var ok bool
	if isObject {
		ok = s.object(member)
	} else {
		_, ok = s.value()
	}
	switch {
	case !ok || !s.ended():
		return errNoJSON
	case !isObject:
		return errNoObject
	default:
		return nil
	}
}

// ended says whether nothing but space is left.
func (s *scanner) ended() bool {
	s.space()
	return s.at == len(s.text)
}

func valid(text []byte) bool {
	s := scanner{text: text}
	_, ok := s.value()
	return ok && s.ended()
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// next returns the next byte that is no space, 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// value passes over the next value and returns it; false if there is no valid one.
func (s *scanner) value() (value, bool) {
	first := s.next()
	start := s.at
	var ok bool
	switch first {
	case '"':
		ok = s.string()
	case '{':
		ok = s.object(func(value) bool {
			_, ok := s.value()
			return ok
		})
	case '[':
		ok = s.array(func() bool {
			_, ok := s.value()
			return ok
		})
	case 't':
		ok = s.literal("true")
	case 'f':
		ok = s.literal("false")
	case 'n':
		ok = s.literal("null")
	default:
		ok = s.number()
	}
	return s.text[start:s.at:s.at], ok
}

// object passes over an object. It calls member with each name, in its quotes, in front of the value, which member has
// to pass over.
func (s *scanner) object(member func(name value) bool) bool {
	return s.list('{', '}', func() bool {
		if s.next() != '"' {
			return false
		}
		start := s.at
		if !s.string() {
			return false
		}
		name := s.text[start:s.at:s.at]
		return s.byte(':') && member(name)
	})
}

// array passes over an array. It calls element in front of each element, which it has to pass over.
func (s *scanner) array(element func() bool) bool { return s.list('[', ']', element) }

// list passes over what stands between brackets, separated by commas.
func (s *scanner) list(opening, closing byte, item func() bool) bool {
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > maxDepth || !s.byte(opening) {
		return false
	}
	if s.next() == closing {
		s.at++
		return true
	}
	for item() {
		switch s.next() {
		case ',':
			s.at++
		case closing:
			s.at++
			return true
		default:
			return false
		}
	}
	return false
}

// byte passes over one byte and the space before it.
func (s *scanner) byte(b byte) bool {
	if s.next() != b {
		return false
	}
	s.at++
	return true
}

func (s *scanner) literal(word string) bool {
	if end := s.at + len(word); end <= len(s.text) && string(s.text[s.at:end]) == word {
		s.at = end
		return true
	}
	return false
}

func (s *scanner) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		return s.digits()
	}
	return true
}

// skip passes over the byte if it is the next one.
func (s *scanner) skip(b byte) bool {
	if s.at < len(s.text) && s.text[s.at] == b {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// string passes over the string that begins here.
func (s *scanner) string() bool {
	s.at++
	for s.plain() {
		switch s.text[s.at] {
		case '"':
			s.at++
			return true
		case '\\':
			if !s.escape() {
				return false
			}
		default: // a control character
			return false
		}
	}
	return false
}

// plain passes over the characters that stand for themselves, eight at a time; false at the end of the text.
func (s *scanner) plain() bool {
	for ; s.at+8 <= len(s.text); s.at += 8 {
		if found := special(binary.LittleEndian.Uint64(s.text[s.at:])); found != 0 {
			s.at += bits.TrailingZeros64(found) / 8
			return true
		}
	}
	for ; s.at < len(s.text); s.at++ {
		if b := s.text[s.at]; b < ' ' || b == '"' || b == '\\' {
			return true
		}
	}
	return false
}

// special sets the highest bit of the bytes that end a run of plain ones: control characters, quotes and backslashes. Above
// the first of them it may set others, too. A byte is zero where subtracting one borrows into its highest bit, and below n
// where subtracting n does; those that had that bit before are left out.
func special(eight uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := eight^('"'*ones), eight^('\\'*ones)
	control := (eight - ' '*ones) &^ eight
	return (control | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}

func (s *scanner) escape() bool {
	s.at++
	if s.at == len(s.text) {
		return false
	}
	kind := s.text[s.at]
	s.at++
	switch kind {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		const digits = 4
		for range digits {
			if s.at == len(s.text) || !isHex(s.text[s.at]) {
				return false
			}
			s.at++
		}
		return true
	default:
		return false
	}
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}
