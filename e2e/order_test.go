package e2e

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
)

// envelope is a hand-made message as Debezium would write it, for an event that the table never had. S is the end of
// the commit before, null in a connector's first transaction.
type envelope struct {
	op     string
	s, lsn int64
	title  string
}

func (e envelope) topic() string {
	return map[string]string{"c": "event-created", "r": "event-created", "u": "event-updated", "d": "event-deleted"}[e.op]
}

func (e envelope) value(id string) string {
	s := "null"
	if e.s > 0 {
		s = fmt.Sprintf(`\"%d\"`, e.s)
	}
	row := fmt.Sprintf(`{"id":%q,"title":%q,"category":"c","status":"draft","organizer":"o","starts_at":"2027-01-01T00:00:00Z"}`, id, e.title)
	before, after := "null", row
	if e.op == "d" {
		before, after = row, "null"
	}
	return fmt.Sprintf(`{"before":%s,"after":%s,"source":{"schema":"public","table":"events","ts_ms":1700000000000,"sequence":"[%s,\"%d\"]"},"op":%q,"ts_ms":1700000000001}`,
		before, after, s, e.lsn, e.op)
}

// The three topics keep no order between them. Whatever order the changes of a row arrive in, and however often,
// the newest must win. Positions are beyond any that the real log reaches here.
func TestAdverseOrder(t *testing.T) {
	t.Parallel()
	const far = 1 << 50
	histories := map[string]struct {
		arrival []envelope
		title   string // in the end, "" for no document
	}{
		"older update after newer": {[]envelope{
			{"c", far, far + 8, "created"}, {"u", far + 300, far + 308, "newer"}, {"u", far + 100, far + 108, "older"},
		}, "newer"},
		"create after delete": { // an INSERT that waited for the DELETE has the lower lsn
			[]envelope{{"d", far + 100, far + 172, ""}, {"c", far + 200, far + 100, "again"}}, "again",
		},
		"create, delete and create again, newest first": {[]envelope{
			{"c", far + 400, far + 408, "again"}, {"d", far + 200, far + 208, ""}, {"c", far, far + 8, "first"},
		}, "again"},
		"late create of a deleted row": {[]envelope{
			{"d", far + 200, far + 208, ""}, {"c", far, far + 8, "ghost"}, {"u", far + 100, far + 108, "ghost"},
		}, ""},
		"snapshot read after update": {[]envelope{
			{"u", 0, far + 8, "streamed"}, {"r", 0, far + 800, "read before"},
		}, "streamed"},
		"snapshot read after delete": {[]envelope{
			{"d", far, far + 8, ""}, {"r", 0, far + 800, "ghost"},
		}, ""},
		"tie of one transaction, in order": {[]envelope{
			{"u", far + 800, far + 8, "first"}, {"u", far + 800, far + 16, "second"},
		}, "second"},
		"tie of one transaction, reversed": {[]envelope{
			{"u", far + 800, far + 16, "second"}, {"u", far + 800, far + 8, "first"},
		}, "second"},
		"tie of an update and a delete": {[]envelope{
			{"d", far + 800, far + 16, ""}, {"u", far + 800, far + 8, "ghost"},
		}, ""},
		"duplicates": {[]envelope{
			{"c", far, far + 8, "created"},
			{"u", far + 100, far + 108, "updated"},
			{"c", far, far + 8, "created"},
			{"u", far + 100, far + 108, "updated"},
			{"c", far, far + 8, "created"},
		}, "updated"},
	}
	for name, history := range histories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := "hand-made-" + strings.ToLower(rand.Text()[:10])
			key := fmt.Sprintf(`{"id":%q}`, id)
			for _, e := range history.arrival {
				produce(t, e.topic(), key, e.value(id))
			}
			settle(t, key)
			if history.title == "" {
				waitGone(t, id)
			} else {
				waitTitle(t, id, history.title)
			}
			// leave no document that the table does not have
			produce(t, "event-deleted", key, envelope{op: "d", s: far << 1, lsn: far<<1 + 8}.value(id))
			waitGone(t, id)
		})
	}
}

// settle waits until all that was written into the topics with this key has been consumed: a malformed message
// behind it has become a dead letter in each of them.
func settle(t *testing.T, key string) {
	t.Helper()
	for _, topic := range []string{"event-created", "event-updated", "event-deleted"} {
		marker := "settled " + rand.Text()
		produce(t, topic, key, marker)
		waitLetter(t, marker)
	}
}
