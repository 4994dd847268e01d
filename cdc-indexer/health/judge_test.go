package health

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func pointer[T any](value T) *T { return &value }

// well returns the facts of a pipeline that is well, with all sources there are.
func well() Facts {
	return Facts{
		At: now,
		Database: &Database{
			Table:        Table{Exists: true, ReplicaIdentity: "full", TruncateTrigger: true, Columns: []string{"id", "title", "lat", "lon"}},
			Slot:         &Slot{Active: true, WALStatus: "reserved", RetainedWAL: 3 << 20, Behind: 512, SafeWAL: pointer[int64](4096)},
			Publication:  &Publication{HasTable: true},
			HeartbeatAge: pointer(4 * time.Second),
		},
		Connector: &Connector{Exists: true, State: "RUNNING", Tasks: []Task{{State: "RUNNING"}}},
		Kafka: &Kafka{
			Topics:     []Topic{{"created", 2}, {"updated", 2}},
			Partitions: []Partition{{Topic: "created", Number: 0, First: 3, End: 9, Committed: 9}, {Topic: "created", Number: 1, Committed: -1}},
			GroupState: "Stable", Members: []Member{{ID: "a", Partitions: 2}},
		},
		Indexer: &Indexer{Ready: true},
		Index: &Index{
			ReadAlias:  []AliasTarget{{Index: "x-000001", HidesTombstones: true}},
			WriteAlias: []AliasTarget{{Index: "x-000001", Written: true}},
			Indices:    []IndexState{{Name: "x-000001", Health: "green"}},
			Mapped:     []string{"cdc", "id", "location", "title"},
			Skew:       pointer(-3 * time.Millisecond), Uncertainty: time.Millisecond,
			CommittedAt: now.Add(-90 * time.Second), IndexedAt: now.Add(-89 * time.Second),
		},
		DeadLetters: &DeadLetters{},
		Verify:      &Verify{At: now.Add(-time.Hour), Verdict: "equal"},
	}
}

var (
	testAbout = About{
		Table: "public.things", Connector: "c", Slot: "s", Publication: "p", ReadAlias: "x", WriteAlias: "x-write",
		Made: []string{"location"}, MadeOf: []string{"lat", "lon"},
	}
	testLimits = Limits{SlotWAL: 2 << 30, ClockSkew: time.Second, Lag: time.Minute}
)

func of(report Report, part Part) (found []Finding) {
	for _, f := range report.Findings {
		if f.Part == part {
			found = append(found, f)
		}
	}
	return found
}

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	report := Judge(well(), testAbout, testLimits)
	require.True(t, report.OK)
	require.NoError(t, Print(&text, report, false))
	require.Equal(t, `postgres       ok       answers
table          ok       public.things, replica identity full
publication    ok       p has the table
slot           ok       s active, 512 B behind, 3.0 MiB of the log kept (reserved)
connector      ok       c RUNNING, 1 task
kafka          ok       answers
topics         ok       2 topics of 2 partitions each
offsets        ok       every message that is not done yet is in the log
group          ok       Stable, 1 member for 2 of 2 partitions
lag            ok       none: every message is in the index
indexer        ok       gets on, and has skipped nothing
elasticsearch  ok       answers
index          ok       x-000001 green behind x and x-write
mapping        ok       all 4 columns are searchable
freshness      ok       the newest change in the index was committed 1m30s ago and indexed within 1s; the last heartbeat was 4s ago
clock          ok       off by: Postgres 0s ± 1ms, Elasticsearch -3ms ± 1ms
dead-letters   ok       none
verify         ok       1h0m0s ago: equal

All is well.
`, text.String())
}

