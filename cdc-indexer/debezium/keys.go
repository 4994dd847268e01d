package debezium

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// MessageKeys returns the keys that the messages of a document's row may have, byte for byte as Kafka Connect writes
// them. The text of a key of one column does not tell whether it is a number, so there may be two. It returns none when
// only the servers know how they write a character.
func (d *Decoder) MessageKeys(id string) [][]byte {
	if len(d.config.Key) > 1 {
		values := gjson.Parse(id).Array() // as documentID has copied them
		if !gjson.Valid(id) || len(values) != len(d.config.Key) {
			return nil
		}
		texts := make([]string, len(values))
		for n, value := range values {
			texts[n] = value.Raw
		}
		return [][]byte{d.messageKey(texts)}
	}
	if !plain(id) {
		return nil
	}
	keys := [][]byte{d.messageKey([]string{`"` + id + `"`})}
	if first := id[0]; gjson.Valid(id) && (first == '-' || first >= '0' && first <= '9' || id == "true" || id == "false") {
		keys = append(keys, d.messageKey([]string{id}))
	}
	return keys
}

func (d *Decoder) messageKey(values []string) []byte {
	key := []byte{'{'}
	for n, column := range d.config.Key {
		key = appendField(key, strconv.Quote(column), values[n])
	}
	return append(key, '}')
}

// plain says whether a text is the same as JSON, whoever writes it.
func plain(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return text != ""
}

// Kind returns the letter by which an envelope says what happened: c, u, d or r.
func Kind(value []byte) string { return gjson.GetBytes(value, "op").String() }
