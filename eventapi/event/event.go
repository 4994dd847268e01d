// Package event is what the write side knows about events: their fields, the rules those keep, and the ways in
// which reading or writing one can fail. It imports the standard library only.
package event

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of one event. Together they keep the row, twice (before and after) and escaped as JSON at its worst,
// under the 16 MiB that a change may have on its way out of the database.
const (
	MaxTitle         = 300       // characters, as is every limit on text
	MaxDescription   = 1_000_000 //
	MaxCategory      = 100       //
	MaxOrganizer     = 200       //
	MaxVenueName     = 200       //
	MaxVenueAddress  = 500       //
	MaxCity          = 200       //
	MaxTags          = 50        // tags of one event
	MaxTag           = 100       // characters of one tag
	MaxAttributes    = 1_000_000 // bytes of attributes as the database prints them
	MaxDepth         = 20        // levels of objects and arrays in attributes, which are the first
	MaxNumberDigits  = 400       // digits of a number in attributes when written without an exponent
	maxPriceHundreds = 999_999_999_999
)

// Status is where an event is in its life.
type Status string

// The statuses of an event.
const (
	Draft     Status = "draft"
	Published Status = "published"
	Postponed Status = "postponed"
	Cancelled Status = "cancelled"
	SoldOut   Status = "sold_out"
)

// Valid reports whether s is one of the statuses above.
func (s Status) Valid() bool {
	switch s {
	case Draft, Published, Postponed, Cancelled, SoldOut:
		return true
	default:
		return false
	}
}

// Attributes is a JSON object of any shape. The values stay JSON text, so that no number passes through a float.
type Attributes map[string]json.RawMessage

// Fields is what a client says about an event. The tags are its JSON form and, for the API's documentation, the
// rules of Validate that a JSON Schema can express.
//
// A nil pointer is a value that is not known.
type Fields struct {
	Title            string     `json:"title" minLength:"1" maxLength:"300" example:"Jazz by the lake"`
	Description      *string    `json:"description" required:"false" maxLength:"1000000"`
	Category         string     `json:"category" minLength:"1" maxLength:"100" example:"concert"`
	Status           Status     `json:"status" required:"false" default:"draft" enum:"draft,published,postponed,cancelled,sold_out"`
	Organizer        string     `json:"organizer" minLength:"1" maxLength:"200" example:"Lakeside Arts"`
	VenueName        *string    `json:"venue_name" required:"false" maxLength:"200"`
	VenueAddress     *string    `json:"venue_address" required:"false" maxLength:"500"`
	City             *string    `json:"city" required:"false" maxLength:"200" example:"Geneva"`
	Country          *string    `json:"country" required:"false" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2" example:"CH"`
	Latitude         *float64   `json:"latitude" required:"false" minimum:"-90" maximum:"90" doc:"Degrees north; goes with longitude"`
	Longitude        *float64   `json:"longitude" required:"false" minimum:"-180" maximum:"180" doc:"Degrees east; goes with latitude"`
	StartsAt         time.Time  `json:"starts_at" doc:"Kept to the microsecond, answered in UTC" example:"2026-05-01T19:30:00Z"`
	EndsAt           time.Time  `json:"ends_at" doc:"After starts_at" example:"2026-05-01T22:30:00Z"`
	PriceMin         *Price     `json:"price_min" required:"false" pattern:"^(0|[1-9][0-9]{0,9})([.][0-9]{1,2})?$" doc:"A decimal string, so that it stays exact; goes with price_max and needs currency" example:"49.90"`
	PriceMax         *Price     `json:"price_max" required:"false" pattern:"^(0|[1-9][0-9]{0,9})([.][0-9]{1,2})?$" doc:"A decimal string, at least price_min" example:"120.00"`
	Currency         *string    `json:"currency" required:"false" pattern:"^[A-Z]{3}$" doc:"ISO 4217" example:"CHF"`
	Capacity         *int32     `json:"capacity" required:"false" minimum:"0" maximum:"2147483647"`
	TicketsAvailable *int32     `json:"tickets_available" required:"false" minimum:"0" maximum:"2147483647" doc:"At most capacity"`
	Tags             []string   `json:"tags" required:"false" nullable:"false" maxItems:"50" minLength:"1" maxLength:"100"`
	Attributes       Attributes `json:"attributes" required:"false" doc:"Any JSON object; numbers keep all their digits"`
}

