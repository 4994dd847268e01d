package main

import (
	"context"
	"net/http"
	"net/url"
)

// search reads the index through its alias, as every reader does.
type search struct {
	*client
	alias string
}

// count returns how many documents there are.
func (s *search) count(ctx context.Context) (int, error) {
	got, err := s.call(ctx, request{method: http.MethodGet, path: "/" + url.PathEscape(s.alias) + "/_count"})
	return int(got.body.Get("count").Int()), err
}

// has says whether a search finds that version of an event, or a later one.
func (s *search) has(ctx context.Context, id string, version int64) (bool, error) {
	type object = map[string]any
	got, err := s.call(ctx, request{
		method: http.MethodPost, path: "/" + url.PathEscape(s.alias) + "/_count",
		body: object{"query": object{"bool": object{"filter": []object{
			{"term": object{"id": id}},
			{"range": object{"version": object{"gte": version}}},
		}}}},
	})
	return got.body.Get("count").Int() > 0, err
}
