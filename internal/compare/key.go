package compare

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// key is the primary key of a row: one value or several.
type key []keyValue

// keyValue is an integer, or any text.
type keyValue struct {
	text    string
	number  int64
	numeric bool
}

func newKeyValue(text string, numeric bool) (keyValue, error) {
	v := keyValue{text: text, numeric: numeric}
	if !numeric {
		return v, nil
	}
	var err error
	v.number, err = strconv.ParseInt(text, 10, 64)
	return v, err //nolint:wrapcheck // names the text
}

// compare gives the order in which both sides are read: numbers by value, text by its bytes.
func (k key) compare(other key) int {
	for i := range k {
		order := strings.Compare(k[i].text, other[i].text)
		if k[i].numeric {
			order = cmp.Compare(k[i].number, other[i].number)
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// String returns the key as a document's _id: the value of a key of one column, a JSON array of those of several.
func (k key) String() string {
	if len(k) == 1 {
		return k[0].text
	}
	return k.json()
}

func (k key) json() string {
	values := make([]string, len(k))
	for i, v := range k {
		values[i] = v.text
		if !v.numeric {
			values[i] = quote(v.text)
		}
	}
	if len(k) == 1 {
		return values[0]
	}
	return "[" + strings.Join(values, ",") + "]"
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil { // a string always marshals
		panic(err)
	}
	return string(quoted)
}
