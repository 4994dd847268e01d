package model

import (
	"fmt"
	"slices"
)

// message is what Debezium writes to a topic: the parts of its envelope that matter here.
type message struct {
	record
	lastCommit uint64 // source.sequence's first number, 0 for null
}

// place is a partition of a topic.
type place struct {
	topic     byte // c, u or d; reads go where creates go
	partition int
}

func (p place) String() string { return fmt.Sprintf("%c-%d", p.topic, p.partition) }

// kafka keeps the order of messages within each place and nothing else. It never loses what it has accepted.
type kafka struct {
	partitions int
	places     []place
	messages   map[place][]message
	committed  map[place]int // the consumer group's offsets
}

func newKafka(partitions int) *kafka {
	k := &kafka{partitions: partitions, messages: map[place][]message{}, committed: map[place]int{}}
	for _, topic := range []byte("cud") {
		for partition := range partitions {
			k.places = append(k.places, place{topic, partition})
		}
	}
	return k
}

func (k *kafka) produce(m message) {
	at := place{topic: m.op, partition: int(m.key[len(m.key)-1]) % k.partitions}
	if m.op == 'r' {
		at.topic = 'c'
	}
	k.messages[at] = append(k.messages[at], m)
}

// consumed says whether the group is through with everything.
func (k *kafka) consumed() bool {
	return !slices.ContainsFunc(k.places, func(at place) bool { return k.committed[at] < len(k.messages[at]) })
}

// keys returns every key that a message was written for.
func (k *kafka) keys() []string {
	seen := map[string]string{}
	for _, messages := range k.messages {
		for _, m := range messages {
			seen[m.key] = m.key
		}
	}
	return sortedKeys(seen)
}
