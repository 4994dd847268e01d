package health

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (j *judge) elasticsearch() []Finding {
	switch {
	case j.Index != nil:
		return []Finding{ok(PartElasticsearch, "answers")}
	case j.errs[fromIndex] == nil:
		return j.missing(PartElasticsearch, fromIndex, "Elasticsearch")
	default:
		return []Finding{failed(PartElasticsearch, j.cannotBeAsked(fromIndex),
			"Start it, or correct --elasticsearch-url. Nothing is lost: the indexer waits. "+runbookBlocked)}
	}
}

func (j *judge) index() []Finding {
	if j.Index == nil {
		return j.missing(PartIndex, fromIndex, "Elasticsearch")
	}
	written, findings := j.writeAlias()
	findings = append(findings, j.readAlias(written)...)
	var names, idle []string
	for _, index := range j.Index.Indices {
		used := index.Name == written || slices.ContainsFunc(j.Index.ReadAlias, func(t AliasTarget) bool { return t.Index == index.Name })
		if !used {
			idle = append(idle, index.Name)
			continue
		}
		names = append(names, strings.TrimSpace(index.Name+" "+index.Health))
		if index.Name == written && len(index.Blocks) > 0 {
			findings = append(findings, failed(PartIndex, fmt.Sprintf("index %s does not take writes: %s", index.Name, strings.Join(index.Blocks, ", ")),
				"A reindex about to swap takes it off again by itself. Otherwise the disk was full, or somebody set it: "+runbookBlocked))
		}
		if index.Health == "red" {
			findings = append(findings, failed(PartIndex, fmt.Sprintf("index %s is red: a primary shard is missing", index.Name),
				"Bring back the node that has it (GET /_cluster/allocation/explain). If the data is gone, build the index anew: "+runbookSlot))
		}
	}
	if len(findings) > 0 {
		return findings
	}
	summary := fmt.Sprintf("%s behind %s and %s", strings.Join(names, ", "), j.about.ReadAlias, j.about.WriteAlias)
	if len(idle) > 0 {
		summary += fmt.Sprintf("; beside it %s, kept from before or an unfinished build", strings.Join(idle, ", "))
	}
	return []Finding{ok(PartIndex, summary)}
}

// writeAlias returns the index that is written to, empty when there is none, or several.
func (j *judge) writeAlias() (written string, findings []Finding) {
	alias, targets := j.about.WriteAlias, j.Index.WriteAlias
	var all, writable []string
	for _, target := range targets {
		all = append(all, target.Index)
		if target.Written {
			writable = append(writable, target.Index)
		}
	}
	switch {
	case len(targets) == 0:
		return "", []Finding{failed(PartIndex, fmt.Sprintf("there is no write alias %s", alias),
			"Put it back (POST /_aliases, is_write_index true), or restart the indexer to make a first index. "+runbookBlocked)}
	case len(writable) == 0:
		return "", []Finding{failed(PartIndex, fmt.Sprintf("write alias %s leads to %s and none of them is its write index", alias, strings.Join(all, ", ")),
			"Set is_write_index on the right one (POST /_aliases). "+runbookBlocked)}
	case len(writable) > 1:
		return "", []Finding{failed(PartIndex, fmt.Sprintf("write alias %s has several write indices: %s", alias, strings.Join(writable, ", ")),
			"Set is_write_index on one only (POST /_aliases). "+runbookBlocked)}
	case len(all) > 1:
		return writable[0], []Finding{warning(PartIndex, fmt.Sprintf("write alias %s leads to %s; %s is written", alias, strings.Join(all, ", "), writable[0]),
			"Take the alias off the others (POST /_aliases).")}
	default:
		return writable[0], nil
	}
}

