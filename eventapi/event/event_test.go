package event_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ticketing/eventapi/event"
)

func valid() event.Fields {
	fields := event.Defaults()
	fields.Title, fields.Category, fields.Organizer = "Jazz by the lake", "concert", "Lakeside Arts"
	fields.StartsAt = time.Date(2026, 5, 1, 19, 30, 0, 0, time.UTC)
	fields.EndsAt = fields.StartsAt.Add(3 * time.Hour)
	return fields
}

// bad returns the names of the fields that are wrong.
func bad(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *event.InvalidError
	require.ErrorAs(t, err, &invalid)
	var names []string
	for _, f := range invalid.Fields {
		require.NotEmpty(t, f.Message)
		names = append(names, f.Field)
	}
	return names
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*event.Fields)
		bad    []string
	}{
		"defaults and what is required": {func(*event.Fields) {}, nil},
		"everything": {func(f *event.Fields) {
			f.Description, f.VenueName, f.VenueAddress, f.City = new("d"), new("v"), new("a"), new("c")
			f.Country, f.Currency = new("CH"), new("CHF")
			f.Latitude, f.Longitude = new(-90.0), new(180.0)
			f.PriceMin, f.PriceMax = new(event.Price(0)), new(event.Price(999_999_999_999))
			f.Capacity, f.TicketsAvailable = new(int32(7)), new(int32(7))
			f.Tags = []string{"a", "b"}
		}, nil},
		"nothing": {func(f *event.Fields) { *f = event.Fields{} }, []string{"title", "category", "organizer", "status", "ends_at"}},
		"long text": {func(f *event.Fields) {
			f.Title, f.Category, f.Organizer = strings.Repeat("é", 301), strings.Repeat("x", 101), strings.Repeat("x", 201)
			f.Description, f.City = new(strings.Repeat("x", 1_000_001)), new(strings.Repeat("x", 201))
			f.VenueName, f.VenueAddress = new(strings.Repeat("x", 201)), new(strings.Repeat("x", 501))
		}, []string{"title", "description", "category", "organizer", "venue_name", "venue_address", "city"}},
		"longest text":                {func(f *event.Fields) { f.Title = strings.Repeat("é", 300) }, nil},
		"NUL":                         {func(f *event.Fields) { f.Title, f.City, f.Tags = "a\x00", new("\x00"), []string{"ok", "\x00"} }, []string{"title", "city", "tags[1]"}},
		"not UTF-8":                   {func(f *event.Fields) { f.Title, f.Description = "\xff", new("\xc3") }, []string{"title", "description"}},
		"status":                      {func(f *event.Fields) { f.Status = "gone" }, []string{"status"}},
		"country and currency":        {func(f *event.Fields) { f.Country, f.Currency = new("ch"), new("CHFR") }, []string{"country", "currency"}},
		"latitude alone":              {func(f *event.Fields) { f.Latitude = new(1.0) }, []string{"longitude"}},
		"longitude alone":             {func(f *event.Fields) { f.Longitude = new(1.0) }, []string{"latitude"}},
		"position":                    {func(f *event.Fields) { f.Latitude, f.Longitude = new(90.01), new(math.NaN()) }, []string{"latitude", "longitude"}},
		"ends with start":             {func(f *event.Fields) { f.EndsAt = f.StartsAt }, []string{"ends_at"}},
		"ends within the microsecond": {func(f *event.Fields) { f.EndsAt = f.StartsAt.Add(999 * time.Nanosecond) }, []string{"ends_at"}},
		"year 10000":                  {func(f *event.Fields) { f.EndsAt = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200)) }, []string{"ends_at"}},
		"year 0":                      {func(f *event.Fields) { f.StartsAt = time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 7200)) }, []string{"starts_at"}},
		"price_min alone":             {func(f *event.Fields) { f.PriceMin, f.Currency = new(event.Price(1)), new("CHF") }, []string{"price_max"}},
		"price_max alone":             {func(f *event.Fields) { f.PriceMax, f.Currency = new(event.Price(1)), new("CHF") }, []string{"price_min"}},
		"prices without currency":     {func(f *event.Fields) { f.PriceMin, f.PriceMax = new(event.Price(1)), new(event.Price(1)) }, []string{"currency"}},
		"prices in disorder": {func(f *event.Fields) {
			f.PriceMin, f.PriceMax, f.Currency = new(event.Price(2)), new(event.Price(1)), new("CHF")
		}, []string{"price_max"}},
		"prices out of range": {func(f *event.Fields) {
			f.PriceMin, f.PriceMax, f.Currency = new(event.Price(-1)), new(event.Price(1_000_000_000_000)), new("CHF")
		}, []string{"price_min", "price_max"}},
		"tickets":                 {func(f *event.Fields) { f.Capacity, f.TicketsAvailable = new(int32(-1)), new(int32(-1)) }, []string{"capacity", "tickets_available"}},
		"more tickets than seats": {func(f *event.Fields) { f.Capacity, f.TicketsAvailable = new(int32(1)), new(int32(2)) }, []string{"tickets_available"}},
		"too many tags":           {func(f *event.Fields) { f.Tags = make([]string, 51) }, []string{"tags"}},
		"tags":                    {func(f *event.Fields) { f.Tags = []string{"", strings.Repeat("x", 101)} }, []string{"tags[0]", "tags[1]"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := valid()
			test.change(&fields)
			require.Equal(t, test.bad, bad(t, fields.Validate()))
		})
	}
}

