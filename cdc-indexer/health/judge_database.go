package health

import (
	"fmt"
	"strings"
	"time"
)

const (
	runbookSlot    = "docs/runbooks/slot-lost.md"
	runbookSkipped = "docs/runbooks/skipped.md"
	runbookDrift   = "docs/runbooks/drift.md"
	runbookLag     = "docs/runbooks/lag.md"
	runbookBlocked = "docs/runbooks/elasticsearch-blocked.md"
	runbookLetters = "docs/runbooks/dead-letters.md"
)

func (j *judge) postgres() []Finding {
	switch {
	case j.Database != nil:
		return []Finding{ok(PartPostgres, "answers")}
	case j.errs[fromDatabase] == nil:
		return j.missing(PartPostgres, fromDatabase, "Postgres")
	default:
		return []Finding{failed(PartPostgres, j.cannotBeAsked(fromDatabase),
			"Start it, or correct --database-url. Nothing is lost: the rest catches up by itself.")}
	}
}

func (j *judge) table() []Finding {
	if j.Database == nil {
		return j.missing(PartTable, fromDatabase, "Postgres")
	}
	name, table := j.about.Table, j.Database.Table
	if !table.Exists {
		return []Finding{failed(PartTable, name+" does not exist, or may not be seen",
			"Correct `table` in the pipeline file, or run init-sql; --database-url must lead to the table's database.")}
	}
	if table.ReplicaIdentity != "full" {
		return []Finding{warning(PartTable,
			fmt.Sprintf("%s has REPLICA IDENTITY %s: an update leaves its large columns out, and becomes a dead letter", name, strings.ToUpper(table.ReplicaIdentity)),
			fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL; then touch the rows of the dead letters (%s).", name, runbookLetters))}
	}
	summary := name + ", replica identity full"
	if !table.TruncateTrigger {
		summary += "; note: no BEFORE TRUNCATE trigger, so a TRUNCATE would leave every document behind (init-sql/01-schema.sql has one)"
	}
	return []Finding{ok(PartTable, summary)}
}

func (j *judge) publication() []Finding {
	switch name, p := j.about.Publication, j.Database; {
	case name == "":
		return unnamed(PartPublication, "publication")
	case p == nil:
		return j.missing(PartPublication, fromDatabase, "Postgres")
	case p.Publication == nil:
		return []Finding{failed(PartPublication, fmt.Sprintf("there is no publication %s", name),
			"Run init-sql, then `connectors restart`. Changes made since it was dropped are in no message: "+runbookSlot)}
	case !p.Publication.HasTable:
		return []Finding{failed(PartPublication, fmt.Sprintf("publication %s does not have the table: its changes are in no message", name),
			fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s; what was changed meanwhile is missing in the index: %s", name, j.about.Table, runbookSkipped))}
	case len(p.Publication.Withheld) > 0:
		return []Finding{failed(PartPublication, fmt.Sprintf("publication %s does not publish %s", name, strings.Join(p.Publication.Withheld, ", ")),
			fmt.Sprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete'); what was changed meanwhile is missing in the index: %s", name, runbookSkipped))}
	case p.Publication.RowFilter != "":
		return []Finding{warning(PartPublication, fmt.Sprintf("publication %s leaves rows out: WHERE %s", name, p.Publication.RowFilter),
			fmt.Sprintf("ALTER PUBLICATION %s SET TABLE %s, ... without WHERE, unless the index is meant to lack these rows.", name, j.about.Table))}
	default:
		return []Finding{ok(PartPublication, name+" has the table")}
	}
}

// inactiveGrace is how long a slot may be without its connector: a restart takes some seconds.
const inactiveGrace = 30 * time.Second

func (j *judge) slot() []Finding {
	if j.about.Slot == "" {
		return unnamed(PartSlot, "slot")
	}
	if j.Database == nil {
		return j.missing(PartSlot, fromDatabase, "Postgres")
	}
	name, slot := j.about.Slot, j.Database.Slot
	switch {
	case slot == nil:
		return []Finding{failed(PartSlot, fmt.Sprintf("there is no replication slot %s", name),
			"If it never existed, `connectors register` makes it. If it was dropped, the changes since are in no message: "+runbookSlot)}
	case slot.Lost():
		return []Finding{failed(PartSlot, fmt.Sprintf("slot %s is lost (%s): Postgres has given up the log it needs", name, reason(slot)),
			"The changes since are in no message, deletions included. Build the index anew: "+runbookSlot)}
	case slot.OtherDatabase:
		return []Finding{failed(PartSlot, fmt.Sprintf("slot %s belongs to database %s, not to the table's", name, slot.Database),
			"Correct `source.slot` in the pipeline file, or --database-url.")}
	}
	findings := j.slotState(name, slot)
	if slot.RetainedWAL > j.limits.SlotWAL || slot.WALStatus == "unreserved" {
		summary := fmt.Sprintf("Postgres keeps %s of its log for slot %s, above the limit of %s", bytes(slot.RetainedWAL), name, bytes(j.limits.SlotWAL))
		if slot.WALStatus == "unreserved" {
			summary = fmt.Sprintf("Postgres is about to give up the log of slot %s (%s kept): it will be lost at the next checkpoint", name, bytes(slot.RetainedWAL))
		}
		findings = append(findings, warning(PartSlot, summary,
			"Bring the connector to run before the disk is full, or max_slot_wal_keep_size reached and the slot lost: "+runbookLag))
	}
	if len(findings) == 0 {
		findings = []Finding{ok(PartSlot, fmt.Sprintf("%s active, %s behind, %s of the log kept (%s)", name, bytes(slot.Behind), bytes(slot.RetainedWAL), slot.WALStatus))}
	}
	return findings
}

// slotState returns what is wrong with a slot that nobody reads, or nothing.
func (j *judge) slotState(name string, slot *Slot) []Finding {
	if slot.Active {
		return nil
	}
	// The slot's time is by Postgres' clock.
	inactive := j.At.Add(j.Database.Skew).Sub(slot.InactiveSince)
	if !slot.InactiveSince.IsZero() && inactive < inactiveGrace {
		return []Finding{warning(PartSlot, fmt.Sprintf("slot %s has been inactive for %s; %s behind", name, age(inactive), bytes(slot.Behind)),
			"Nothing, if the connector is just starting. Otherwise see part connector.")}
	}
	summary := fmt.Sprintf("slot %s is inactive", name)
	if !slot.InactiveSince.IsZero() {
		summary = fmt.Sprintf("slot %s has been inactive for %s", name, age(inactive))
	}
	return []Finding{failed(PartSlot, fmt.Sprintf("%s: nobody reads the log; %s behind, %s kept", summary, bytes(slot.Behind), bytes(slot.RetainedWAL)),
		"Bring the connector to run: `connectors status`, then `connectors restart` or `resume`. RUNNING all the same? Look into its log: "+runbookLag)}
}

// Lost says whether Postgres has given up the log that the slot needs.
func (s Slot) Lost() bool { return s.WALStatus == "lost" || s.InvalidationReason != "" }

func reason(slot *Slot) string {
	if slot.InvalidationReason != "" {
		return slot.InvalidationReason
	}
	return "wal_status " + slot.WALStatus
}
