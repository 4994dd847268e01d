package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"ticketing/eventsearch/search"
)

const digestBytes = 8

var (
	errCursor      = errors.New("is not a next_cursor of this API")
	errCursorQuery = errors.New("belongs to another search: repeat the parameters of the first page")
)

// cursorText is what a cursor holds: where the next page begins, and a digest of the search that it was made for.
type cursorText struct {
	Snapshot string          `json:"s"`
	After    json.RawMessage `json:"a"`
	Seen     int             `json:"n"`
	Digest   []byte          `json:"d"`
}

func encodeCursor(cursor search.Cursor, query search.Query) (string, error) {
	digest, err := queryDigest(query)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(cursorText{cursor.Snapshot, cursor.After, cursor.Seen, digest})
	if err != nil {
		return "", fmt.Errorf("encode the cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

func decodeCursor(cursor string, query search.Query) (*search.Cursor, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, errCursor
	}
	var content cursorText
	var after []any
	if json.Unmarshal(text, &content) != nil || json.Unmarshal(content.After, &after) != nil ||
		len(after) == 0 || content.Snapshot == "" || content.Seen < 0 {
		return nil, errCursor
	}
	digest, err := queryDigest(query)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(content.Digest, digest) {
		return nil, errCursorQuery
	}
	return &search.Cursor{Snapshot: content.Snapshot, After: content.After, Seen: content.Seen}, nil
}

// queryDigest is the same for all pages of a search: they may differ in size.
func queryDigest(query search.Query) ([]byte, error) {
	query.Cursor, query.Limit = nil, 0
	text, err := json.Marshal(query)
	if err != nil {
		return nil, fmt.Errorf("encode the search: %w", err)
	}
	sum := sha256.Sum256(text)
	return sum[:digestBytes], nil
}
