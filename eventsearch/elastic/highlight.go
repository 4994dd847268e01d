package elastic

import (
	"strings"

	"github.com/tidwall/gjson"

	"ticketing/eventsearch/search"
)

const (
	// A description may have a million characters; the server fails a search that would look at more than that.
	highlightedCharacters = 100_000
	fragmentCharacters    = 160
)

// highlighting marks what matches, in HTML with all else escaped. It asks for beginnings of words by a wildcard: the
// query's own way goes by a hidden field, which marks nothing.
func highlighting(text search.Text) object {
	field := func(name string, fragments int) object {
		return object{
			"number_of_fragments": fragments, "fragment_size": fragmentCharacters,
			"highlight_query": object{"bool": object{"should": marks(name, text)}},
		}
	}
	return object{
		"encoder": "html", "pre_tags": []string{"<mark>"}, "post_tags": []string{"</mark>"},
		"max_analyzed_offset": highlightedCharacters,
		"fields":              object{"title": field("title", 0), "description": field("description", 1)},
	}
}

var wildcards = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

func marks(field string, text search.Text) []object {
	var queries []object
	for n, word := range text.Words {
		queries = append(queries, object{"match": object{field: object{
			"query": word, "fuzziness": typoDistances, "prefix_length": 1, "max_expansions": typoExpansions,
		}}})
		if text.Open && n == len(text.Words)-1 {
			queries = append(queries, object{"wildcard": object{field: wildcards.Replace(strings.ToLower(word)) + "*"}})
		}
	}
	for _, phrase := range text.Phrases {
		queries = append(queries, object{"match_phrase": object{field: phrase}})
	}
	return queries
}

func readHighlights(hit gjson.Result) search.Highlights {
	return search.Highlights{Title: hit.Get("highlight.title.0").String(), Description: hit.Get("highlight.description.0").String()}
}
