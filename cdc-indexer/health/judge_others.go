package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// indexer judges what the running indexer says, and only it can say: what holds it up, and what it had to skip.
func (j *judge) indexer() []Finding {
	if j.Indexer == nil {
		return j.silentIndexer()
	}
	var findings []Finding
	for _, part := range slices.Sorted(maps.Keys(j.Indexer.Troubles)) {
		findings = append(findings, failed(PartIndexer, fmt.Sprintf("held up by %s: %s", part, oneLine(j.Indexer.Troubles[part])),
			"It goes on by itself when that is mended: docs/runbooks/README.md"))
	}
	if len(j.Indexer.Skipped) > 0 {
		findings = append(findings, warning(PartIndexer, "messages were skipped since it was started: "+some(j.Indexer.Skipped),
			"The rows they were about are old in the index, missing, or should be gone; `cdc-indexer verify --repair` mends them: "+runbookSkipped+
				". The warning ends with the process: restart it when the index is mended."))
	}
	if len(findings) == 0 {
		findings = []Finding{ok(PartIndexer, "gets on, and has skipped nothing")}
	}
	return findings
}

// silentIndexer tells an indexer that is not there from one that was looked for in the wrong place.
func (j *judge) silentIndexer() []Finding {
	if j.errs[fromIndexer] == nil {
		return j.missing(PartIndexer, fromIndexer, "the indexer")
	}
	if j.Kafka != nil && len(j.Kafka.Members) > 0 {
		return []Finding{warning(PartIndexer, j.cannotBeAsked(fromIndexer)+"; but its group has members",
			"Correct --indexer-url, so that what it had to skip is seen.")}
	}
	return []Finding{failed(PartIndexer, j.cannotBeAsked(fromIndexer), "Start `cdc-indexer run`, or correct --indexer-url.")}
}

func (j *judge) clock() []Finding {
	var said []string
	var findings []Finding
	look := func(server string, skew, uncertainty time.Duration) {
		said = append(said, fmt.Sprintf("%s %s", server, plusMinus(skew, uncertainty)))
		if skew.Abs()-uncertainty > j.limits.ClockSkew {
			direction := "ahead of"
			if skew < 0 {
				direction = "behind"
			}
			findings = append(findings, warning(PartClock, fmt.Sprintf("the clock of %s is %s %s this machine's", server, age(skew.Abs()), direction),
				"Set the clocks (NTP). Nothing gets lost, but freshness in reports and metrics is wrong by that much."))
		}
	}
	if j.Database != nil {
		look("Postgres", j.Database.Skew, j.Database.Uncertainty)
	}
	if j.Index != nil && j.Index.Skew != nil {
		look("Elasticsearch", *j.Index.Skew, j.Index.Uncertainty)
	}
	switch {
	case len(findings) > 0:
		return findings
	case len(said) > 0:
		return []Finding{ok(PartClock, "off by: "+strings.Join(said, ", "))}
	default:
		return j.missing(PartClock, fromDatabase, "Postgres")
	}
}

func plusMinus(skew, uncertainty time.Duration) string {
	return fmt.Sprintf("%v ± %v", skew.Round(time.Millisecond), max(uncertainty.Round(time.Millisecond), time.Millisecond))
}

func (j *judge) deadLetters() []Finding {
	switch letters := j.DeadLetters; {
	case letters == nil && j.errs[fromDeadLetters] == nil:
		return []Finding{unknown(PartDeadLetters, "not known")}
	case letters == nil:
		return []Finding{unknown(PartDeadLetters, j.cannotBeAsked(fromDeadLetters))}
	default:
		open, reasons := 0, make([]string, 0, len(letters.ByReason))
		for _, reason := range slices.Sorted(maps.Keys(letters.ByReason)) {
			open += letters.ByReason[reason]
			reasons = append(reasons, fmt.Sprintf("%d %s", letters.ByReason[reason], reason))
		}
		if open == 0 {
			return []Finding{ok(PartDeadLetters, "none")}
		}
		return []Finding{warning(PartDeadLetters, fmt.Sprintf("%d open (%s), the oldest %s old", open, strings.Join(reasons, ", "), age(j.At.Sub(letters.Oldest))),
			"Each is a document that is missing or old: "+runbookLetters)}
	}
}

func (j *judge) verify() []Finding {
	switch last := j.Verify; {
	case last == nil && j.errs[fromVerify] == nil:
		return []Finding{unknown(PartVerify, "not known")}
	case last == nil:
		return []Finding{unknown(PartVerify, j.cannotBeAsked(fromVerify))}
	case last.At.IsZero():
		return []Finding{unknown(PartVerify, "table and index were never compared")}
	case last.Differences > 0:
		return []Finding{warning(PartVerify, fmt.Sprintf("%s ago: %s, %s", age(j.At.Sub(last.At)), last.Verdict, count(int64(last.Differences), "difference", "differences")),
			"`cdc-indexer verify` compares again, and `verify --repair` mends what stays different: "+runbookDrift)}
	default:
		return []Finding{ok(PartVerify, fmt.Sprintf("%s ago: %s", age(j.At.Sub(last.At)), last.Verdict))}
	}
}
