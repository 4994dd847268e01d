package debezium

import (
	"crypto/md5" //nolint:gosec // what Java's UUID.nameUUIDFromBytes does; nothing is protected by it
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// unavailableValue is Debezium's default for unavailable.value.placeholder. It stands in for the value of a large
// (TOASTed) column that an UPDATE did not touch, unless the table's replica identity is FULL.
const unavailableValue = "__debezium_unavailable_value"

// placeholders are the forms that the placeholder takes in the JSON of the different column types, as in Debezium's
// class UnchangedToastedPlaceholder.
var placeholders = placeholderForms(unavailableValue)

func placeholderForms(text string) []string {
	inBase64 := base64.StdEncoding.EncodeToString([]byte(text))
	numbers := make([]int, len(text))
	for n, b := range []byte(text) {
		numbers[n] = int(b)
	}
	hstore := map[string]string{text: text}
	hstoreText, err := json.Marshal(hstore)
	if err != nil { // a map of strings always marshals
		panic(err)
	}
	values := []any{
		text,                       // text, json, jsonb, xml, ...
		inBase64,                   // bytea
		[]string{text},             // text[]
		[]string{inBase64},         // bytea[]
		numbers,                    // integer[], bigint[]: the bytes of the text
		[]string{javaUUID(text)},   // uuid[]
		hstore, string(hstoreText), // hstore, by hstore.handling.mode
	}
	forms := make([]string, len(values))
	for n, value := range values {
		form, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		forms[n] = string(form)
	}
	return forms
}

// javaUUID is Java's UUID.nameUUIDFromBytes: version 3 without a name space.
func javaUUID(name string) string {
	sum := md5.Sum([]byte(name)) //nolint:gosec // see the import
	sum[6] = sum[6]&0x0f | 0x30
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}

// isPlaceholder says whether a column's JSON is nothing but the placeholder. A text that merely contains it is a
// value like any other.
func isPlaceholder(v value) bool {
	return slices.ContainsFunc(placeholders, func(form string) bool { return string(v) == form })
}
