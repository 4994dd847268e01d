package event

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// CheckJSON says what the database would refuse, or decoding would silently change, in a JSON text that is well
// formed otherwise: bytes that are not UTF-8, the escape \u0000, half of a surrogate pair, a number with too many
// digits, too deep a nesting.
func CheckJSON(text []byte) error {
	_, err := scanJSON(text, 0)
	return err
}

// checkAttributes returns what is wrong with attributes, or nothing.
func checkAttributes(attributes Attributes) string {
	size := len("{}")
	for name, value := range attributes {
		if !utf8.ValidString(name) {
			return "must be valid UTF-8"
		}
		if strings.ContainsRune(name, 0) {
			return "must not contain the NUL character (U+0000)"
		}
		printed, err := scanJSON(value, 1)
		if err != nil {
			return err.Error()
		}
		size += len(strconv.Quote(name)) + len(": , ") + printed
	}
	if size > MaxAttributes {
		return fmt.Sprintf("must be at most %d bytes of JSON, numbers written without exponents", MaxAttributes)
	}
	return ""
}

// jsonScanner walks over a JSON text token by token. It relies on the text being well formed.
type jsonScanner struct {
	text []byte
	at   int
	size int // of the text as jsonb prints it, at most
}

// scanJSON checks the text as CheckJSON says and returns the number of bytes it has, at most, as jsonb prints it:
// with a space after every comma and colon, and with numbers written without exponents. The text lies within depth
// levels of objects and arrays.
func scanJSON(text []byte, depth int) (int, error) {
	if !utf8.Valid(text) {
		return 0, errors.New("must be valid UTF-8")
	}
	s := &jsonScanner{text: text}
	for s.at < len(s.text) {
		var err error
		switch c := s.text[s.at]; {
		case c == '"':
			err = s.string()
		case c == '-' || '0' <= c && c <= '9':
			err = s.number()
		default:
			if c == '{' || c == '[' {
				depth++
			}
			if c == '}' || c == ']' {
				depth--
			}
			if depth > MaxDepth {
				err = fmt.Errorf("must not be nested deeper than %d levels", MaxDepth)
			}
			s.size += 2
			s.at++
		}
		if err != nil {
			return 0, err
		}
	}
	return s.size, nil
}

// string moves past a string.
func (s *jsonScanner) string() error {
	start := s.at
	s.at++
	for s.at < len(s.text) && s.text[s.at] != '"' {
		if s.text[s.at] != '\\' {
			s.at++
			continue
		}
		if s.at+1 < len(s.text) && s.text[s.at+1] == 'u' {
			if err := s.unicodeEscape(); err != nil {
				return err
			}
			continue
		}
		s.at += 2
	}
	s.at++
	s.size += s.at - start
	return nil
}

// unicodeEscape moves past \uXXXX, and past a second one when the first is half of a surrogate pair.
func (s *jsonScanner) unicodeEscape() error {
	first := s.codeUnit()
	s.at += 6
	if first == 0 {
		return errors.New("must not contain the NUL character (U+0000)")
	}
	if !utf16.IsSurrogate(first) {
		return nil
	}
	if utf16.DecodeRune(first, s.codeUnit()) == utf8.RuneError {
		return errors.New("must not contain half of a UTF-16 surrogate pair")
	}
	s.at += 6
	return nil
}

// codeUnit reads the \uXXXX at the current position; -1 when there is none.
func (s *jsonScanner) codeUnit() rune {
	if s.at+6 > len(s.text) || s.text[s.at] != '\\' || s.text[s.at+1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(s.text[s.at+2:s.at+6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// number moves past a number.
func (s *jsonScanner) number() error {
	start := s.at
	for s.at < len(s.text) && strings.IndexByte("+-.eE0123456789", s.text[s.at]) >= 0 {
		s.at++
	}
	printed := printedDigits(string(s.text[start:s.at]))
	if printed > MaxNumberDigits {
		return fmt.Errorf("must not contain a number of more than %d digits, written without an exponent", MaxNumberDigits)
	}
	s.size += printed
	return nil
}

// printedDigits returns how long a JSON number gets, at most, when it is written without an exponent.
func printedDigits(number string) int {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	if exponent == "" {
		return len(mantissa)
	}
	shift, err := strconv.Atoi(exponent)
	if err != nil || max(shift, -shift) > MaxNumberDigits {
		return MaxNumberDigits + 1
	}
	return len(mantissa) + max(shift, -shift)
}