// Every finding that is not "ok", each by one thing that is wrong: its text names what it is about, and its action is
// there when there is something to do.
func TestFindings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		spoil   func(*Facts)
		part    Part
		state   State
		summary string
		action  string // a part of it
	}{
		{"no table", func(f *Facts) { f.Database.Table = Table{} }, PartTable, Failed, "public.things does not exist, or may not be seen", "init-sql"},
		{"identity", func(f *Facts) { f.Database.Table.ReplicaIdentity = "default" }, PartTable, Warning, "public.things has REPLICA IDENTITY DEFAULT: an update leaves its large columns out, and becomes a dead letter", "ALTER TABLE public.things REPLICA IDENTITY FULL"},
		{"no trigger", func(f *Facts) { f.Database.Table.TruncateTrigger = false }, PartTable, OK, "public.things, replica identity full; note: no BEFORE TRUNCATE trigger, so a TRUNCATE would leave every document behind (init-sql/01-schema.sql has one)", ""},

		{"no publication", func(f *Facts) { f.Database.Publication = nil }, PartPublication, Failed, "there is no publication p", "connectors restart"},
		{"table not published", func(f *Facts) { f.Database.Publication.HasTable = false }, PartPublication, Failed, "publication p does not have the table: its changes are in no message", "ALTER PUBLICATION p ADD TABLE public.things"},
		{"deletes not published", func(f *Facts) { f.Database.Publication.Withheld = []string{"update", "delete"} }, PartPublication, Failed, "publication p does not publish update, delete", "insert, update, delete"},
		{"rows not published", func(f *Facts) { f.Database.Publication.RowFilter = "(id > 7)" }, PartPublication, Warning, "publication p leaves rows out: WHERE (id > 7)", "without WHERE"},

		{"no slot", func(f *Facts) { f.Database.Slot = nil }, PartSlot, Failed, "there is no replication slot s", runbookSlot},
		{"slot lost", func(f *Facts) { *f.Database.Slot = Slot{WALStatus: "lost", InvalidationReason: "wal_removed"} }, PartSlot, Failed, "slot s is lost (wal_removed): Postgres has given up the log it needs", runbookSlot},
		{"slot lost, before 17", func(f *Facts) { *f.Database.Slot = Slot{WALStatus: "lost"} }, PartSlot, Failed, "slot s is lost (wal_status lost): Postgres has given up the log it needs", runbookSlot},
		{"slot elsewhere", func(f *Facts) { f.Database.Slot.OtherDatabase, f.Database.Slot.Database = true, "other" }, PartSlot, Failed, "slot s belongs to database other, not to the table's", "source.slot"},
		{"slot inactive", func(f *Facts) {
			f.Database.Slot.Active, f.Database.Slot.InactiveSince = false, now.Add(-time.Hour)
		}, PartSlot, Failed, "slot s has been inactive for 1h0m0s: nobody reads the log; 512 B behind, 3.0 MiB kept", "connectors status"},
		{"slot inactive, before 17", func(f *Facts) { f.Database.Slot.Active = false }, PartSlot, Failed, "slot s is inactive: nobody reads the log; 512 B behind, 3.0 MiB kept", "connectors status"},
		{"slot inactive for a moment, by Postgres' clock", func(f *Facts) {
			f.Database.Skew = time.Hour
			f.Database.Slot.Active, f.Database.Slot.InactiveSince = false, now.Add(time.Hour-5*time.Second)
		}, PartSlot, Warning, "slot s has been inactive for 5s; 512 B behind", "just starting"},
		{"much log", func(f *Facts) { f.Database.Slot.RetainedWAL = 5 << 29 }, PartSlot, Warning, "Postgres keeps 2.5 GiB of its log for slot s, above the limit of 2.0 GiB", runbookLag},
		{"log about to be given up", func(f *Facts) { f.Database.Slot.WALStatus = "unreserved" }, PartSlot, Warning, "Postgres is about to give up the log of slot s (3.0 MiB kept): it will be lost at the next checkpoint", runbookLag},

		{"no connector", func(f *Facts) { *f.Connector = Connector{} }, PartConnector, Failed, "Kafka Connect has no connector c", "connectors register"},
		{"connector failed", func(f *Facts) { f.Connector.State, f.Connector.Trace = "FAILED", "java.Oops: why\n\tat x" }, PartConnector, Failed, "connector c FAILED: java.Oops: why", "connectors restart c"},
		{"task failed", func(f *Facts) { f.Connector.Tasks[0] = Task{ID: 0, State: "FAILED", Trace: "java.Oops: why\n\tat x"} }, PartConnector, Failed, "task 0 of connector c FAILED: java.Oops: why", "connectors restart c"},
		{"task failed without a trace", func(f *Facts) { f.Connector.Tasks[0] = Task{ID: 0, State: "FAILED"} }, PartConnector, Failed, "task 0 of connector c FAILED", "connectors restart c"},
		{"paused", func(f *Facts) { f.Connector.State = "PAUSED"; f.Connector.Tasks[0].State = "PAUSED" }, PartConnector, Failed, "connector c is PAUSED: no change gets through, and Postgres keeps its log meanwhile", "connectors resume c"},
		{"starting", func(f *Facts) { f.Connector.Tasks = nil }, PartConnector, Warning, "c is not running yet: connector RUNNING, no task yet", "again"},
		{"task starting", func(f *Facts) { f.Connector.Tasks[0].State = "UNASSIGNED" }, PartConnector, Warning, "c is not running yet: connector RUNNING, task 0 UNASSIGNED", "again"},

		{"topic missing", func(f *Facts) { f.Kafka.Topics[1].Partitions = 0 }, PartTopics, Failed, "missing: updated", "Create"},
		{"unequal topics", func(f *Facts) { f.Kafka.Topics[1].Partitions = 3 }, PartTopics, Failed, "unequal numbers of partitions: created has 2, updated has 3", "add partitions"},
		{"expired", func(f *Facts) { f.Kafka.Partitions[0].Committed = 1 }, PartOffsets, Failed, "2 messages have expired before being consumed: created/0 at 1, the log begins at 3", runbookSkipped},
		{"beyond the end", func(f *Facts) { f.Kafka.Partitions[0].Committed = 10 }, PartOffsets, Failed, "a topic ends before the committed offset: it was made anew, or the broker lost data: created/0 at 10, the log ends at 9", runbookSkipped},
		{"offsets gone", func(f *Facts) { f.Kafka.Partitions[0].Committed = -1 }, PartOffsets, Failed, "the group has no offset, and the first messages have expired: created/0 begins at 3", runbookSkipped},
		{"no member", func(f *Facts) { f.Kafka.Members, f.Kafka.GroupState = nil, "Empty" }, PartGroup, Failed, "the consumer group has no member (Empty): no indexer consumes", "cdc-indexer run"},
		{"rebalance", func(f *Facts) { f.Kafka.GroupState = "PreparingRebalance" }, PartGroup, Warning, "the consumer group is sharing out its partitions (PreparingRebalance)", "again"},
		{"lag", func(f *Facts) {
			f.Kafka.Partitions[0].Committed, f.Kafka.Partitions[0].Waiting = 4, now.Add(-2*time.Second)
			f.Kafka.Partitions[1].End = 1
		}, PartLag, OK, "6 messages in 2 partitions, most of them 5 in created/0; the oldest has waited for 2s", ""},
		{"old lag", func(f *Facts) {
			f.Kafka.Partitions[0].Committed, f.Kafka.Partitions[0].Waiting = 8, now.Add(-2*time.Minute)
		}, PartLag, Warning, "1 message in created/0; the oldest has waited for 2m0s", runbookLag},
		{"lag of unknown age", func(f *Facts) { f.Kafka.Partitions[0].Committed = 8 }, PartLag, OK, "1 message in created/0", ""},

		{"held up", func(f *Facts) { f.Indexer.Troubles = map[string]string{"index": "a\nb"} }, PartIndexer, Failed, "held up by index: a b", "mended"},
		{"skipped", func(f *Facts) { f.Indexer.Skipped = []string{"1", "2", "3", "4", "5"} }, PartIndexer, Warning, "messages were skipped since it was started: 1; 2; 3 and 2 more", runbookSkipped},
		{"indexer away", func(f *Facts) {
			f.Indexer, f.errs = nil, map[source]error{fromIndexer: errNoAnswer}
			f.Kafka.Members = nil
		}, PartIndexer, Failed, "cannot be asked: no answer in time", "cdc-indexer run"},
		{"indexer elsewhere", func(f *Facts) { f.Indexer, f.errs = nil, map[source]error{fromIndexer: errNoAnswer} }, PartIndexer, Warning, "cannot be asked: no answer in time; but its group has members", "--indexer-url"},

		{"no write alias", func(f *Facts) { f.Index.WriteAlias = nil }, PartIndex, Failed, "there is no write alias x-write", "is_write_index"},
		{"no write index", func(f *Facts) {
			f.Index.WriteAlias = []AliasTarget{{Index: "x-000001"}, {Index: "x-000002"}}
		}, PartIndex, Failed, "write alias x-write leads to x-000001, x-000002 and none of them is its write index", "is_write_index"},
		{"two write indices", func(f *Facts) {
			f.Index.WriteAlias = append(f.Index.WriteAlias, AliasTarget{Index: "x-000002", Written: true})
		}, PartIndex, Failed, "write alias x-write has several write indices: x-000001, x-000002", "one only"},
		{"write alias on two", func(f *Facts) { f.Index.WriteAlias = append(f.Index.WriteAlias, AliasTarget{Index: "x-000002"}) }, PartIndex, Warning, "write alias x-write leads to x-000001, x-000002; x-000001 is written", "off the others"},
		{"no read alias", func(f *Facts) { f.Index.ReadAlias = nil }, PartIndex, Failed, "there is no read alias x: searches fail", "cdc.deleted"},
		{"aliases apart", func(f *Facts) { f.Index.ReadAlias[0].Index = "x-000002" }, PartIndex, Failed, "read alias x leads to x-000002, but x-000001 is written: searches see no change", "same index"},
		{"read alias on two", func(f *Facts) {
			f.Index.ReadAlias = append(f.Index.ReadAlias, AliasTarget{Index: "x-000002", HidesTombstones: true})
		}, PartIndex, Warning, "read alias x leads to several indices, x-000001, x-000002: searches find rows twice", "off those"},
		{"tombstones seen", func(f *Facts) { f.Index.ReadAlias[0].HidesTombstones = false }, PartIndex, Warning, "read alias x on x-000001 does not hide tombstones: searches find deleted rows", "filter"},
		{"write block", func(f *Facts) { f.Index.Indices[0].Blocks = []string{"index.blocks.write"} }, PartIndex, Failed, "index x-000001 does not take writes: index.blocks.write", runbookBlocked},
		{"red", func(f *Facts) { f.Index.Indices[0].Health = "red" }, PartIndex, Failed, "index x-000001 is red: a primary shard is missing", "allocation"},
		{"another index", func(f *Facts) {
			f.Index.Indices = append(f.Index.Indices, IndexState{Name: "x-000002", Health: "red", Blocks: []string{"index.blocks.write"}})
		}, PartIndex, OK, "x-000001 green behind x and x-write; beside it x-000002, kept from before or an unfinished build", ""},

		{"mapping", func(f *Facts) {
			f.Database.Table.Columns = []string{"id", "new", "newer", "lat", "lon"}
		}, PartMapping, OK, "note: not searchable: new, newer (in the documents, not in the mapping); mapped, but no column: title", ""},
		{"nothing to compare", func(f *Facts) { f.Index.Mapped = nil }, PartMapping, Unknown, "not known: there is no table or no index to compare", ""},
		{"no heartbeat", func(f *Facts) { f.Database.HeartbeatAge = pointer(2 * time.Minute) }, PartFreshness, Warning, "the newest change in the index was committed 1m30s ago and indexed within 1s; the last heartbeat was 2m0s ago", "does not reach Postgres"},
		{"heartbeat only", func(f *Facts) { f.Index = nil }, PartFreshness, OK, "the last heartbeat was 4s ago", ""},
		{"empty index", func(f *Facts) { f.Index.CommittedAt, f.Database.HeartbeatAge = time.Time{}, nil }, PartFreshness, OK, "no document yet", ""},

		{"Postgres' clock", func(f *Facts) { f.Database.Skew = 3 * time.Second }, PartClock, Warning, "the clock of Postgres is 3s ahead of this machine's", "NTP"},
		{"Elasticsearch's clock", func(f *Facts) { f.Index.Skew = pointer(-3 * time.Second) }, PartClock, Warning, "the clock of Elasticsearch is 3s behind this machine's", "NTP"},
		{"a slow answer", func(f *Facts) { f.Database.Skew, f.Database.Uncertainty = 3*time.Second, 2500*time.Millisecond }, PartClock, OK, "off by: Postgres 3s ± 2.5s, Elasticsearch -3ms ± 1ms", ""},

		{"dead letters", func(f *Facts) {
			f.DeadLetters = &DeadLetters{ByReason: map[string]int{"b": 1, "a": 2}, Oldest: now.Add(-72 * time.Hour)}
		}, PartDeadLetters, Warning, "3 open (2 a, 1 b), the oldest 3 days old", runbookLetters},
		{"dead letters not wired", func(f *Facts) { f.DeadLetters = nil }, PartDeadLetters, Unknown, "not known", ""},
		{"differences", func(f *Facts) { f.Verify.Differences, f.Verify.Verdict = 2, "different" }, PartVerify, Warning, "1h0m0s ago: different, 2 differences", "repair"},
		{"never verified", func(f *Facts) { f.Verify = &Verify{} }, PartVerify, Unknown, "table and index were never compared", ""},
		{"verify not wired", func(f *Facts) { f.Verify = nil }, PartVerify, Unknown, "not known", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			facts := well()
			test.spoil(&facts)
			report := Judge(facts, testAbout, testLimits)
			found := of(report, test.part)
			require.Len(t, found, 1)
			require.Equal(t, test.state, found[0].State)
			require.Equal(t, test.summary, found[0].Summary)
			if test.action == "" {
				require.Empty(t, found[0].Action)
			}
			require.Contains(t, found[0].Action, test.action)
			require.Equal(t, !found[0].wrong(), report.OK)
		})
	}
}

