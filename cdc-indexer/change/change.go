// Package change holds what the indexer knows of one change of one row, and the rule that tells which of two
// changes of a row is the newer one. It imports the standard library only.
package change

import (
	"cmp"
	"fmt"
	"time"
)

// Op is what a change did to its row.
type Op uint8

// Both kinds of write replace the whole document: a create and an update look alike once they are ordered.
const (
	Upsert Op = iota + 1
	Delete
)

// String returns the name used in logs and metrics.
func (op Op) String() string {
	switch op {
	case Upsert:
		return "upsert"
	case Delete:
		return "delete"
	default:
		return fmt.Sprintf("Op(%d)", uint8(op))
	}
}

// Change is one committed change of one row, ready to be indexed.
type Change struct {
	// Key is the document's _id, made of the row's primary key.
	Key string
	// Order tells this change from older and newer ones of the same Key.
	Order Order
	Op    Op
	// Document is one JSON object with the row's columns, without line breaks. It is nil for a Delete.
	Document []byte
	// CommittedAt is when Postgres committed the change. For a snapshot read, whose commit is not known, it is
	// when the row was read.
	CommittedAt time.Time
	// Read says that the row was read by a snapshot and not streamed from the log, so CommittedAt says nothing
	// about how fresh the index is.
	Read bool
	// Transaction is Postgres' id of the change's transaction, 0 where it is not known. It has 32 bits and comes again.
	Transaction int64
}

// MaxEpoch is the highest epoch an Order can carry. Together with a log position it fills the 63 bits that
// Elasticsearch allows an external version: versions are signed longs and must not be negative.
const (
	MaxEpoch    = 1<<7 - 1
	epochShift  = 56
	maxPosition = 1<<epochShift - 1 // 64 PiB of write-ahead log
)

// Order is the position of a change among all changes of its row: the greater is the newer.
//
// Transactions are ordered by their commits, but a row's records may stand in the log before the commit of an
// older transaction: an INSERT writes its record before its uniqueness check has waited for a concurrent DELETE.
// So the log position (LSN) of a record alone is wrong as an order. What is right is the pair of Version, which
// never decreases from one transaction of a row to the next, and LSN, which decides within a transaction.
// docs/architecture.md has the proof and the experiments.
type Order struct {
	// Version is max(S, lsn), where S is the end of the commit before this transaction's in the stream, with the
	// epoch in the bits above. It serves as Elasticsearch's external version.
	Version int64
	// LSN is the position of the change's own record, 0 for a row read by a snapshot.
	LSN int64
}

// NewOrder returns the order of a change from the two numbers of Debezium's source.sequence: the end of the
// previous commit (0 where the envelope has null) and the position of the record itself. See NewReadOrder for rows
// that a snapshot has read.
//
// epoch is raised by the operator when the database was restored or failed over to a lower log position, so that
// every new change is newer than what the index holds. It errs when a number does not fit.
func NewOrder(epoch uint8, lastCommit, lsn uint64) (Order, error) {
	if epoch > MaxEpoch {
		return Order{}, fmt.Errorf("epoch %d is above %d", epoch, MaxEpoch)
	}
	if position := max(lastCommit, lsn); position > maxPosition {
		return Order{}, fmt.Errorf("log position %d is above %d, the highest an Elasticsearch version has room for", position, int64(maxPosition))
	}
	return Order{Version: int64(epoch)<<epochShift | int64(max(lastCommit, lsn)), LSN: int64(lsn)}, nil //nolint:gosec // both fit: checked above
}

// NewReadOrder returns the order of a row that a snapshot has read. A read has no record in the log: it is older than
// every change of the stream, even than those that were committed before it but read by a transaction still open.
//
// snapshot is the position at which an initial snapshot was taken; lastCommit is 0 then. It decides only between the
// reads of two initial snapshots: when the first is interrupted, Debezium reads the table again. An incremental
// snapshot has a lastCommit, which says all; the other number of its sequence is not the row's and is left out.
func NewReadOrder(epoch uint8, lastCommit, snapshot uint64) (Order, error) {
	if lastCommit > 0 {
		return NewOrder(epoch, lastCommit, 0)
	}
	order, err := NewOrder(epoch, 0, 0)
	if err == nil && snapshot > maxPosition {
		err = fmt.Errorf("log position %d is above %d", snapshot, int64(maxPosition))
	}
	order.LSN = int64(snapshot) //nolint:gosec // checked above
	return order, err
}

// Streamed says whether this is the order of a change of the stream, and not of a row that a snapshot has read. Records
// begin at multiples of 8. The snapshots of reindex, verify and replay are at the last byte before one; an incremental
// snapshot has no position of a record, and an initial one nothing but a position.
func (o Order) Streamed() bool {
	const alignment = 8
	return o.LSN > 0 && o.LSN%alignment == 0 && o.Version&maxPosition >= o.LSN
}

// Compare returns -1 when o is older than other, +1 when it is newer and 0 when they are the same change.
func (o Order) Compare(other Order) int {
	if c := cmp.Compare(o.Version, other.Version); c != 0 {
		return c
	}
	return cmp.Compare(o.LSN, other.LSN)
}

// NewerThan says whether o must overwrite other.
func (o Order) NewerThan(other Order) bool { return o.Compare(other) > 0 }

// String returns the two numbers as they stand in a document's cdc object.
func (o Order) String() string { return fmt.Sprintf("(%d, %d)", o.Version, o.LSN) }
