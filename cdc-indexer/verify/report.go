package verify

import (
	"time"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// Kind is what was found about a key.
type Kind string

// What may be found. Equal and Newer are as it should be.
const (
	Equal     Kind = "equal"
	Newer     Kind = "newer"     // the document has a change that came after the snapshot
	Missing   Kind = "missing"   // the row has no document, or only a tombstone
	Stale     Kind = "stale"     // the document is as the indexer wrote it, and the row has changed before the snapshot
	Differing Kind = "differing" // the document is not what the row is, and somebody else has written it
	Orphaned  Kind = "orphaned"  // the document has no row
	// Ahead is a document newer than the database's own log: the database was restored or failed over to a lower
	// position. Its version is in the way of any change until the pipeline's epoch is raised.
	Ahead Kind = "ahead"
)

func (k Kind) repairable() bool {
	return k == Missing || k == Stale || k == Differing || k == Orphaned
}

// Report is what a comparison found. The numbers are complete; the samples are the first few of each kind.
type Report struct {
	At        time.Time     `json:"at"`
	Duration  time.Duration `json:"duration_ns"`
	Position  int64         `json:"position"` // in the write-ahead log
	Rows      int64         `json:"rows"`
	Documents int64         `json:"documents"`
	// Summed are the documents that were not read, because their proven checksums add up to those of the rows.
	Summed int64 `json:"documents_by_checksum"`
	// Unproven are documents whose stored checksum is not their own: written by hand, or by a version without checksums.
	Unproven int64 `json:"documents_without_checksum"`
	// Proven is up to where the next comparison may go by checksums, if this one was complete and nothing is unproven.
	Proven   elastic.Watermark `json:"-"`
	Complete bool              `json:"complete"` // every row and document was compared

	Missing   int64 `json:"missing"`
	Stale     int64 `json:"stale"`
	Differing int64 `json:"differing"`
	Orphaned  int64 `json:"orphaned"`
	Ahead     int64 `json:"ahead"`
	// Newer counts keys whose checksums differed because the document has moved on since the snapshot.
	Newer int64 `json:"newer"`

	Repaired   int64    `json:"repaired"`
	Unrepaired int64    `json:"unrepaired"`
	Reasons    []string `json:"unrepaired_reasons,omitempty"`

	// Behind says why the pipeline was not waited for; a difference may then be a change under way.
	Behind  string   `json:"behind,omitempty"`
	Samples []Sample `json:"samples,omitempty"`
}

// Sample is one difference.
type Sample struct {
	Kind    Kind   `json:"kind"`
	Key     string `json:"key"`
	Field   string `json:"field,omitempty"` // the first that differs
	Table   string `json:"table,omitempty"` // its value as JSON
	Index   string `json:"index,omitempty"`
	Version int64  `json:"version,omitempty"` // of the document, as the indexer gave it
}

// Differences returns how many keys are not as they should be.
func (r Report) Differences() int64 {
	return r.Missing + r.Stale + r.Differing + r.Orphaned + r.Ahead
}

// note counts a key and keeps it as a sample.
func (r *run) note(kind Kind, row change.Change, document *elastic.Document) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := map[Kind]*int64{
		Newer: &r.report.Newer, Missing: &r.report.Missing, Stale: &r.report.Stale, Differing: &r.report.Differing,
		Orphaned: &r.report.Orphaned, Ahead: &r.report.Ahead,
	}
	count := counts[kind]
	if count == nil {
		return
	}
	*count++
	if kind == Newer || *count > int64(r.options.Samples) {
		return
	}
	sample := Sample{Kind: kind, Key: row.Key}
	if document != nil {
		sample.Version = document.Order.Version
	}
	if kind == Stale || kind == Differing {
		if d := firstDifference(row.Document, document.Row()); d != nil {
			sample.Field, sample.Table, sample.Index = d.name, clip(d.table.Raw), clip(d.index.Raw)
		}
	}
	r.report.Samples = append(r.report.Samples, sample)
}

// clip bounds what is shown of a value.
func clip(value string) string {
	const most = 120
	text := []rune(value)
	if len(text) <= most {
		return value
	}
	return string(text[:most]) + "…"
}
