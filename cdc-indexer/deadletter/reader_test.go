package deadletter_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/deadletter"
	"ticketing/internal/testenv"
)

// letters is a dead-letter topic of a test's own.
type letters struct {
	t       *testing.T
	brokers []string
	topic   string
	queue   *deadletter.Queue
	*deadletter.Reader
}

const pipelineName = "events"

func newLetters(t *testing.T, partitions int) *letters {
	t.Helper()
	topic := testenv.Name(t)
	testenv.Topics(t, partitions, topic)
	return lettersOf(t, topic, pipelineName)
}

func lettersOf(t *testing.T, topic, pipeline string) *letters {
	t.Helper()
	l := &letters{t: t, topic: topic, brokers: strings.Split(testenv.Address(t, testenv.KafkaBrokers), ",")}
	l.queue = deadletter.NewQueue(l.brokers, topic, pipeline)
	t.Cleanup(func() { require.NoError(t, l.queue.Close()) })
	l.Reader = deadletter.NewReader(l.brokers, topic, pipeline)
	t.Cleanup(l.Close)
	return l
}

func (l *letters) ctx() context.Context { return testenv.Context(l.t, time.Minute) }

// put writes a letter for each value, all with one key and so in one partition.
func (l *letters) put(reason string, values ...string) {
	l.t.Helper()
	all := make([]deadletter.Letter, len(values))
	for n, value := range values {
		all[n] = deadletter.Letter{
			Message:   kafka.Message{Topic: "event-created", Key: []byte(`{"id":"a"}`), Value: []byte(value)},
			Rejection: change.Rejection{Reason: reason},
		}
	}
	require.NoError(l.t, l.queue.Put(l.ctx(), all))
}

// write puts messages into the first partition past the code under test.
func (l *letters) write(records ...kafka.Record) {
	l.t.Helper()
	response, err := testenv.KafkaClient(l.t).Produce(l.ctx(), &kafka.ProduceRequest{
		Topic: l.topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	require.NoError(l.t, err)
	require.NoError(l.t, response.Error)
}

// find returns the letters that are meant.
func (l *letters) find(selection deadletter.Selection) ([]deadletter.Entry, deadletter.Counts) {
	l.t.Helper()
	var found []deadletter.Entry
	counts, err := l.Each(l.ctx(), selection, func(e deadletter.Entry) error {
		found = append(found, e)
		return nil
	})
	require.NoError(l.t, err)
	return found, counts
}

func (l *letters) drop(selection deadletter.Selection) (dropped []deadletter.ID) {
	l.t.Helper()
	_, err := l.Drop(l.ctx(), selection, func(result deadletter.Result) {
		require.Equal(l.t, deadletter.Dropped, result.Outcome)
		dropped = append(dropped, result.Entry.ID)
	})
	require.NoError(l.t, err)
	return dropped
}

func ids(entries []deadletter.Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.ID.String())
	}
	return all
}

func TestID(t *testing.T) {
	t.Parallel()
	var id deadletter.ID
	require.NoError(t, id.UnmarshalText([]byte("3:9007199254740993")))
	require.Equal(t, deadletter.ID{Partition: 3, Offset: 9007199254740993}, id)
	require.Equal(t, "3:9007199254740993", id.String())
	for _, bad := range []string{"", ":", "1", "1:", ":1", "-1:1", "1:-1", "1:2:3", "a:b", "99999999999:1", "0:9223372036854775808"} {
		require.ErrorContains(t, id.UnmarshalText([]byte(bad)), "0:123", bad)
	}
}

func TestALetterIsReadAsItWasPut(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	letter := deadletter.Letter{
		Message: kafka.Message{
			Topic: "event-created", Partition: 4, Offset: 123, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
			Key: []byte("k"), Value: bytes.Repeat([]byte("\x00large"), 2<<20), // more than a fetch asks for
			// What was a letter once and came through the pipeline again is a letter for its new reason.
			Headers: []kafka.Header{
				{Key: "trace", Value: []byte("t")},
				{Key: deadletter.HeaderResolves, Value: []byte("0:0")},
				{Key: deadletter.HeaderReason, Value: []byte("old")},
			},
		},
		Rejection: change.Rejection{Reason: "malformed-envelope", Detail: "no JSON"},
	}
	l.put("first", "small")
	require.NoError(t, l.queue.AtEpoch(3).Put(l.ctx(), []deadletter.Letter{letter}))
	l.put("last", "small")

	before := time.Now().Add(-time.Minute)
	e, err := l.One(l.ctx(), deadletter.ID{Offset: 1})
	require.NoError(t, err)
	require.WithinRange(t, e.FailedAt, before, time.Now())
	require.Equal(t, len(letter.Message.Value), e.Size)
	require.Equal(t, 3, e.Epoch)
	require.Nil(t, e.Resolution)
	letter.Message.Headers = letter.Message.Headers[:1]
	require.Equal(t, letter, e.Letter)

	all, counts := l.find(deadletter.Selection{})
	require.Equal(t, []string{"0:0", "0:1", "0:2"}, ids(all))
	require.Equal(t, deadletter.Counts{Open: 3}, counts)
	require.Nil(t, all[1].Message.Value, "values are large and read only when asked for")
}

