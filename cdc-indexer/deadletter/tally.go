package deadletter

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"
)

// Summary is how many letters wait for somebody.
type Summary struct {
	Open     int
	Oldest   time.Time // when the oldest of them was written; zero when there is none
	ByReason map[string]int
}

// Summary counts the open letters. It reads the topic once and needs some bytes for every open one.
func (r *Reader) Summary(ctx context.Context) (Summary, error) { return r.NewTally().Count(ctx) }

// Tally counts the open letters again and again, for a process that runs for long: each count reads only what has been
// written since the one before, and one that was cut off is gone on with by the next. Its counts must not overlap.
type Tally struct {
	reader     *Reader
	partitions map[int]*tallied
}

// tallied is what was found in a partition before offset next.
type tallied struct {
	next int64
	open map[int64]brief // by offset
}

// brief is a letter in few bytes.
type brief struct {
	reason string
	at     time.Time
}

// NewTally returns a Tally that has counted nothing yet.
func (r *Reader) NewTally() *Tally { return &Tally{reader: r, partitions: map[int]*tallied{}} }

// Count counts the letters that are open now.
func (t *Tally) Count(ctx context.Context) (Summary, error) {
	spans, err := t.reader.spans(ctx)
	if err != nil {
		return Summary{}, err
	}
	for n, s := range spans {
		spans[n].first = t.from(s)
	}
	read := t.reader.progress(spans, 1)
	summary := Summary{ByReason: map[string]int{}}
	for _, s := range spans {
		partition := t.partitions[s.partition]
		err := t.reader.visit(ctx, s, func(messages int64) {
			partition.next += messages
			read(messages)
		}, func(record kafka.Record) error {
			t.note(s.partition, record)
			return nil
		})
		if err != nil {
			return Summary{}, err
		}
		summary.Open += len(partition.open)
		for _, letter := range partition.open {
			summary.ByReason[letter.reason]++
			if summary.Oldest.IsZero() || letter.at.Before(summary.Oldest) {
				summary.Oldest = letter.at
			}
		}
	}
	return summary, nil
}

// from forgets the letters of a partition that have expired, and returns where to go on.
func (t *Tally) from(s span) int64 {
	partition := t.partitions[s.partition]
	if partition == nil || partition.next > s.end { // the topic was made anew
		partition = &tallied{open: map[int64]brief{}}
		t.partitions[s.partition] = partition
	}
	for offset := range partition.open {
		if offset < s.first {
			delete(partition.open, offset)
		}
	}
	partition.next = max(partition.next, s.first)
	return partition.next
}

func (t *Tally) note(partition int, record kafka.Record) {
	open, label := t.partitions[partition].open, labels(record.Headers)
	if id, resolves := t.reader.resolves(label); resolves {
		if id.Partition == partition {
			delete(open, id.Offset)
		}
		return
	}
	if label[HeaderPipeline] != t.reader.pipeline || !isLetter(label) {
		return
	}
	at, err := time.Parse(time.RFC3339Nano, label[HeaderFailedAt])
	if err != nil {
		at = record.Time
	}
	open[record.Offset] = brief{reason: label[HeaderReason], at: at}
}
