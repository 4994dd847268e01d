package health

import (
	"fmt"
	"strings"
	"time"
)

func (j *judge) kafka() []Finding {
	switch {
	case j.Kafka != nil:
		return []Finding{ok(PartKafka, "answers")}
	case j.errs[fromKafka] == nil:
		return j.missing(PartKafka, fromKafka, "Kafka")
	default:
		return []Finding{failed(PartKafka, j.cannotBeAsked(fromKafka),
			"Start it, or correct --kafka-brokers. Nothing is lost: the rest catches up by itself.")}
	}
}

func (j *judge) topics() []Finding {
	if j.Kafka == nil {
		return j.missing(PartTopics, fromKafka, "Kafka")
	}
	counts := map[int]bool{}
	var missing, each []string
	for _, topic := range j.Kafka.Topics {
		if topic.Partitions == 0 {
			missing = append(missing, topic.Name)
			continue
		}
		counts[topic.Partitions] = true
		each = append(each, fmt.Sprintf("%s has %d", topic.Name, topic.Partitions))
	}
	var findings []Finding
	if len(missing) > 0 {
		findings = append(findings, failed(PartTopics, "missing: "+strings.Join(missing, ", "),
			"Create them (`make up` does), with as many partitions as the others. If they existed before, messages may be lost: "+runbookSkipped))
	}
	if len(counts) > 1 {
		findings = append(findings, failed(PartTopics, "unequal numbers of partitions: "+strings.Join(each, ", "),
			"When the lag is zero, stop the indexers, add partitions to the smaller topics, start them again: a row's changes must meet in one partition number."))
	}
	if len(findings) == 0 {
		findings = []Finding{ok(PartTopics, fmt.Sprintf("%s of %s each", count(int64(len(each)), "topic", "topics"),
			count(int64(j.Kafka.Topics[0].Partitions), "partition", "partitions")))}
	}
	return findings
}

// offsets finds messages that will be skipped, or were a moment ago: the log begins behind the committed offset, or
// ends before it.
func (j *judge) offsets() []Finding {
	if j.Kafka == nil {
		return j.missing(PartOffsets, fromKafka, "Kafka")
	}
	var behind, beyond, anew []string
	var lost int64
	for _, p := range j.Kafka.Partitions {
		switch {
		case p.Committed < 0 && p.First > 0:
			anew = append(anew, fmt.Sprintf("%s/%d begins at %d", p.Topic, p.Number, p.First))
		case p.Committed >= 0 && p.Committed < p.First:
			behind = append(behind, fmt.Sprintf("%s/%d at %d, the log begins at %d", p.Topic, p.Number, p.Committed, p.First))
			lost += p.First - p.Committed
		case p.Committed > p.End:
			beyond = append(beyond, fmt.Sprintf("%s/%d at %d, the log ends at %d", p.Topic, p.Number, p.Committed, p.End))
		}
	}
	const repair = "The rows they were about are old in the index, missing, or should be gone; `cdc-indexer verify --repair` mends them: "
	var findings []Finding
	add := func(partitions []string, what, action string) {
		if len(partitions) > 0 {
			findings = append(findings, failed(PartOffsets, what+": "+some(partitions), action))
		}
	}
	add(behind, count(lost, "message has", "messages have")+" expired before being consumed", repair+runbookSkipped)
	add(beyond, "a topic ends before the committed offset: it was made anew, or the broker lost data", repair+runbookSkipped)
	add(anew, "the group has no offset, and the first messages have expired", repair+runbookSkipped)
	if len(findings) == 0 {
		return []Finding{ok(PartOffsets, "every message that is not done yet is in the log")}
	}
	return findings
}

// some returns the first few of a list.
func some(list []string) string {
	const few = 3
	if len(list) <= few {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], "; "), len(list)-few)
}

func (j *judge) group() []Finding {
	if j.Kafka == nil {
		return j.missing(PartGroup, fromKafka, "Kafka")
	}
	members, assigned := j.Kafka.Members, 0
	for _, member := range members {
		assigned += member.Partitions
	}
	switch {
	case len(members) == 0:
		return []Finding{failed(PartGroup, fmt.Sprintf("the consumer group has no member (%s): no indexer consumes", j.Kafka.GroupState),
			"Start `cdc-indexer run`. One that was killed is missed after --session-timeout only.")}
	case j.Kafka.GroupState != "Stable":
		return []Finding{warning(PartGroup, fmt.Sprintf("the consumer group is sharing out its partitions (%s)", j.Kafka.GroupState),
			"Look again in some seconds. If it stays so, an indexer comes and goes: look into its log.")}
	default:
		return []Finding{ok(PartGroup, fmt.Sprintf("Stable, %s for %d of %s", count(int64(len(members)), "member", "members"),
			assigned, count(int64(len(j.Kafka.Partitions)), "partition", "partitions")))}
	}
}

func (j *judge) lag() []Finding {
	if j.Kafka == nil {
		return j.missing(PartLag, fromKafka, "Kafka")
	}
	var total, partitions int64
	var worst Partition
	var oldest time.Time
	for _, p := range j.Kafka.Partitions {
		lag := p.Lag()
		if lag == 0 {
			continue
		}
		total += lag
		partitions++
		if lag > worst.Lag() {
			worst = p
		}
		if !p.Waiting.IsZero() && (oldest.IsZero() || p.Waiting.Before(oldest)) {
			oldest = p.Waiting
		}
	}
	if total == 0 {
		return []Finding{ok(PartLag, "none: every message is in the index")}
	}
	summary := fmt.Sprintf("%s in %s/%d", count(total, "message", "messages"), worst.Topic, worst.Number)
	if partitions > 1 {
		summary = fmt.Sprintf("%d messages in %d partitions, most of them %d in %s/%d", total, partitions, worst.Lag(), worst.Topic, worst.Number)
	}
	if oldest.IsZero() {
		return []Finding{ok(PartLag, summary)}
	}
	waiting := j.At.Sub(oldest)
	summary += fmt.Sprintf("; the oldest has waited for %s", age(waiting))
	if waiting > j.limits.Lag {
		return []Finding{warning(PartLag, summary, "Find out what holds the indexer up: parts group, indexer and index; "+runbookLag)}
	}
	return []Finding{ok(PartLag, summary)}
}
