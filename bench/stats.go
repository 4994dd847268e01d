package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// spread is what several rounds came to.
type spread struct {
	Min, Median, Max float64
	Count            int
}

func newSpread(samples []float64) spread {
	if len(samples) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(samples))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return spread{Min: sorted[0], Median: median, Max: sorted[len(sorted)-1], Count: len(sorted)}
}

// percentile returns the nearest rank: the smallest sample that the given part of all samples does not exceed.
func percentile(samples []float64, part float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(part * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// String is the median, with the extremes behind it.
func (s spread) String() string {
	switch s.Count {
	case 0:
		return "–"
	case 1:
		return number(s.Median)
	default:
		return number(s.Median) + " (" + number(s.Min) + "–" + number(s.Max) + ")"
	}
}

// number writes a number with three digits that count, and commas.
func number(x float64) string {
	size := math.Abs(x)
	switch {
	case size >= 100:
		return thousands(strconv.FormatFloat(x, 'f', 0, 64))
	case size >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

func thousands(digits string) string {
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// round3 keeps three places: more is noise.
func round3(x float64) float64 { return math.Round(x*1000) / 1000 }
