package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"ticketing/demo/sample"
)

const (
	restWriters = 2
	sqlWriters  = 3
	// contested is how many ids all writers fight over: each is created, changed, deleted and created again and again.
	contested = 200
	// writeTimeout bounds one write: it may meet a database that stands still.
	writeTimeout = 20 * time.Second
	longestRest  = 150 * time.Millisecond // between two writes of a writer
)

// write is one kind of write.
type write struct {
	name   string
	weight int
	limit  time.Duration // writeTimeout when zero
	// do returns how many rows it has written. After an error it may have been done or not: that does not matter, since
	// the table itself says what the index has to hold.
	do func(ctx context.Context) (int64, error)
}

// writer does one write after the other.
type writer struct {
	random *rand.Rand
	sample *sample.Generator
	writes []write
}

func newWriter(random *rand.Rand) *writer {
	day := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	return &writer{random: random, sample: sample.New(random.Uint64(), "chaos", day)}
}

// runWriters lets all writers write until ctx ends.
func (s *system) runWriters(ctx context.Context, round int, counts *tally) error {
	database, err := s.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer database.Close()
	var running sync.WaitGroup
	for n := range restWriters + sqlWriters {
		w := newWriter(s.config.random(stream(round, n)))
		if n < restWriters {
			w.writes = (&rest{writer: w, http: s.http, url: s.at.EventAPI}).writes()
		} else {
			w.writes = (&sql{writer: w, pool: database, copying: &s.copying}).writes()
		}
		running.Go(func() { s.write(ctx, w, counts) })
	}
	running.Wait()
	return nil
}

// stream is the stream of random numbers of a round's nth writer or lane of faults.
func stream(round, n int) uint64 { return uint64(round)<<16 | uint64(n) } //nolint:gosec // both are small

func (s *system) write(ctx context.Context, w *writer, counts *tally) {
	for ctx.Err() == nil {
		chosen := w.choose()
		limited, cancel := context.WithTimeout(ctx, cmp.Or(chosen.limit, writeTimeout))
		rows, err := chosen.do(limited)
		cancel()
		if err != nil && ctx.Err() != nil {
			return // cut off by the end of the round
		}
		counts.add(chosen.name, rows, err)
		if err != nil {
			s.log.DebugContext(ctx, "write failed", "kind", chosen.name, "error", err)
		}
		wait(ctx, between(w.random, 0, longestRest))
	}
}

func (w *writer) choose() write {
	total := 0
	for _, each := range w.writes {
		total += each.weight
	}
	at := w.random.IntN(total)
	for _, each := range w.writes {
		if at -= each.weight; at < 0 {
			return each
		}
	}
	return w.writes[0] // not reached: the weights add up to total
}

// event is a sample event with an id.
type event struct {
	ID string `json:"id,omitempty"`
	sample.Event
}

// event makes an event, now and then one that does not fit into a page of the database.
func (w *writer) event(id string) event {
	e := event{ID: id, Event: w.sample.Event()}
	if w.random.IntN(30) == 0 {
		e.Description = new(w.text(10_000 + w.random.IntN(200_000)))
	}
	return e
}

// text makes text that does not compress well.
func (w *writer) text(length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 üß€🎫"
	alphabet := []rune(letters)
	var text strings.Builder
	for range length {
		text.WriteRune(alphabet[w.random.IntN(len(alphabet))])
	}
	return text.String()
}

// id chooses one of the contested ids.
func (w *writer) id() string { return contestedID(w.random.IntN(contested)) }

func contestedID(n int) string { return fmt.Sprintf("c4a05000-0000-4000-8000-%012x", n) }

// freshID makes an id that no row had.
func (w *writer) freshID() string {
	return fmt.Sprintf("c4a05fff-%04x-4000-8000-%012x", w.random.IntN(1<<16), w.random.Int64N(1<<48))
}

// ids chooses up to most different ones of the contested ids.
func (w *writer) ids(most int) []string {
	chosen := make([]string, 0, most)
	for _, n := range w.random.Perm(contested)[:1+w.random.IntN(most)] {
		chosen = append(chosen, contestedID(n))
	}
	return chosen
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil { // sample events always marshal
		panic(err)
	}
	return text
}
