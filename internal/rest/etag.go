package rest

import (
	"errors"
	"slices"
	"strings"
)

// EntityTags is the content of If-Match or If-None-Match.
type EntityTags struct {
	any  bool // *
	tags []entityTag
}

type entityTag struct {
	opaque string // between the quotes
	weak   bool
}

var errEntityTags = errors.New(`must be * or a list of entity tags in double quotes, such as "3"`)

// ParseEntityTags reads a list of entity tags (RFC 9110, section 13.1.1). A tag may contain commas.
func ParseEntityTags(header string) (EntityTags, error) {
	var list EntityTags
	rest := strings.Trim(header, " \t,")
	if rest == "*" {
		return EntityTags{any: true}, nil
	}
	for rest != "" {
		var tag entityTag
		rest, tag.weak = strings.CutPrefix(rest, "W/")
		quoted, ok := strings.CutPrefix(rest, `"`)
		if !ok {
			return EntityTags{}, errEntityTags
		}
		tag.opaque, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return EntityTags{}, errEntityTags
		}
		list.tags = append(list.tags, tag)
		trimmed := strings.TrimLeft(rest, " \t")
		if trimmed != "" && trimmed[0] != ',' {
			return EntityTags{}, errEntityTags
		}
		rest = strings.TrimLeft(trimmed, " \t,")
	}
	return list, nil
}

// MatchStrong compares as If-Match does: a weak tag matches nothing. It takes what stands between the quotes.
func (e EntityTags) MatchStrong(opaque string) bool {
	return e.any || slices.Contains(e.tags, entityTag{opaque: opaque})
}

// MatchWeak compares as If-None-Match does: a weak tag is as good as a strong one.
func (e EntityTags) MatchWeak(opaque string) bool {
	return e.MatchStrong(opaque) || slices.Contains(e.tags, entityTag{opaque: opaque, weak: true})
}