func TestSeveralThingsMayBeWrongWithOnePart(t *testing.T) {
	t.Parallel()
	facts := well()
	facts.Database.Slot = &Slot{InactiveSince: now.Add(-time.Hour), WALStatus: "unreserved"}
	facts.Index.ReadAlias = []AliasTarget{{Index: "x-000009"}}
	facts.Index.Indices[0].Blocks = []string{"index.blocks.write"}
	report := Judge(facts, testAbout, testLimits)
	require.Len(t, of(report, PartSlot), 2)
	require.Len(t, of(report, PartIndex), 3)
}

// A source that is down is named once, with what to do; what would have come from it is not known.
func TestSourcesThatAreDown(t *testing.T) {
	t.Parallel()
	refused := errors.New("dial tcp:\n\tconnection refused")
	report := Judge(Facts{At: now, errs: map[source]error{
		fromDatabase: refused, fromConnector: refused, fromKafka: refused, fromIndexer: refused, fromIndex: refused,
		fromDeadLetters: refused, fromVerify: refused,
	}}, testAbout, testLimits)
	require.False(t, report.OK)
	for _, part := range []Part{PartPostgres, PartKafka, PartElasticsearch, PartIndexer} {
		require.Equal(t, "cannot be asked: dial tcp: connection refused", of(report, part)[0].Summary)
		require.Equal(t, Failed, of(report, part)[0].State)
		require.NotEmpty(t, of(report, part)[0].Action)
	}
	require.Equal(t, "Kafka Connect cannot be asked: dial tcp: connection refused", of(report, PartConnector)[0].Summary)
	for part, summary := range map[Part]string{
		PartSlot: "not known: Postgres cannot be asked", PartTable: "not known: Postgres cannot be asked",
		PartPublication: "not known: Postgres cannot be asked", PartClock: "not known: Postgres cannot be asked",
		PartLag: "not known: Kafka cannot be asked", PartGroup: "not known: Kafka cannot be asked",
		PartIndex: "not known: Elasticsearch cannot be asked", PartFreshness: "not known: Elasticsearch cannot be asked",
		PartDeadLetters: "cannot be asked: dial tcp: connection refused", PartVerify: "cannot be asked: dial tcp: connection refused",
	} {
		require.Equal(t, []Finding{unknown(part, summary)}, of(report, part))
	}
}

