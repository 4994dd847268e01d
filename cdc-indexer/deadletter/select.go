package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// ErrNoLetter is an ID under which there is no letter of the pipeline.
var ErrNoLetter = errors.New("no such letter")

// Selection says which letters are meant: those that fit all that is set.
type Selection struct {
	ID     *ID
	Reason string
	Topic  string                // the original's
	Key    func(key []byte) bool // says whether a message's key is meant
	Since  time.Time             // letters that were written at that time or later
	// Done includes letters that are done.
	Done bool
	// Values fills in the values.
	Values bool
}

// Counts says what a reading of the topic has found.
type Counts struct {
	Open    int // letters that fit the Selection and are open
	Done    int // ... and are done, whether they were included or not
	Foreign int // messages that are not this pipeline's
}

// Each calls do with every letter that is meant, partition by partition, the oldest first, and says what it found.
// An error of do ends it.
func (r *Reader) Each(ctx context.Context, selection Selection, do func(Entry) error) (Counts, error) {
	spans, err := r.spans(ctx)
	if err != nil {
		return Counts{}, err
	}
	if selection.ID != nil {
		spans = from(spans, *selection.ID)
	}
	read := r.progress(spans, 2)
	var counts Counts
	for _, s := range spans {
		// A letter is done by a message somewhere behind it, so all of these are read first.
		done, err := r.resolutions(ctx, s, read)
		if err != nil {
			return Counts{}, err
		}
		if selection.ID != nil {
			s.end = s.first + 1
		}
		if err := r.eachOf(ctx, s, selection, done, &counts, read, do); err != nil {
			return Counts{}, err
		}
	}
	if selection.ID != nil && counts.Open+counts.Done == 0 {
		return Counts{}, fmt.Errorf("%w: %s is no letter of pipeline %s in topic %s, or has expired", ErrNoLetter, selection.ID, r.pipeline, r.topic)
	}
	return counts, nil
}

// One returns one letter with its value.
func (r *Reader) One(ctx context.Context, id ID) (Entry, error) {
	var found Entry
	_, err := r.Each(ctx, Selection{ID: &id, Done: true, Values: true}, func(e Entry) error {
		found = e
		return nil
	})
	return found, err
}

// from leaves of the spans the letter and what follows it in its partition.
func from(spans []span, id ID) []span {
	for _, s := range spans {
		if s.partition == id.Partition && id.Offset >= s.first && id.Offset < s.end {
			return []span{{partition: id.Partition, first: id.Offset, end: s.end}}
		}
	}
	return nil
}

// progress returns what to call with each number of messages read, when the spans are read so many times.
func (r *Reader) progress(spans []span, times int64) func(int64) {
	var done, total int64
	for _, s := range spans {
		total += times * (s.end - s.first)
	}
	return func(messages int64) {
		done += messages
		if r.Progress != nil {
			r.Progress(done, total)
		}
	}
}

// mark is a Resolution in few bytes: there is one for every letter that is done.
type mark struct {
	outcome Outcome
	millis  int64
}

func (m mark) resolution() *Resolution {
	return &Resolution{Outcome: m.outcome, At: time.UnixMilli(m.millis).UTC()}
}

// resolutions returns the offsets of a partition's letters that are done.
func (r *Reader) resolutions(ctx context.Context, s span, read func(int64)) (map[int64]mark, error) {
	done := map[int64]mark{}
	err := r.visit(ctx, s, read, func(record kafka.Record) error {
		label := labels(record.Headers)
		id, resolves := r.resolves(label)
		if !resolves || id.Partition != s.partition || id.Offset >= record.Offset {
			return nil
		}
		if _, known := done[id.Offset]; !known { // the first has done it, the others came too late
			done[id.Offset] = newMark(label, record.Time)
		}
		return nil
	})
	return done, err
}

func (r *Reader) eachOf(ctx context.Context, s span, selection Selection, done map[int64]mark, counts *Counts, read func(int64), do func(Entry) error) error {
	return r.visit(ctx, s, read, func(record kafka.Record) error {
		label := labels(record.Headers)
		if label[HeaderPipeline] != r.pipeline {
			counts.Foreign++
			return nil
		}
		if !isLetter(label) {
			return nil
		}
		e, err := newEntry(ID{Partition: s.partition, Offset: record.Offset}, record, label)
		if err != nil || !selection.fits(e) {
			return err
		}
		if m, isDone := done[record.Offset]; isDone {
			counts.Done++
			if !selection.Done {
				return nil
			}
			e.Resolution = m.resolution()
		} else {
			counts.Open++
		}
		if selection.Values {
			if e.Message.Value, err = readBytes(record.Value); err != nil {
				return fmt.Errorf("read the value of letter %s: %w", e.ID, err)
			}
		}
		return do(e)
	})
}

func (s Selection) fits(e Entry) bool {
	return (s.Reason == "" || s.Reason == e.Rejection.Reason) &&
		(s.Topic == "" || s.Topic == e.Message.Topic) &&
		(s.Key == nil || s.Key(e.Message.Key)) &&
		!e.FailedAt.Before(s.Since)
}
