package httpapi

import (
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/eventapi/event"
	"ticketing/internal/rest"
)

// decodeFields reads the members of an event's JSON object, and returns everything that is wrong with them: members
// that are unknown, missing, of another type, or against the rules.
func decodeFields(members map[string]json.RawMessage, location string) (event.Fields, []*huma.ErrorDetail) {
	fields := event.Defaults()
	errs := decodeMembers(members, &fields, location)
	return fields, append(errs, validate(&fields, location, errs)...)
}

// decodeNew is decodeFields for an event to be created, which may have an id.
func decodeNew(members map[string]json.RawMessage, location string) (event.New, []*huma.ErrorDetail) {
	created := event.New{Fields: event.Defaults()}
	errs := decodeMembers(members, &created, location)
	return created, append(errs, validate(&created.Fields, location, errs)...)
}

// checkPatch returns what is wrong with the members of a merge patch by themselves, whatever they are merged into.
func checkPatch(members map[string]json.RawMessage) []*huma.ErrorDetail {
	var fields event.Fields
	var errs []*huma.ErrorDetail
	for field, into := range writable(&fields) {
		text := members[field.Tag.Get("json")]
		if text == nil || string(text) == "null" {
			continue
		}
		if message := decodeMember(text, field, into); message != "" {
			errs = append(errs, rest.At("body."+field.Tag.Get("json"), message))
		}
	}
	return append(errs, unknownMembers(members, &fields, "body")...)
}

// validate returns the rules that are broken, but for fields that have an error already.
func validate(fields *event.Fields, location string, known []*huma.ErrorDetail) []*huma.ErrorDetail {
	fields.Truncate()
	var invalid *event.InvalidError
	if !errors.As(fields.Validate(), &invalid) {
		return nil
	}
	return slices.DeleteFunc(fieldErrors(invalid, location), func(found *huma.ErrorDetail) bool {
		return slices.ContainsFunc(known, func(k *huma.ErrorDetail) bool { return k.Location == found.Location })
	})
}

// decodeMembers reads each member into the field that carries its name in target, an *event.New or an *event.Fields,
// whose tags are the API's documentation too.
func decodeMembers(members map[string]json.RawMessage, target any, location string) []*huma.ErrorDetail {
	var errs []*huma.ErrorDetail
	for field, into := range writable(target) {
		name := field.Tag.Get("json")
		if message := decodeMember(members[name], field, into); message != "" {
			errs = append(errs, rest.At(location+"."+name, message))
		}
	}
	return append(errs, unknownMembers(members, target, location)...)
}

// The fields of the structs that are decoded. To find them takes longer than to decode them.
var (
	fieldsOfNew    = reflect.VisibleFields(reflect.TypeFor[event.New]())
	fieldsOfFields = reflect.VisibleFields(reflect.TypeFor[event.Fields]())
)

// writable walks over the fields of an *event.New or an *event.Fields, those of embedded structs included.
func writable(target any) iter.Seq2[reflect.StructField, reflect.Value] {
	fields := fieldsOfFields
	if _, ok := target.(*event.New); ok {
		fields = fieldsOfNew
	}
	return func(yield func(reflect.StructField, reflect.Value) bool) {
		value := reflect.ValueOf(target).Elem()
		for _, field := range fields {
			if !field.Anonymous && !yield(field, value.FieldByIndex(field.Index)) {
				return
			}
		}
	}
}

func unknownMembers(members map[string]json.RawMessage, target any, location string) []*huma.ErrorDetail {
	unknown := maps.Clone(members)
	for field := range writable(target) {
		delete(unknown, field.Tag.Get("json"))
	}
	var errs []*huma.ErrorDetail
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		errs = append(errs, rest.At(location+"."+name, "is not a field that can be written"))
	}
	return errs
}

// decodeMember returns what is wrong with the member, or nothing.
func decodeMember(text json.RawMessage, field reflect.StructField, into reflect.Value) string {
	if text == nil {
		if field.Tag.Get("required") == "false" {
			return ""
		}
		return "is required"
	}
	if string(text) == "null" && into.Kind() != reflect.Pointer {
		return "must not be null"
	}
	if err := event.CheckJSON(text); err != nil {
		return err.Error()
	}
	if field.Type == reflect.TypeFor[*int32]() {
		text = integer(text)
	}
	target := into.Addr().Interface()
	if instant, ok := target.(*time.Time); ok {
		target = (*rfc3339)(instant)
	}
	if err := json.Unmarshal(text, target); err != nil {
		into.SetZero() // half of it may be there, which would break rules of its own
		return expected(field.Type)
	}
	return ""
}

// rfc3339 reads a time as strictly as the API's document says.
type rfc3339 time.Time

func (r *rfc3339) UnmarshalText(text []byte) error {
	parsed, err := event.ParseTime(string(text))
	*r = rfc3339(parsed)
	return err
}

// maxExactFloat is how many bytes of JSON a number may have to pass through a float64 unchanged.
const maxExactFloat = 15

// integer writes a whole number such as 10.0 or 1e3, which JSON Schema calls an integer, as encoding/json reads it.
func integer(text json.RawMessage) json.RawMessage {
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || len(text) > maxExactFloat || value != math.Trunc(value) || math.Abs(value) > math.MaxInt32 {
		return text
	}
	return strconv.AppendInt(nil, int64(value), 10)
}

// expected says in a client's words what a field of this type takes.
func expected(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return event.ErrTime.Error()
	case reflect.TypeFor[event.Price]():
		return `must be a decimal string such as "49.90", with at most ten digits before the point and two after it`
	case reflect.TypeFor[event.ID]():
		return "must be a UUID such as 0190a5e2-6f3b-7c4d-8e5f-0123456789ab"
	case reflect.TypeFor[event.Attributes]():
		return "must be a JSON object"
	}
	switch t.Kind() {
	case reflect.Float64:
		return "must be a number"
	case reflect.Int32:
		return "must be an integer of at most 2147483647"
	case reflect.Slice:
		return "must be an array of strings"
	default:
		return "must be a string"
	}
}
