package change

import "errors"

// ErrNoChange is what a decoder returns for a message that is in order and carries nothing to index, such as the
// marker for log compaction that may follow a delete.
var ErrNoChange = errors.New("the message carries no change of a row")

// Rejection says why a message can never be indexed as it is, however often it is tried. It belongs into the
// dead-letter topic.
type Rejection struct { //nolint:errname // first of all a value that travels with a Result
	// Reason is a short constant such as "malformed-envelope", to count and filter by.
	Reason string
	// Detail is for people: what was wrong and where.
	Detail string
}

// Error returns both, so that a Rejection can be returned as an error.
func (r *Rejection) Error() string { return r.Reason + ": " + r.Detail }

// Outcome is what became of a change.
type Outcome uint8

// A change that is not the newest of its row is a success like one that was written: the index is as it should be.
const (
	Applied  Outcome = iota + 1 // written to the index
	Stale                       // the index, or the same batch, has this change or a newer one
	Rejected                    // the index cannot hold this document
)

// String returns the name used in logs and metrics.
func (o Outcome) String() string {
	switch o {
	case Applied:
		return "applied"
	case Stale:
		return "stale"
	case Rejected:
		return "rejected"
	default:
		return "pending"
	}
}

// Result is the outcome of one change; Rejection is set when it is Rejected.
type Result struct {
	Outcome   Outcome
	Rejection *Rejection
}