func TestLettersAreSelected(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	l.put("one", "a", "b")
	l.put("two", "c")
	tests := map[string]struct {
		selection deadletter.Selection
		want      []string
	}{
		"all":      {deadletter.Selection{}, []string{"0:0", "0:1", "0:2"}},
		"reason":   {deadletter.Selection{Reason: "one"}, []string{"0:0", "0:1"}},
		"topic":    {deadletter.Selection{Topic: "event-created"}, []string{"0:0", "0:1", "0:2"}},
		"no topic": {deadletter.Selection{Topic: "event-deleted"}, []string{}},
		"key":      {deadletter.Selection{Key: func(key []byte) bool { return string(key) == `{"id":"a"}` }}, []string{"0:0", "0:1", "0:2"}},
		"no key":   {deadletter.Selection{Key: func([]byte) bool { return false }}, []string{}},
		"since":    {deadletter.Selection{Since: time.Now().Add(-time.Minute)}, []string{"0:0", "0:1", "0:2"}},
		"too late": {deadletter.Selection{Since: time.Now().Add(time.Minute)}, []string{}},
		"id":       {deadletter.Selection{ID: &deadletter.ID{Offset: 1}}, []string{"0:1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := *l
			l.t = t
			found, counts := l.find(test.selection)
			require.Equal(t, test.want, ids(found))
			require.Equal(t, len(test.want), counts.Open)
		})
	}
}

func TestResolutionsMakeLettersDone(t *testing.T) {
	t.Parallel()
	const partitions = 3
	l := newLetters(t, partitions)
	// keys of several partitions
	for n := range 20 {
		require.NoError(t, l.queue.Put(l.ctx(), []deadletter.Letter{{
			Message:   kafka.Message{Key: fmt.Appendf(nil, "key-%d", n), Value: []byte("v")},
			Rejection: change.Rejection{Reason: fmt.Sprintf("reason-%d", n%2)},
		}}))
	}
	dropped := l.drop(deadletter.Selection{Reason: "reason-0"})
	require.Len(t, dropped, 10)

	open, counts := l.find(deadletter.Selection{})
	require.Equal(t, deadletter.Counts{Open: 10, Done: 10}, counts)
	for _, e := range open {
		require.Equal(t, "reason-1", e.Rejection.Reason)
	}
	all, _ := l.find(deadletter.Selection{Done: true})
	require.Len(t, all, 20)
	for _, e := range all {
		require.Equal(t, e.Rejection.Reason == "reason-0", e.Resolution != nil)
	}
	one, err := l.One(l.ctx(), dropped[0])
	require.NoError(t, err)
	require.Equal(t, deadletter.Dropped, one.Resolution.Outcome)
	require.WithinRange(t, one.Resolution.At, time.Now().Add(-time.Minute), time.Now())

	require.Empty(t, l.drop(deadletter.Selection{Reason: "reason-0"}), "what is done is not done again")
	require.Empty(t, l.drop(deadletter.Selection{ID: &dropped[0]}))

	summary, err := l.Summary(l.ctx())
	require.NoError(t, err)
	require.Equal(t, 10, summary.Open)
	require.Equal(t, map[string]int{"reason-1": 10}, summary.ByReason)
	oldest := open[0].FailedAt
	for _, e := range open {
		if e.FailedAt.Before(oldest) {
			oldest = e.FailedAt
		}
	}
	require.True(t, oldest.Equal(summary.Oldest))
	requireResolutionsBehind(t, l, partitions, len(dropped))
}

// requireResolutionsBehind looks at the topic itself: a resolution has its letter's key, is in the same partition, and
// so can neither be read without it nor expire before it.
func requireResolutionsBehind(t *testing.T, l *letters, partitions, want int) {
	t.Helper()
	keys := map[string]string{}
	entries, _ := l.find(deadletter.Selection{Done: true})
	for _, e := range entries {
		keys[e.ID.String()] = string(e.Message.Key)
	}
	client := testenv.KafkaClient(t)
	found := 0
	for partition := range partitions {
		response, err := client.Fetch(l.ctx(), &kafka.FetchRequest{Topic: l.topic, Partition: partition, MinBytes: 1, MaxBytes: 1 << 20})
		require.NoError(t, err)
		for {
			record, err := response.Records.ReadRecord()
			if err != nil {
				break
			}
			for _, header := range record.Headers {
				if header.Key != deadletter.HeaderResolves {
					continue
				}
				found++
				var id deadletter.ID
				require.NoError(t, id.UnmarshalText(header.Value))
				require.Equal(t, partition, id.Partition)
				require.Greater(t, record.Offset, id.Offset)
				require.Nil(t, record.Value)
				key, err := kafka.ReadAll(record.Key)
				require.NoError(t, err)
				require.Equal(t, keys[id.String()], string(key))
			}
		}
	}
	require.Equal(t, want, found)
}