func TestValidateAttributes(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string {
		return strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
	}
	tests := map[string]struct {
		attributes string
		ok         bool
	}{
		"plain":                         {`{"a":[1,true,null,"x"],"b":{"c":-1.5e3}}`, true},
		"beyond float64":                {`{"a":9007199254740993,"b":123456789012345678901234567890.123}`, true},
		"largest double":                {`{"a":1.7976931348623157e308,"b":5e-324}`, true},
		"number of too many digits":     {`{"a":1e400000}`, false},
		"number of too many small ones": {`{"a":[{"b":1E-401}]}`, false},
		"exponent beyond int":           {`{"a":1e99999999999999999999}`, false},
		"NUL escape":                    {`{"a":"x\u0000"}`, false},
		"NUL escape in a name":          {`{"\u0000":1}`, false},
		"NUL escape in a nested name":   {`{"a":{"\u0000":1}}`, false},
		"escaped backslash before u":    {`{"a":"\\u0000"}`, true},
		"surrogate pair":                {`{"a":"\ud83d\ude00"}`, true},
		"high surrogate alone":          {`{"a":"\ud83d x"}`, false},
		"low surrogate alone":           {`{"a":"\ude00"}`, false},
		"surrogates in disorder":        {`{"a":"\ude00\ud83d"}`, false},
		"not UTF-8":                     {"{\"a\":\"\xff\"}", false},
		"deepest":                       {nested(event.MaxDepth), true},
		"too deep":                      {nested(event.MaxDepth + 1), false},
		"largest":                       {`{"a":"` + strings.Repeat("x", event.MaxAttributes-20) + `"}`, true},
		"too large":                     {`{"a":"` + strings.Repeat("x", event.MaxAttributes) + `"}`, false},
		"too large without exponents":   {`{"a":[1` + strings.Repeat(",1e300", event.MaxAttributes/300) + `]}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fields := valid()
			require.NoError(t, json.Unmarshal([]byte(test.attributes), &fields.Attributes))
			if test.ok {
				require.NoError(t, fields.Validate())
			} else {
				require.Equal(t, []string{"attributes"}, bad(t, fields.Validate()))
			}
		})
	}
}

// CheckJSON sees what decoding would have changed already.
func TestCheckJSON(t *testing.T) {
	t.Parallel()
	require.NoError(t, event.CheckJSON([]byte(`"\ud83d\ude00"`)))
	require.Error(t, event.CheckJSON([]byte(`"\ud83d"`)))
	require.Error(t, event.CheckJSON([]byte(`{"\ud83d":1}`)))
	require.Error(t, event.CheckJSON([]byte("\"\xff\"")))
}

// Whatever JSON text comes, checking it neither panics nor lets a NUL through.
func TestCheckJSONProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		encoded, err := json.Marshal(map[string]string{"k": text})
		require.NoError(t, err)
		err = event.CheckJSON(encoded)
		if strings.ContainsRune(text, 0) {
			require.Error(t, err)
		} else {
			require.NoError(t, err)
		}
		_ = event.CheckJSON([]byte(text)) // not JSON at all: must return
	})
}

func TestPriceRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price := event.Price(rapid.Int64Range(0, 999_999_999_999).Draw(t, "price"))
		parsed, err := event.ParsePrice(price.String())
		require.NoError(t, err)
		require.Equal(t, price, parsed)
	})
}

func TestParsePrice(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]event.Price{"0": 0, "0.1": 10, "49.90": 4990, "49.9": 4990, "9999999999.99": 999_999_999_999} {
		price, err := event.ParsePrice(text)
		require.NoError(t, err, text)
		require.Equal(t, want, price, text)
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1e2", "01", "0.001", "10000000000", "NaN", "1,5", " 1", "١"} {
		_, err := event.ParsePrice(text)
		require.Error(t, err, text)
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-05-01T19:30:00Z": "2026-05-01T19:30:00Z", "2026-05-01t19:30:00.5z": "2026-05-01T19:30:00.5Z",
		"2026-05-01T19:30:00.123456789+23:59": "2026-04-30T19:31:00.123456789Z", "0001-01-01T00:00:00-00:00": "0001-01-01T00:00:00Z",
	} {
		parsed, err := event.ParseTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want, parsed.UTC().Format(time.RFC3339Nano))
	}
	for _, text := range []string{
		"", "2026-05-01", "2026-05-01T19:30:00", "2026-05-01 19:30:00Z", "2026-05-01T9:30:00Z", "2026-05-01T19:30Z", "2026-05-01T19:30:00,5Z",
		"2026-05-01T19:30:00.Z", "2026-05-01T19:30:00+24:00", "2026-05-01T19:30:00+00:60", "2026-02-29T00:00:00Z", "10000-01-01T00:00:00Z", "infinity",
	} {
		_, err := event.ParseTime(text)
		require.ErrorIs(t, err, event.ErrTime, text)
	}
}

func TestIDRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := event.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		for _, text := range []string{id.String(), strings.ToUpper(id.String())} {
			parsed, err := event.ParseID(text)
			require.NoError(t, err)
			require.Equal(t, id, parsed)
		}
	})
	for _, text := range []string{"", "x", "{0190a5e2-6f3b-7c4d-8e5f-0123456789ab}", "0190a5e26f3b7c4d8e5f0123456789ab", "0190a5e2-6f3b-7c4d-8e5f-0123456789ag"} {
		_, err := event.ParseID(text)
		require.Error(t, err, text)
	}
}

func TestFilterValidate(t *testing.T) {
	t.Parallel()
	filter := event.Filter{Status: "gone", Category: "\x00", City: strings.Repeat("x", 201)}
	require.Equal(t, []string{"status", "category", "city"}, bad(t, filter.Validate()))
	require.NoError(t, (&event.Filter{Status: event.Draft, City: "Geneva"}).Validate())
}

// Errors say everything to someone who only sees their text.
func TestErrors(t *testing.T) {
	t.Parallel()
	err := error(&event.ItemError{Index: 3, Err: &event.InvalidError{Fields: []event.FieldError{{Field: "title", Message: "is bad"}}}})
	require.EqualError(t, err, "event 3: invalid event: title is bad")
	require.ErrorIs(t, &event.ItemError{Err: fmt.Errorf("x: %w", event.ErrExists)}, event.ErrExists)
}
