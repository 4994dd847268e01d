package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"ticketing/eventapi/event"
)

const cursorFilterBytes = 8

var (
	errCursor       = errors.New("is not a next_cursor of this API")
	errCursorFilter = errors.New("belongs to a list with other filters: repeat the filters of the first page")
)

// A cursor is the id after which the next page starts, and a digest of the filters it was made for.
func encodeCursor(after event.ID, filter event.Filter) (string, error) {
	digest, err := filterDigest(filter)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(after[:], digest...)), nil
}

func decodeCursor(cursor string, filter event.Filter) (event.ID, error) {
	var id event.ID
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(text) != len(id)+cursorFilterBytes {
		return id, errCursor
	}
	copy(id[:], text)
	digest, err := filterDigest(filter)
	if err != nil {
		return id, err
	}
	if !bytes.Equal(text[len(id):], digest) {
		return id, errCursorFilter
	}
	return id, nil
}

func filterDigest(filter event.Filter) ([]byte, error) {
	text, err := json.Marshal(filter)
	if err != nil {
		return nil, fmt.Errorf("encode the filter: %w", err)
	}
	sum := sha256.Sum256(text)
	return sum[:cursorFilterBytes], nil
}
