// Package schemacompat tells whether a JSON Schema that was changed still is what its readers rely on: whoever reads
// messages or documents of the old one must be able to read those of the new one.
//
// It knows no more of JSON Schema than that, and is strict. What may change is: a property that is new and optional, a new
// definition, a new value of an enum, and words for people. Everything else is breaking, also what widens: a reader relies
// on a field's being there, on its type, and on the form of its values.
package schemacompat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// annotations are for people only.
var annotations = []string{"title", "description", "$comment", "examples", "deprecated"}

// Breaking returns what breaks readers of the old schema, each with its place; nothing when they get on with the new one.
// The error is about a text that is no JSON object.
func Breaking(older, newer []byte) ([]string, error) {
	before, err := parse(older)
	if err != nil {
		return nil, fmt.Errorf("the old schema: %w", err)
	}
	after, err := parse(newer)
	if err != nil {
		return nil, fmt.Errorf("the new schema: %w", err)
	}
	var c comparison
	c.schema("#", before, after)
	return c.breaking, nil
}

func parse(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var schema map[string]any
	if err := decoder.Decode(&schema); err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	return schema, nil
}

type comparison struct{ breaking []string }

func (c *comparison) found(at, format string, args ...any) {
	c.breaking = append(c.breaking, at+": "+fmt.Sprintf(format, args...))
}

// schema compares two schemas keyword by keyword.
func (c *comparison) schema(at string, before, after map[string]any) {
	keywords := maps.Clone(before)
	maps.Copy(keywords, after)
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		was, is := before[keyword], after[keyword]
		if slices.Contains(annotations, keyword) || reflect.DeepEqual(was, is) {
			continue
		}
		place := at + "/" + keyword
		switch keyword {
		case "properties", "$defs":
			c.named(place, object(was), object(is))
		case "required":
			c.required(place, list(was), list(is))
		case "enum":
			c.enum(place, was, is)
		case "type":
			if !sameSet(list(was), list(is)) {
				c.found(place, "was %s, is %s", text(was), text(is))
			}
		default:
			c.value(place, was, is)
		}
	}
}

// named compares properties or definitions: new ones are fine.
func (c *comparison) named(at string, before, after map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		is, exists := after[name]
		if !exists {
			c.found(at+"/"+name, "was removed")
			continue
		}
		c.value(at+"/"+name, before[name], is)
	}
}

func (c *comparison) required(at string, before, after []any) {
	for _, name := range after {
		if !contains(before, name) {
			c.found(at, "%v was optional: messages that lack it become invalid", name)
		}
	}
	for _, name := range before {
		if !contains(after, name) {
			c.found(at, "%v may be missing now", name)
		}
	}
}

func (c *comparison) enum(at string, before, after any) {
	if before == nil || after == nil {
		c.value(at, before, after)
		return
	}
	for _, value := range list(before) {
		if !contains(list(after), value) {
			c.found(at, "%s is no value any more", text(value))
		}
	}
}

// value compares what stands behind a keyword that has no rule of its own: schemas in it by the rules, anything else
// must be the same.
func (c *comparison) value(at string, before, after any) {
	was, wasSchema := before.(map[string]any)
	is, isSchema := after.(map[string]any)
	if wasSchema && isSchema {
		c.schema(at, was, is)
		return
	}
	wasList, isList := list(before), list(after)
	if reflect.TypeOf(before) == reflect.TypeOf(after) && len(wasList) > 1 && len(wasList) == len(isList) {
		for n := range wasList {
			c.value(fmt.Sprintf("%s/%d", at, n), wasList[n], isList[n])
		}
		return
	}
	if !reflect.DeepEqual(before, after) {
		c.found(at, "was %s, is %s", text(before), text(after))
	}
}

func object(value any) map[string]any {
	found, _ := value.(map[string]any)
	return found
}

// list returns the elements of a list, or the one value that stands in for a list of one.
func list(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		return []any{value}
	}
}

func sameSet(a, b []any) bool {
	within := func(all, some []any) bool {
		return !slices.ContainsFunc(some, func(value any) bool { return !contains(all, value) })
	}
	return within(a, b) && within(b, a)
}

// contains takes values that Go cannot compare by itself, too.
func contains(all []any, wanted any) bool {
	return slices.ContainsFunc(all, func(value any) bool { return reflect.DeepEqual(value, wanted) })
}

func text(value any) string {
	if value == nil {
		return "not there"
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSpace(string(encoded))
}
