package elastic

import (
	"time"

	"github.com/tidwall/gjson"

	"ticketing/eventsearch/search"
)

// bookkeeping is the indexer's own object in every document.
const bookkeeping = "cdc"

func document(id string, source gjson.Result) search.Document {
	cdc := source.Get(bookkeeping)
	return search.Document{
		ID: id, Version: source.Get("version").Raw, Event: row(source),
		CommittedAt: instant(cdc.Get("committed_at")), IndexedAt: instant(cdc.Get("indexed_at")),
		Order: search.Order{Version: cdc.Get("version").Int(), LSN: cdc.Get("lsn").Int()},
	}
}

// row returns a document's members without the bookkeeping, byte for byte: no number is read.
func row(source gjson.Result) []byte {
	text := make([]byte, 0, len(source.Raw))
	text = append(text, '{')
	source.ForEach(func(name, value gjson.Result) bool {
		if name.Str == bookkeeping {
			return true
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(text, name.Raw...)
		text = append(text, ':')
		text = append(text, value.Raw...)
		return true
	})
	return append(text, '}')
}

// instant is zero where somebody else has written the document.
func instant(value gjson.Result) time.Time {
	parsed, err := time.Parse(time.RFC3339Nano, value.Str)
	if err != nil {
		return time.Time{}
	}
	return parsed
}