func TestTheFirstResolutionCounts(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	l.put("reason", "a")
	for _, outcome := range []string{"applied", "stale"} {
		l.write(kafka.Record{Headers: []kafka.Header{
			{Key: deadletter.HeaderPipeline, Value: []byte(pipelineName)},
			{Key: deadletter.HeaderResolves, Value: []byte("0:0")},
			{Key: deadletter.HeaderOutcome, Value: []byte(outcome)},
		}})
	}
	e, err := l.One(l.ctx(), deadletter.ID{})
	require.NoError(t, err)
	require.Equal(t, deadletter.Applied, e.Resolution.Outcome)
	require.WithinRange(t, e.Resolution.At, time.Now().Add(-time.Minute), time.Now())
}

func TestOtherPipelinesAreLeftAlone(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	l.put("ours", "a")
	theirs := lettersOf(t, l.topic, "seats")
	theirs.put("theirs", "b", "c")
	l.write(kafka.Record{Value: kafka.NewBytes([]byte("not a letter at all"))}, kafka.Record{Headers: []kafka.Header{
		// a resolution of theirs for a letter of ours
		{Key: deadletter.HeaderPipeline, Value: []byte("seats")}, {Key: deadletter.HeaderResolves, Value: []byte("0:0")},
	}})

	found, counts := l.find(deadletter.Selection{})
	require.Equal(t, []string{"0:0"}, ids(found))
	require.Equal(t, deadletter.Counts{Open: 1, Foreign: 4}, counts)
	_, err := l.One(l.ctx(), deadletter.ID{Offset: 1})
	require.ErrorIs(t, err, deadletter.ErrNoLetter)
	require.ErrorContains(t, err, "0:1 is no letter of pipeline events")
	summary, err := l.Summary(l.ctx())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"ours": 1}, summary.ByReason)

	require.Len(t, theirs.drop(deadletter.Selection{}), 2)
	_, counts = l.find(deadletter.Selection{})
	require.Equal(t, 1, counts.Open)
}

func TestEmptyTopic(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 3)
	found, counts := l.find(deadletter.Selection{})
	require.Empty(t, found)
	require.Zero(t, counts)
	summary, err := l.Summary(l.ctx())
	require.NoError(t, err)
	require.Zero(t, summary.Open)
	require.True(t, summary.Oldest.IsZero())
	for _, id := range []deadletter.ID{{}, {Partition: 7}} {
		_, err = l.One(l.ctx(), id)
		require.ErrorIs(t, err, deadletter.ErrNoLetter)
	}
}

func TestMissingTopic(t *testing.T) {
	t.Parallel()
	l := lettersOf(t, testenv.Name(t), pipelineName)
	_, err := l.Each(l.ctx(), deadletter.Selection{}, nil)
	require.ErrorIs(t, err, deadletter.ErrNoTopic)
	require.ErrorContains(t, err, l.topic)
	_, err = l.Summary(l.ctx())
	require.ErrorIs(t, err, deadletter.ErrNoTopic)
}

func TestNoKafka(t *testing.T) {
	t.Parallel()
	reader := deadletter.NewReader([]string{fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))}, "topic", pipelineName)
	defer reader.Close()
	_, err := reader.Summary(testenv.Context(t, time.Minute))
	require.ErrorContains(t, err, "connection refused")
}

func TestLettersThatHaveExpired(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	large := strings.Repeat("x", 1<<20)
	for range 6 { // each in a fetch of its own
		l.put("reason", large)
	}
	testenv.DeleteRecords(t, l.topic, 0, 2)
	_, err := l.One(l.ctx(), deadletter.ID{Offset: 1})
	require.ErrorIs(t, err, deadletter.ErrNoLetter)

	var found []string
	_, err = l.Each(l.ctx(), deadletter.Selection{}, func(e deadletter.Entry) error {
		if len(found) == 0 { // and some while they are being read
			testenv.DeleteRecords(t, l.topic, 0, 5)
		}
		found = append(found, e.ID.String())
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"0:2", "0:5"}, found)

	testenv.DeleteRecords(t, l.topic, 0, 6)
	_, counts := l.find(deadletter.Selection{})
	require.Zero(t, counts)
}

func TestReadingEndsWithItsContextAndItsCaller(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	l.put("reason", "a", "b")
	calls := 0
	_, err := l.Each(l.ctx(), deadletter.Selection{}, func(deadletter.Entry) error {
		calls++
		return context.DeadlineExceeded
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, calls)
	ended, cancel := context.WithCancel(l.ctx())
	cancel()
	_, err = l.Each(ended, deadletter.Selection{}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestProgress(t *testing.T) {
	t.Parallel()
	l := newLetters(t, 1)
	l.put("reason", "a", "b", "c")
	var last, all int64
	l.Progress = func(read, total int64) {
		require.GreaterOrEqual(t, read, last)
		last, all = read, total
	}
	l.find(deadletter.Selection{})
	require.EqualValues(t, 6, last)
	require.EqualValues(t, 6, all)
}
