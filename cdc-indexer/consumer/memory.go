package consumer

import (
	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/arena"
	"ticketing/cdc-indexer/change"
)

// memory is what a chunk is in: its messages, their changes, and the bytes of both. A backlog's chunks take turns, so that
// as much memory as there are turns is enough for all of it. Left to the garbage collector it was three quarters of what
// the indexer allocated, and a quarter of the processor time that it took.
type memory struct {
	arena    arena.Arena
	messages []kafka.Message
	changes  []change.Change
}

// reset makes room for another chunk, and holds on to nothing of this one.
func (m *memory) reset() {
	m.arena.Reset()
	clear(m.messages[:cap(m.messages)]) // some of them had no change
	clear(m.changes)
	m.messages, m.changes = m.messages[:0], m.changes[:0]
}

// takeMemory returns some that was used before, if there is any.
func (c *Consumer) takeMemory() *memory {
	select {
	case m := <-c.spare:
		return m
	default:
		return new(memory)
	}
}

// giveBack is for memory of which nothing is used any more.
func (c *Consumer) giveBack(m *memory) {
	m.reset()
	select {
	case c.spare <- m:
	default: // there is enough
	}
}
