package httpapi

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// etag makes an entity tag of a version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// entityTags is the content of If-Match or If-None-Match.
type entityTags struct {
	any  bool // *
	tags []entityTag
}

type entityTag struct {
	opaque string // between the quotes
	weak   bool
}

var errEntityTags = errors.New(`must be * or a list of entity tags in double quotes, such as "3"`)

// parseEntityTags reads a list of entity tags (RFC 9110, section 13.1.1). A tag may contain commas.
func parseEntityTags(header string) (entityTags, error) {
	var list entityTags
	rest := strings.Trim(header, " \t,")
	if rest == "*" {
		return entityTags{any: true}, nil
	}
	for rest != "" {
		var tag entityTag
		rest, tag.weak = strings.CutPrefix(rest, "W/")
		quoted, ok := strings.CutPrefix(rest, `"`)
		if !ok {
			return entityTags{}, errEntityTags
		}
		tag.opaque, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return entityTags{}, errEntityTags
		}
		list.tags = append(list.tags, tag)
		trimmed := strings.TrimLeft(rest, " \t")
		if trimmed != "" && trimmed[0] != ',' {
			return entityTags{}, errEntityTags
		}
		rest = strings.TrimLeft(trimmed, " \t,")
	}
	return list, nil
}

// matchStrong compares as If-Match does: a weak tag matches nothing.
func (e entityTags) matchStrong(version int64) bool {
	return e.any || slices.Contains(e.tags, entityTag{opaque: strconv.FormatInt(version, 10)})
}

// matchWeak compares as If-None-Match does: a weak tag is as good as a strong one.
func (e entityTags) matchWeak(version int64) bool {
	return e.matchStrong(version) || slices.Contains(e.tags, entityTag{opaque: strconv.FormatInt(version, 10), weak: true})
}