// New is an event to be created. Without an ID the store makes a time-ordered one (version 7).
type New struct {
	ID *ID `json:"id" required:"false" nullable:"true" format:"uuid" doc:"Chosen by the server when left out"`
	Fields
}

// Event is an event as stored.
type Event struct {
	ID ID `json:"id" format:"uuid" readOnly:"true"`
	Fields
	Version   int64     `json:"version" readOnly:"true" minimum:"1" doc:"Counts the writes of this event; the ETag is made of it"`
	CreatedAt time.Time `json:"created_at" readOnly:"true"`
	UpdatedAt time.Time `json:"updated_at" readOnly:"true"`
}

// Position is a place in the database's write-ahead log. That of a write lies behind every earlier change of the event and
// at or before its own: whoever has a change of the event from there on has this write, or a newer one.
type Position int64

// Defaults returns the fields of an event about which nothing is said.
func Defaults() Fields {
	return Fields{Status: Draft, Tags: []string{}, Attributes: Attributes{}}
}

// Truncate cuts the times to what the database keeps: microseconds, in UTC.
func (f *Fields) Truncate() {
	f.StartsAt = f.StartsAt.UTC().Truncate(time.Microsecond)
	f.EndsAt = f.EndsAt.UTC().Truncate(time.Microsecond)
}

// ErrTime is what ParseTime says of any other text.
var ErrTime = errors.New("must be an RFC 3339 timestamp such as 2026-05-01T19:30:00Z")

var timePattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// ParseTime reads an RFC 3339 timestamp. Package time by itself takes a decimal comma, hours of one digit and offsets
// of more than a day too (go.dev/issue/54580).
func ParseTime(text string) (time.Time, error) {
	text = strings.ToUpper(text)
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !timePattern.MatchString(text) {
		return time.Time{}, ErrTime
	}
	return parsed, nil
}

// ID names an event: a UUID of any version.
type ID [16]byte

var errID = errors.New("must be a UUID such as 0190a5e2-6f3b-7c4d-8e5f-0123456789ab")

// ParseID reads the canonical form of a UUID, in either case.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, errID
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return ID{}, errID
	}
	return id, nil
}

// String returns the canonical form, in lower case.
func (id ID) String() string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// MarshalText returns the canonical form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the canonical form.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// Price is an amount of money in hundredths of its currency's unit.
type Price int64

var errPrice = errors.New(`must be a decimal string from "0" to "9999999999.99" with at most two digits after the point`)

// ParsePrice reads a plain decimal such as 49.9: no sign, no exponent, no leading zeros, at most two digits after
// the point and ten before it.
func ParsePrice(s string) (Price, error) {
	units, hundredths, hasPoint := strings.Cut(s, ".")
	if len(units) > 1 && units[0] == '0' || len(units) > 10 || !digits(units) {
		return 0, errPrice
	}
	if hasPoint && (len(hundredths) > 2 || !digits(hundredths)) {
		return 0, errPrice
	}
	value, err := strconv.ParseInt(units+(hundredths + "00")[:2], 10, 64)
	if err != nil {
		return 0, errPrice
	}
	return Price(value), nil
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// String returns the price with two digits after the point, as the database prints it.
func (p Price) String() string { return fmt.Sprintf("%d.%02d", int64(p)/100, int64(p)%100) }

// MarshalText returns the decimal form.
func (p Price) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the decimal form.
func (p *Price) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePrice(string(text))
	return err
}
