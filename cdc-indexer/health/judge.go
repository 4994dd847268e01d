package health

import (
	"fmt"
	"strings"
	"time"
)

// About names what the facts are about. A name that is empty means that the pipeline file has none.
type About struct {
	Table       string // schema.table
	Connector   string
	Slot        string
	Publication string
	ReadAlias   string
	WriteAlias  string
	// Made are the fields of a document that are made of other columns, and MadeOf those columns.
	Made   []string
	MadeOf []string
}

// Limits are beyond what a number is worth a warning.
type Limits struct {
	SlotWAL   int64         // bytes of the log that Postgres keeps for the slot
	ClockSkew time.Duration // between this machine and the servers
	Lag       time.Duration // age of the oldest message that is not done
}

// Judge says of each part what the facts mean. It asks nobody.
func Judge(facts Facts, about About, limits Limits) Report {
	j := judge{Facts: facts, about: about, limits: limits}
	var findings []Finding
	for _, part := range []func() []Finding{
		j.postgres, j.table, j.publication, j.slot,
		j.connector,
		j.kafka, j.topics, j.offsets, j.group, j.lag,
		j.indexer,
		j.elasticsearch, j.index, j.mapping, j.freshness,
		j.clock, j.deadLetters, j.verify,
	} {
		findings = append(findings, part()...)
	}
	report := Report{OK: true, Findings: findings, Facts: facts}
	for _, finding := range findings {
		report.OK = report.OK && !finding.wrong()
	}
	return report
}

type judge struct {
	Facts
	about  About
	limits Limits
}

// cannotBeAsked is what there is to say of a server that gave an error for an answer.
func (j *judge) cannotBeAsked(from source) string {
	return "cannot be asked: " + oneLine(j.errs[from].Error())
}

// missing returns the finding for a part whose source has no facts.
func (j *judge) missing(part Part, from source, name string) []Finding {
	if j.errs[from] == nil {
		return []Finding{unknown(part, "not looked at: no address was given")}
	}
	return []Finding{unknown(part, "not known: "+name+" cannot be asked")}
}

// unnamed returns the finding for a part that the pipeline file does not name.
func unnamed(part Part, field string) []Finding {
	return []Finding{unknown(part, "not looked at: the pipeline file names no source."+field)}
}

// oneLine puts a text of several lines, as pgx and Java have them, into one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// bytes returns a size for people.
func bytes(size int64) string {
	const unit = 1 << 10
	if size < unit {
		return fmt.Sprintf("%d B", size)
	}
	value, prefix := float64(size)/unit, 0
	for ; value >= unit && prefix < 4; prefix++ {
		value /= unit
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}

// age returns a duration for people, as coarse as they say it themselves. Clocks differ, so it may be negative.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	default:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
}

// count returns a number with its noun.
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
