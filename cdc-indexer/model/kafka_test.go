package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
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
	times      map[place][]time.Time // when the messages were written
	starts     map[place]int         // what comes before has expired
	committed  map[place]int         // the consumer group's offsets
}

func newKafka(partitions int) *kafka {
	k := &kafka{partitions: partitions, messages: map[place][]message{}, times: map[place][]time.Time{}, starts: map[place]int{}, committed: map[place]int{}}
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
	k.times[at] = append(k.times[at], time.Now())
}

// expire drops messages that the group has consumed. Each place does so by itself: segments end where they end.
func (k *kafka) expire(random *rand.Rand) {
	for _, at := range k.places {
		if gone := k.committed[at] - k.starts[at]; gone > 0 && random.IntN(2) == 0 {
			k.starts[at] += 1 + random.IntN(gone)
		}
	}
}

// oldest returns when the oldest message left was written, now when none is.
func (k *kafka) oldest() time.Time {
	oldest := time.Now()
	for _, at := range k.places {
		if start := k.starts[at]; start < len(k.times[at]) && k.times[at][start].Before(oldest) {
			oldest = k.times[at][start]
		}
	}
	return oldest
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
