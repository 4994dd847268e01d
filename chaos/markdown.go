package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// limits are what this test leaves out on purpose.
const limits = `## What is left out

- Debezium before 3.7 loses rows of a COPY when it has to start again in the middle of them and they share a log position
  ([dbz#1554](https://github.com/debezium/dbz/issues/1554)). Rows copied with their primary keys do; those that get
  them from the column's default do not. No fault interrupts Debezium while a COPY of the first kind is on its way; a
  comparison and repair of the index is the remedy where that happens.
- Nothing is broken before Debezium has noted its first position: it would take a second snapshot.
- The network between Kafka Connect and the servers is not broken by itself; Connect, Kafka and Postgres are killed,
  stopped and paused instead, and the replication session is ended.
- The same seed makes the same choices of writes and faults, but how they meet in time differs from run to run.
`

// Markdown returns the report for people.
func (r *Report) Markdown() string {
	var text strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
	verdict := "**Equal after every round.**"
	if !r.Passed {
		verdict = "**FAILED.**"
	}
	p("# Fault tests\n\n%s Made by `make chaos SEED=%d DURATION=%s`.\n", verdict, r.Seed, r.Asked)
	p("| | |\n|---|---|")
	p("| started | %s |", r.Started.Format(time.RFC3339))
	p("| took | %s |", (time.Duration(r.Seconds) * time.Second).String())
	p("| machine | %d cores, %s, %s, all servers on it |", r.Machine.Cores, r.Machine.System, r.Machine.Go)
	p("| indexers | %d |", r.Indexers)
	p("| rounds | %d |", len(r.Rounds))
	writes, faults := sum(r.Writes), sum(r.Faults)
	p("| writes | %d, of %d rows; %d more failed or may have |", writes.Done, writes.Rows, writes.Failed)
	p("| faults | %d; %d more could not be carried out |", faults.Done, faults.Failed)
	p("| compared, all rounds together | %d rows with %d documents |", r.RowsCompared, r.DocumentsCompared)
	p("| **differences** | **%d** |", r.Differences)
	p("| bad messages found among the dead letters | %d |", r.DeadLetters)
	p("| restarts of a failed connector | %d |\n", r.ConnectorRestarts)
	counts(p, "Faults", "could not be carried out", r.Faults)
	counts(p, "Writes", "failed", r.Writes)
	r.rounds(p)
	text.WriteString(limits)
	return text.String()
}

func counts(p func(string, ...any), title, failed string, all map[string]Count) {
	rows := sum(all).Rows > 0
	p("## %s\n", title)
	if rows {
		p("| | done | rows | %s | the last failure |\n|---|---:|---:|---:|---|", failed)
	} else {
		p("| | done | %s | the last failure |\n|---|---:|---:|---|", failed)
	}
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		count := all[kind]
		if rows {
			p("| %s | %d | %d | %d | %s |", kind, count.Done, count.Rows, count.Failed, cell(count.Error))
		} else {
			p("| %s | %d | %d | %s |", kind, count.Done, count.Failed, cell(count.Error))
		}
	}
	p("")
}

func (r *Report) rounds(p func(string, ...any)) {
	p("## Rounds\n")
	p("| | writing | writes | rows | faults | healing | catching up | rows compared | differences |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, round := range r.Rounds {
		writes := sum(round.Writes)
		p("| %d | %.0f s | %d | %d | %d | %.0f s | %.0f s | %d | %d |", round.Number, round.WritingSeconds, writes.Done, writes.Rows,
			sum(round.Faults).Done, round.HealingSeconds, round.CatchUpSeconds, round.Comparison.Rows, round.Comparison.differences())
	}
	p("")
	for _, round := range r.Rounds {
		for _, found := range []struct {
			what  string
			lines []string
		}{
			{"difference", round.Comparison.Samples},
			{"problem", round.Problems},
			{"the connector had failed", round.ConnectorRestarts},
			{"an indexer warns", round.Warnings},
		} {
			for _, line := range found.lines {
				p("- round %d, %s: %s", round.Number, found.what, cell(line))
			}
		}
	}
	p("")
}

// cell makes text fit into a table.
func cell(text string) string {
	const enough = 160
	text = strings.NewReplacer("\n", " ", "|", "\\|").Replace(text)
	if runes := []rune(text); len(runes) > enough {
		return string(runes[:enough]) + "…"
	}
	return text
}
