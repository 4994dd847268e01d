// Package health tells what is wrong with a pipeline, what that means, and what to do about it. It gathers facts from
// all that the pipeline consists of (Look) and judges them (Judge). What asks Postgres, Kafka, Kafka Connect and
// Elasticsearch are adapters; only package main hands them in.
package health

// State is how a part is.
type State string

// The states of a part.
const (
	OK      State = "ok"
	Warning State = "warning" // needs a person, but changes get through
	Failed  State = "failed"  // changes do not get through, or were lost
	Unknown State = "unknown" // was not looked at, or could not be
)

// Part is what a finding is about. The order here is that of a report: along the way of the data.
type Part string

// The parts of a pipeline.
const (
	PartPostgres      Part = "postgres"
	PartTable         Part = "table"
	PartPublication   Part = "publication"
	PartSlot          Part = "slot"
	PartConnector     Part = "connector"
	PartKafka         Part = "kafka"
	PartTopics        Part = "topics"
	PartOffsets       Part = "offsets"
	PartGroup         Part = "group"
	PartLag           Part = "lag"
	PartIndexer       Part = "indexer"
	PartElasticsearch Part = "elasticsearch"
	PartIndex         Part = "index"
	PartMapping       Part = "mapping"
	PartFreshness     Part = "freshness"
	PartClock         Part = "clock"
	PartDeadLetters   Part = "dead-letters"
	PartVerify        Part = "verify"
)

// Finding is what was found out about one part. A part has one finding at least, and several when several things are
// wrong with it.
type Finding struct {
	Part    Part   `json:"part"`
	State   State  `json:"state"`
	Summary string `json:"summary"`
	Action  string `json:"action,omitempty"` // what to do; empty when there is nothing to do
}

// Report is what a look at the whole pipeline brought.
type Report struct {
	OK       bool      `json:"ok"` // nothing is failed and nothing needs a person
	Findings []Finding `json:"findings"`
	Facts    Facts     `json:"facts"`
}

// wrong says whether a finding is one to act upon.
func (f Finding) wrong() bool { return f.State == Warning || f.State == Failed }

func ok(part Part, summary string) Finding {
	return Finding{Part: part, State: OK, Summary: summary}
}

func unknown(part Part, summary string) Finding {
	return Finding{Part: part, State: Unknown, Summary: summary}
}

func warning(part Part, summary, action string) Finding {
	return Finding{Part: part, State: Warning, Summary: summary, Action: action}
}

func failed(part Part, summary, action string) Finding {
	return Finding{Part: part, State: Failed, Summary: summary, Action: action}
}
