package event

import (
	"errors"
	"fmt"
	"strings"
)

// Ways in which reading or writing an event fails that are nobody's mistake here.
var (
	ErrNotFound        = errors.New("event not found")
	ErrExists          = errors.New("an event with this id exists already")
	ErrVersionMismatch = errors.New("the event has another version")
	// ErrUnavailable is the store's word that it cannot answer now and may later. Whether a write happened is
	// not known.
	ErrUnavailable = errors.New("the store is unavailable")
)

// FieldError says what is wrong with one field. Field is its JSON name, with [n] for an element: tags[2].
type FieldError struct {
	Field   string
	Message string
}

// InvalidError lists every field that breaks a rule.
type InvalidError struct {
	Fields []FieldError
}

func (e *InvalidError) Error() string {
	var text strings.Builder
	text.WriteString("invalid event")
	separator := ": "
	for _, f := range e.Fields {
		fmt.Fprintf(&text, "%s%s %s", separator, f.Field, f.Message)
		separator = "; "
	}
	return text.String()
}

// ItemError says which of several events an error is about.
type ItemError struct {
	Index int
	Err   error
}

func (e *ItemError) Error() string { return fmt.Sprintf("event %d: %v", e.Index, e.Err) }

func (e *ItemError) Unwrap() error { return e.Err }
