package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/cdc-indexer/deadletter"
)

// letters sends messages that cannot be indexed, and looks for them among the dead letters.
type letters struct {
	broker string
	client *kafka.Client
	rows   string                   // makes the names of the rows of this run, which the table never had
	began  map[string]map[int]int64 // where the topics ended when the run began

	mu    sync.Mutex
	count int
	sent  map[string]bool // by value: whether it has been found
	next  int64           // the offset of the first dead letter that was not looked at yet
}

// newLetters begins behind the dead letters that are there.
func newLetters(ctx context.Context, broker string, client *kafka.Client, seed uint64) (*letters, error) {
	l := &letters{broker: broker, client: client, rows: fmt.Sprintf("chaos-%d-%d", seed, time.Now().UnixNano()), sent: map[string]bool{}}
	var err error
	if l.began, err = ends(ctx, client, topics, partitions); err != nil {
		return nil, err
	}
	l.next, err = l.end(ctx)
	return l, err
}

// send is a fault: some bad messages in among the good ones. They are of rows that the table never had, since what
// is newer than a row's last change hides that change.
func (l *letters) send(ctx context.Context, r *rand.Rand) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(l.broker), Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, MaxAttempts: 1, WriteTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
	}
	defer func() { _ = writer.Close() }()
	const most = 5
	for range 1 + r.IntN(most) {
		message := l.bad(r)
		if err := writer.WriteMessages(ctx, message); err != nil {
			return fmt.Errorf("send a bad message: %w", err)
		}
		l.mu.Lock()
		l.sent[string(message.Value)] = false
		l.mu.Unlock()
	}
	return nil
}

// bad makes a message that cannot be indexed, different from all others.
func (l *letters) bad(r *rand.Rand) kafka.Message {
	l.mu.Lock()
	l.count++
	id := fmt.Sprintf("%s-%d", l.rows, l.count)
	l.mu.Unlock()
	envelope := func(table, id, startsAt string) string {
		return fmt.Sprintf(`{"before":null,"after":{"id":%q,"title":"bad","category":"c","status":"draft","organizer":"o","starts_at":%q},`+
			`"source":{"schema":"public","table":%q,"ts_ms":1700000000000,"sequence":"[\"8\",\"16\"]"},"op":"c","ts_ms":1700000000001}`,
			id, startsAt, table)
	}
	const date = "2027-01-01T00:00:00Z"
	key := id
	var value string
	switch r.IntN(5) {
	case 0:
		value = `{"op": "c", "cut off": ` + id // no JSON
	case 1:
		value = fmt.Sprintf(`{"id":%q,"title":"no envelope"}`, id)
	case 2:
		value = envelope("other", id, date) // of another table
	case 3:
		key = id + strings.Repeat("x", 600) // longer than an _id may be
		value = envelope("events", key, date)
	default:
		value = envelope("events", id, "no date at all") // the mapping refuses it
	}
	return kafka.Message{Topic: topics[r.IntN(len(topics))], Key: fmt.Appendf(nil, `{"id":%q}`, key), Value: []byte(value)}
}

// check reads the dead letters that came since the last check. It returns how many of the messages sent have been
// found so far, and what is wrong: one that is missing, or a letter that is not of our making and so a lost change.
func (l *letters) check(ctx context.Context) (found int, problems []string, err error) {
	end, err := l.end(ctx)
	if err != nil {
		return 0, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err = readMessages(ctx, l.client, deadLetterTopic, 0, l.next, end, func(m message) {
		l.next = m.offset + 1
		if _, ours := l.sent[m.value]; ours {
			l.sent[m.value] = true
		} else if !strings.Contains(m.value, l.rows) && !l.older(m) { // also ours when Kafka's answer to send was lost
			problems = append(problems, fmt.Sprintf("a change became a dead letter: %s: %.300s", m.header(deadletter.HeaderReason), m.value))
		}
	})
	if err != nil {
		return 0, nil, err
	}
	for value, there := range l.sent {
		if there {
			found++
		} else {
			problems = append(problems, fmt.Sprintf("a bad message is not among the dead letters: %.300s", value))
		}
	}
	return found, problems, nil
}

// older says whether a letter is about a message from before the run, which comes again when offsets are set back.
func (l *letters) older(letter message) bool {
	partition, err := strconv.Atoi(letter.header(deadletter.HeaderPartition))
	if err != nil {
		return false
	}
	offset, err := strconv.ParseInt(letter.header(deadletter.HeaderOffset), 10, 64)
	return err == nil && offset < l.began[letter.header(deadletter.HeaderTopic)][partition]
}

// end is the offset of the next dead letter. The topic has one partition.
func (l *letters) end(ctx context.Context) (int64, error) {
	offsets, err := ends(ctx, l.client, []string{deadLetterTopic}, 1)
	return offsets[deadLetterTopic][0], err
}
