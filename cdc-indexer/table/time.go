package table

import (
	"math"
	"strconv"
	"time"
)

// Postgres counts from the start of the year 2000.
const (
	epochMicros = 946_684_800_000_000
	epochDays   = 10_957

	second = 1_000_000 // in microseconds, like all below
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// What Debezium sends for infinity.
const (
	infiniteMicros      = 9_223_372_036_825_200_000
	minusInfiniteMicros = -9_223_372_036_832_400_000

	infiniteDate      = -2_147_472_692 // overflown: it would be some days after the last date of Java
	minusInfiniteDate = -2_147_472_691
	// Read by a snapshot, or as an element of an array, the same date is another number.
	infiniteDateRead      = -622_191_234
	minusInfiniteDateRead = -625_821_272
)

func appendDate(dst, value []byte) []byte {
	return appendDays(dst, value, infiniteDate, minusInfiniteDate)
}

func appendDateElement(dst, value []byte) []byte {
	return appendDays(dst, value, infiniteDateRead, minusInfiniteDateRead)
}

func appendDays(dst, value []byte, infinite, minusInfinite int64) []byte {
	switch days := int4(value); days {
	case math.MaxInt32:
		return strconv.AppendInt(dst, infinite, 10)
	case math.MinInt32:
		return strconv.AppendInt(dst, minusInfinite, 10)
	default:
		return strconv.AppendInt(dst, int64(days)+epochDays, 10)
	}
}

func appendTimestampMicros(dst, value []byte) []byte {
	return strconv.AppendInt(dst, sinceEpoch(value), 10)
}

func appendTimestampMillis(dst, value []byte) []byte {
	return strconv.AppendInt(dst, sinceEpoch(value)/1000, 10) // nothing is left over, infinity included
}

func sinceEpoch(value []byte) int64 {
	switch micros := int8b(value); micros {
	case math.MaxInt64:
		return infiniteMicros
	case math.MinInt64:
		return minusInfiniteMicros
	default:
		return micros + epochMicros
	}
}

// appendTimestamptz returns what appends a timestamptz in UTC with so many digits behind the second.
func appendTimestamptz(digits int) func(dst, value []byte) []byte {
	return func(dst, value []byte) []byte {
		switch micros := int8b(value); micros {
		case math.MaxInt64:
			return append(dst, `"infinity"`...)
		case math.MinInt64:
			return append(dst, `"-infinity"`...)
		default:
			return appendInstant(dst, micros+epochMicros, digits)
		}
	}
}

func appendInstant(dst []byte, micros int64, digits int) []byte {
	at := time.UnixMicro(micros).UTC()
	year, month, dayOfMonth := at.Date()
	dst = append(dst, '"')
	switch {
	case year > 9999:
		dst = append(dst, '+')
	case year < 0: // the year before 1 is 0
		dst = append(dst, '-')
		year = -year
	}
	dst = appendPadded(dst, int64(year), 4)
	dst = appendPadded(append(dst, '-'), int64(month), 2)
	dst = appendPadded(append(dst, '-'), int64(dayOfMonth), 2)
	ofDay := micros % day
	if ofDay < 0 {
		ofDay += day
	}
	dst = appendClock(append(dst, 'T'), ofDay)
	if digits > 0 {
		dst = appendPadded(append(dst, '.'), ofDay%second, 6)
		dst = dst[:len(dst)-6+digits]
	}
	return append(dst, 'Z', '"')
}

// appendClock appends hours, minutes and seconds.
func appendClock(dst []byte, micros int64) []byte {
	dst = appendPadded(dst, micros/hour, 2)
	dst = appendPadded(append(dst, ':'), micros/minute%60, 2)
	return appendPadded(append(dst, ':'), micros/second%60, 2)
}

var powers = [...]int64{1, 10, 100, 1_000, 10_000, 100_000}

// appendPadded appends a number that is not negative with at least so many digits, up to 6.
func appendPadded(dst []byte, n int64, width int) []byte {
	for ; width > 1 && n < powers[width-1]; width-- {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, n, 10)
}

func appendTimeMicros(dst, value []byte) []byte { return strconv.AppendInt(dst, int8b(value), 10) }

func appendTimeMillis(dst, value []byte) []byte {
	return strconv.AppendInt(dst, int8b(value)/1000, 10)
}

// appendTimetz appends a timetz in UTC. Its zone comes as seconds west.
func appendTimetz(dst, value []byte) []byte {
	micros := (int8b(value) + int64(int4(value[8:]))*second) % day
	if micros < 0 {
		micros += day
	}
	dst = appendClock(append(dst, '"'), micros)
	dst = appendFraction(dst, micros%second)
	return append(dst, 'Z', '"')
}

// appendFraction appends a point and the microseconds without the zeros at their end, or nothing.
func appendFraction(dst []byte, micros int64) []byte {
	if micros == 0 {
		return dst
	}
	dst = appendPadded(append(dst, '.'), micros, 6)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendInterval appends an interval as ISO 8601. Every part has a sign of its own. Of an infinite one Debezium sends
// the same as of an empty one.
func appendInterval(dst, value []byte) []byte {
	micros, days, months := int8b(value), int64(int4(value[8:])), int64(int4(value[12:]))
	if months == math.MaxInt32 && days == math.MaxInt32 || months == math.MinInt32 && days == math.MinInt32 {
		micros, days, months = 0, 0, 0
	}
	dst = strconv.AppendInt(append(dst, '"', 'P'), months/12, 10)
	dst = strconv.AppendInt(append(dst, 'Y'), months%12, 10)
	dst = strconv.AppendInt(append(dst, 'M'), days, 10)
	dst = strconv.AppendInt(append(dst, 'D', 'T'), micros/hour, 10)
	dst = strconv.AppendInt(append(dst, 'H'), micros/minute%60, 10)
	dst = append(dst, 'M')
	rest := micros % minute
	if rest < 0 {
		dst = append(dst, '-')
		rest = -rest
	}
	dst = appendFraction(strconv.AppendInt(dst, rest/second, 10), rest%second)
	return append(dst, 'S', '"')
}
