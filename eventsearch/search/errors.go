package search

import (
	"errors"
	"strings"
)

// Ways in which reading the index fails that are nobody's mistake here.
var (
	ErrNotFound = errors.New("event not found")
	// ErrExpired is the answer to a cursor whose snapshot of the index is gone.
	ErrExpired = errors.New("the cursor has expired")
	// ErrCursor is the answer to a cursor that no page has given.
	ErrCursor = errors.New("not a cursor of a page")
	// ErrNoIndex says that nothing has made the index yet.
	ErrNoIndex = errors.New("there is no index yet")
	// ErrUnavailable says that the index cannot answer now and may later.
	ErrUnavailable = errors.New("the index is unavailable")
)

// FieldError says what is wrong with one parameter.
type FieldError struct{ Field, Message string }

// InvalidError lists every parameter that breaks a rule.
type InvalidError struct{ Fields []FieldError }

func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Fields))
	for n, f := range e.Fields {
		parts[n] = f.Field + " " + f.Message
	}
	return "invalid search: " + strings.Join(parts, "; ")
}
