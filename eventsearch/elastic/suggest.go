package elastic

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"ticketing/eventsearch/search"
)

const (
	completionsOfAKind = 5
	// Completions are counted among so many events that match, and not all of them: "b" has to be as quick as "bach".
	sampledEvents = 1000
)

// kinds are the fields that complete a text, the likeliest first.
var kinds = []struct{ name, field string }{
	{"title", "title"},
	{"city", "city"},
	{"venue", "venue_name"},
	{"organizer", "organizer"},
}

// Suggest completes a text by values that begin with it, or have all of its words and one that begins with the last. When
// there are none, it corrects the words that no event has.
func (i *Index) Suggest(ctx context.Context, text string) (search.Suggestions, error) {
	var anywhere []object
	aggregations := object{}
	for _, kind := range kinds {
		begins := object{"match_bool_prefix": object{kind.field: object{"query": text, "operator": "and"}}}
		anywhere = append(anywhere, begins)
		values := object{"terms": object{"field": kind.field + ".keyword", "size": completionsOfAKind, "execution_hint": "map"}}
		aggregations[kind.name] = object{"filter": begins, "aggs": object{"sample": object{
			"sampler": object{"shard_size": sampledEvents}, "aggs": object{"values": values},
		}}}
	}
	answer, err := i.search(ctx, "suggest", []string{i.config.ReadAlias}, object{
		"size": 0, "track_total_hits": false, "query": object{"bool": object{"should": anywhere}}, "aggs": aggregations,
	})
	if err != nil {
		return search.Suggestions{}, err
	}
	if completions := completions(answer, text); len(completions) > 0 {
		return search.Suggestions{Completions: completions}, nil
	}
	correction, err := i.correct(ctx, text)
	return search.Suggestions{DidYouMean: correction}, err
}

// completions puts values that begin with the text first, whatever they are.
func completions(answer gjson.Result, text string) []search.Completion {
	var found []search.Completion
	for _, kind := range kinds {
		for _, bucket := range answer.Get("aggregations." + kind.name + ".sample.values.buckets").Array() {
			found = append(found, search.Completion{
				Text: bucket.Get("key").String(), Kind: kind.name, Count: int(bucket.Get("doc_count").Int()),
			})
		}
	}
	begins := func(c search.Completion) int {
		if strings.HasPrefix(strings.ToLower(c.Text), strings.ToLower(strings.TrimSpace(text))) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(found, func(a, b search.Completion) int { return cmp.Compare(begins(a), begins(b)) })
	return found
}

// correct replaces each word that no event has by the nearest one that some have. It returns nothing when there is
// nothing to replace.
func (i *Index) correct(ctx context.Context, text string) (string, error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) > search.MaxTerms {
		return "", nil
	}
	suggesters, known := object{"text": strings.Join(words, " ")}, object{}
	fields := make([]string, len(kinds))
	for n, kind := range kinds {
		fields[n] = kind.field
		suggesters[kind.name] = object{"term": object{
			"field": kind.field, "analyzer": "whitespace", "suggest_mode": "always", "prefix_length": 0, "min_word_length": 3, "size": 1,
		}}
	}
	for n, word := range words {
		known[fmt.Sprint(n)] = object{"filter": object{"multi_match": object{"query": word, "operator": "and", "fields": fields}}}
	}
	answer, err := i.search(ctx, "correct", []string{i.config.ReadAlias}, object{
		"size": 0, "track_total_hits": false, "suggest": suggesters, "aggs": known,
	})
	if err != nil {
		return "", err
	}
	replaced := false
	for n := range words {
		if answer.Get(fmt.Sprintf("aggregations.%d.doc_count", n)).Int() > 0 {
			continue
		}
		if better := nearest(answer, n); better != "" {
			words[n], replaced = better, true
		}
	}
	if !replaced {
		return "", nil
	}
	return strings.Join(words, " "), nil
}

// nearest returns the best suggestion for a word among those of all fields.
func nearest(answer gjson.Result, word int) string {
	var best gjson.Result
	for _, kind := range kinds {
		option := answer.Get(fmt.Sprintf("suggest.%s.%d.options.0", kind.name, word))
		if option.Exists() && option.Get("score").Float() > best.Get("score").Float() {
			best = option
		}
	}
	return best.Get("text").String()
}