func (j *judge) readAlias(written string) []Finding {
	alias, targets := j.about.ReadAlias, j.Index.ReadAlias
	if len(targets) == 0 {
		return []Finding{failed(PartIndex, fmt.Sprintf("there is no read alias %s: searches fail", alias),
			`Put it back: POST /_aliases, add, with the filter {"term": {"cdc.deleted": false}}.`)}
	}
	var names, unfiltered []string
	for _, target := range targets {
		names = append(names, target.Index)
		if !target.HidesTombstones {
			unfiltered = append(unfiltered, target.Index)
		}
	}
	var findings []Finding
	switch {
	case written != "" && !slices.Contains(names, written):
		findings = append(findings, failed(PartIndex, fmt.Sprintf("read alias %s leads to %s, but %s is written: searches see no change", alias, strings.Join(names, ", "), written),
			"Make both lead to the same index, in one POST /_aliases."))
	case len(names) > 1:
		findings = append(findings, warning(PartIndex, fmt.Sprintf("read alias %s leads to several indices, %s: searches find rows twice", alias, strings.Join(names, ", ")),
			"Take the alias off those that are not written (POST /_aliases)."))
	}
	if len(unfiltered) > 0 {
		findings = append(findings, warning(PartIndex, fmt.Sprintf("read alias %s on %s does not hide tombstones: searches find deleted rows", alias, strings.Join(unfiltered, ", ")),
			`Add it again with its filter: POST /_aliases, {"add": {"index": ..., "alias": ..., "filter": {"term": {"cdc.deleted": false}}}}.`))
	}
	return findings
}

// bookkeeping is the field that the indexer adds to every document.
const bookkeeping = "cdc"

// mapping compares the table's columns with the fields that the index knows. Neither difference is a fault: a new
// column is in the documents, and becomes searchable when the index is built anew.
func (j *judge) mapping() []Finding {
	switch {
	case j.Database == nil:
		return j.missing(PartMapping, fromDatabase, "Postgres")
	case j.Index == nil:
		return j.missing(PartMapping, fromIndex, "Elasticsearch")
	case !j.Database.Table.Exists || j.Index.Mapped == nil:
		return []Finding{unknown(PartMapping, "not known: there is no table or no index to compare")}
	}
	columns := j.Database.Table.Columns
	unmapped := without(columns, j.Index.Mapped, j.about.MadeOf)
	orphaned := without(j.Index.Mapped, columns, j.about.Made, []string{bookkeeping})
	if len(unmapped)+len(orphaned) == 0 {
		return []Finding{ok(PartMapping, fmt.Sprintf("all %d columns are searchable", len(columns)))}
	}
	var notes []string
	if len(unmapped) > 0 {
		notes = append(notes, fmt.Sprintf("not searchable: %s (in the documents, not in the mapping)", strings.Join(unmapped, ", ")))
	}
	if len(orphaned) > 0 {
		notes = append(notes, fmt.Sprintf("mapped, but no column: %s", strings.Join(orphaned, ", ")))
	}
	return []Finding{ok(PartMapping, "note: "+strings.Join(notes, "; "))}
}

// without returns what is in none of the others.
func without(list []string, others ...[]string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(item string) bool {
		return slices.ContainsFunc(others, func(other []string) bool { return slices.Contains(other, item) })
	})
}

// maxHeartbeat is how old a heartbeat may be. The connector's interval is 10 s.
const maxHeartbeat = time.Minute

func (j *judge) freshness() []Finding {
	var said []string
	switch {
	case j.Index == nil: // heartbeat alone
	case j.Index.CommittedAt.IsZero():
		said = append(said, "no document yet")
	default:
		said = append(said, fmt.Sprintf("the newest change in the index was committed %s ago and indexed within %s",
			age(j.At.Sub(j.Index.CommittedAt)), age(j.Index.IndexedAt.Sub(j.Index.CommittedAt))))
	}
	if j.Database != nil && j.Database.HeartbeatAge != nil {
		heartbeat := *j.Database.HeartbeatAge
		said = append(said, fmt.Sprintf("the last heartbeat was %s ago", age(heartbeat)))
		if heartbeat > maxHeartbeat {
			return []Finding{warning(PartFreshness, strings.Join(said, "; "),
				"The connector does not reach Postgres, whatever its state says. Look into its log: "+runbookLag)}
		}
	}
	if len(said) == 0 {
		return j.missing(PartFreshness, fromIndex, "Elasticsearch")
	}
	return []Finding{ok(PartFreshness, strings.Join(said, "; "))}
}
