package deadletter

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/change"
)

// ID names a letter by where it stands in the dead-letter topic. It is written "partition:offset".
type ID struct {
	Partition int
	Offset    int64
}

// String returns the ID as it is written.
func (id ID) String() string { return fmt.Sprintf("%d:%d", id.Partition, id.Offset) }

// MarshalText makes it a JSON string.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String returns.
func (id *ID) UnmarshalText(text []byte) error {
	partition, offset, _ := strings.Cut(string(text), ":")
	p, partitionErr := strconv.ParseUint(partition, 10, 31)
	o, offsetErr := strconv.ParseUint(offset, 10, 63)
	if partitionErr != nil || offsetErr != nil {
		return fmt.Errorf("%q is no letter's id, which looks like 0:123", text)
	}
	*id = ID{Partition: int(p), Offset: int64(o)}
	return nil
}

// Entry is a letter as it is found in the topic.
type Entry struct {
	ID ID
	// Letter is what Queue.Put was given: the original message and the reason. The Value is there only when it was
	// asked for.
	Letter
	// FailedAt is when the message became a letter.
	FailedAt time.Time
	// Epoch is the pipeline's at that time, -1 when that is not known.
	Epoch int
	// Size is that of the value, in bytes.
	Size int
	// Resolution is nil as long as the letter is open.
	Resolution *Resolution
}

// Resolution says how a letter became done.
type Resolution struct {
	Outcome Outcome
	At      time.Time
}

// labels are the headers of a message in the dead-letter topic that are ours. Of equal ones the last counts: the
// original's own headers stand before, and may be those of a letter that somebody has sent again.
func labels(headers []kafka.Header) map[string]string {
	ours := make(map[string]string, 10)
	for _, header := range headers {
		if strings.HasPrefix(header.Key, headerPrefix) {
			ours[header.Key] = string(header.Value)
		}
	}
	return ours
}

// newEntry reads a letter's key and headers.
func newEntry(id ID, record kafka.Record, label map[string]string) (Entry, error) {
	e := Entry{ID: id, Epoch: -1, FailedAt: record.Time}
	var err error
	if e.Message.Key, err = readBytes(record.Key); err != nil {
		return Entry{}, fmt.Errorf("read the key of letter %s: %w", id, err)
	}
	if record.Value != nil {
		e.Size = record.Value.Len()
	}
	for _, header := range record.Headers {
		if !strings.HasPrefix(header.Key, headerPrefix) {
			e.Message.Headers = append(e.Message.Headers, header)
		}
	}
	e.Rejection = change.Rejection{Reason: label[HeaderReason], Detail: label[HeaderDetail]}
	e.Message.Topic = label[HeaderTopic]
	// Headers that are missing or wrong were not written by a Queue; the rest of such a letter is still worth seeing.
	e.Message.Partition, _ = strconv.Atoi(label[HeaderPartition])
	e.Message.Offset, _ = strconv.ParseInt(label[HeaderOffset], 10, 64)
	e.Message.Time, _ = time.Parse(time.RFC3339Nano, label[HeaderTime])
	if at, err := time.Parse(time.RFC3339Nano, label[HeaderFailedAt]); err == nil {
		e.FailedAt = at
	}
	if epoch, err := strconv.ParseUint(label[HeaderEpoch], 10, 8); err == nil {
		e.Epoch = int(epoch)
	}
	return e, nil
}