// What is not configured is not looked at, and that is no fault.
func TestWhatIsNotNamedIsNotLookedAt(t *testing.T) {
	t.Parallel()
	report := Judge(Facts{At: now}, About{Table: "public.things"}, testLimits)
	require.True(t, report.OK)
	for _, f := range report.Findings {
		require.Equal(t, Unknown, f.State, f.Part)
	}
	require.Equal(t, "not looked at: the pipeline file names no source.slot", of(report, PartSlot)[0].Summary)
	require.Equal(t, "not looked at: the pipeline file names no source.publication", of(report, PartPublication)[0].Summary)
	require.Equal(t, "not looked at: the pipeline file names no source.connector", of(report, PartConnector)[0].Summary)
	require.Equal(t, "not looked at: no address was given", of(report, PartPostgres)[0].Summary)
}

func TestPrintPutsTheActionBelow(t *testing.T) {
	t.Parallel()
	report := Report{Findings: []Finding{
		failed(PartSlot, "there is none", "Make one."), warning(PartClock, "is slow", "Set it."), unknown(PartVerify, "not known"), ok(PartElasticsearch, "answers"),
	}}
	var text strings.Builder
	require.NoError(t, Print(&text, report, false))
	require.Equal(t, `slot           FAILED   there is none
                        Make one.
clock          WARNING  is slow
                        Set it.
verify         unknown  not known
elasticsearch  ok       answers

2 things to look at.
`, text.String())

	text.Reset()
	require.NoError(t, Print(&text, report, true))
	require.Contains(t, text.String(), "slot           \x1b[31;1mFAILED \x1b[0m  there is none\n")
}
