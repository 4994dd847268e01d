package search

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decimal is a price: a plain decimal as it was written, so that it stays exact. Empty is none.
type Decimal string

var (
	decimalPattern = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})([.][0-9]{1,2})?$`)
	timePattern    = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)
	idPattern      = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	numberPattern  = regexp.MustCompile(`^-?[0-9]{1,5}([.][0-9]{1,15})?$`)
)

// ParseDecimal reads a price such as 49.90.
func ParseDecimal(s string) (Decimal, error) {
	if !decimalPattern.MatchString(s) {
		return "", errors.New("must be a decimal such as 49.90, with at most ten digits before the point and two after it")
	}
	return Decimal(s), nil
}

// above compares exactly; an empty decimal is above nothing.
func (d Decimal) above(other Decimal) bool {
	if d == "" || other == "" {
		return false
	}
	a, okA := new(big.Rat).SetString(string(d))
	b, okB := new(big.Rat).SetString(string(other))
	return okA && okB && a.Cmp(b) > 0
}

// ParseTime reads an RFC 3339 timestamp of the years 1 to 9999.
func ParseTime(s string) (time.Time, error) {
	s = strings.ToUpper(s)
	parsed, err := time.Parse(time.RFC3339Nano, s)
	// Package time by itself takes a decimal comma, hours of one digit and offsets of more than a day, too.
	if err != nil || !timePattern.MatchString(s) {
		return time.Time{}, errors.New("must be an RFC 3339 timestamp such as 2026-05-01T19:30:00Z, with + written as %2B")
	}
	parsed = parsed.UTC()
	if parsed.Year() < 1 || parsed.Year() > 9999 {
		return time.Time{}, errors.New("must lie in the years 1 to 9999")
	}
	return parsed, nil
}

// ParsePoint reads latitude and longitude, such as 48.2,16.37.
func ParsePoint(s string) (Point, error) {
	lat, lon, _ := strings.Cut(s, ",")
	var point Point
	var errLat, errLon error
	point.Lat, errLat = parseNumber(lat)
	point.Lon, errLon = parseNumber(lon)
	if errLat != nil || errLon != nil || point.Lat < -90 || point.Lat > 90 || point.Lon < -180 || point.Lon > 180 {
		return Point{}, errors.New("must be latitude,longitude in degrees, such as 48.2,16.37")
	}
	return point, nil
}

func parseNumber(s string) (float64, error) {
	if !numberPattern.MatchString(s) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return strconv.ParseFloat(s, 64) //nolint:wrapcheck // the caller has a message of its own
}

// ParseList reads a list of values whose parts may be lists with commas in between; \, is a comma of a value, and \\ a
// backslash. Values that are there twice count once.
func ParseList(parts []string) ([]string, error) {
	var values []string
	for _, part := range parts {
		if err := checkText(part, MaxValues*MaxValue); err != nil {
			return nil, err
		}
		values = append(values, split(part)...)
	}
	for _, value := range values {
		if value == "" {
			return nil, errors.New("must not have empty values")
		}
		if err := checkText(value, MaxValue); err != nil {
			return nil, err
		}
	}
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) > MaxValues {
		return nil, fmt.Errorf("must have at most %d values", MaxValues)
	}
	return values, nil
}

func split(list string) []string {
	var values []string
	var value strings.Builder
	escaped := false
	for _, c := range list {
		switch {
		case !escaped && c == '\\':
			escaped = true
			continue
		case !escaped && c == ',':
			values = append(values, value.String())
			value.Reset()
		default:
			value.WriteRune(c)
		}
		escaped = false
	}
	return append(values, value.String())
}

// ParseID reads the canonical form of a UUID, in either case, and returns it in lower case, as the index has it.
func ParseID(s string) (string, error) {
	id := strings.ToLower(s)
	if !idPattern.MatchString(id) {
		return "", errors.New("must be a UUID such as 0190a5e2-6f3b-7c4d-8e5f-0123456789ab")
	}
	return id, nil
}

// ParseToken reads the token of a write.
func ParseToken(s string) (Token, error) {
	id, position, _ := strings.Cut(s, ":")
	id, errID := ParseID(id)
	number, err := strconv.ParseUint(position, 10, 63)
	if errID != nil || err != nil {
		return Token{}, errors.New("must be the Write-Token of a write, such as 0190a5e2-6f3b-7c4d-8e5f-0123456789ab:29050800")
	}
	return Token{ID: id, Position: int64(number)}, nil
}
