package debezium

import (
	"encoding/json"
	"strconv"
)

// MessageKeys returns the keys that the messages of a document's row may have, byte for byte as Kafka Connect writes
// them. The text of a key of one column does not tell whether it is a number, so there may be two. It returns none when
// only the servers know how they write a character.
func (d *Decoder) MessageKeys(id string) [][]byte {
	if len(d.config.Key) > 1 {
		var values []json.RawMessage // as documentID has copied them
		if json.Unmarshal([]byte(id), &values) != nil || len(values) != len(d.config.Key) {
			return nil
		}
		return [][]byte{d.messageKey(values)}
	}
	if !plain(id) {
		return nil
	}
	keys := [][]byte{d.messageKey([]json.RawMessage{[]byte(`"` + id + `"`)})}
	if v := value(id); valid(v) && (v.isNumber() || id == "true" || id == "false") {
		keys = append(keys, d.messageKey([]json.RawMessage{[]byte(id)}))
	}
	return keys
}

func (d *Decoder) messageKey(values []json.RawMessage) []byte {
	key := []byte{'{'}
	for n, v := range values {
		key = appendField(key, value(strconv.Quote(d.config.Key[n])), value(v))
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
func Kind(message []byte) string {
	var e envelope
	if e.parse(message) != nil {
		return ""
	}
	return e.op.text()
}
