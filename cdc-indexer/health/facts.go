package health

import "time"

// Facts are what the sources said. A source that was not asked, or did not answer, left nil behind.
type Facts struct {
	At          time.Time    `json:"at"`
	Database    *Database    `json:"database,omitempty"`
	Connector   *Connector   `json:"connector,omitempty"`
	Kafka       *Kafka       `json:"kafka,omitempty"`
	Indexer     *Indexer     `json:"indexer,omitempty"`
	Index       *Index       `json:"index,omitempty"`
	DeadLetters *DeadLetters `json:"dead_letters,omitempty"`
	Verify      *Verify      `json:"last_verify,omitempty"`

	errs map[source]error // why a source that was asked left nothing
}

// Database is what Postgres says of the table and of those who read its log.
type Database struct {
	// Skew is how far Postgres' clock is ahead of ours, give or take Uncertainty: half the time of the question.
	Skew        time.Duration `json:"clock_skew_ns"`
	Uncertainty time.Duration `json:"clock_skew_uncertainty_ns"`

	Table       Table        `json:"table"`
	Slot        *Slot        `json:"slot,omitempty"`        // nil: there is none of that name
	Publication *Publication `json:"publication,omitempty"` // nil: there is none of that name
	// HeartbeatAge is how long ago, by Postgres' clock, the connector last touched its heartbeat table; nil: not known.
	HeartbeatAge *time.Duration `json:"heartbeat_age_ns,omitempty"`
}

// Table is the table that is to be found in the index.
type Table struct {
	Exists          bool     `json:"exists"`
	ReplicaIdentity string   `json:"replica_identity"` // "full", "default", "nothing" or "index"
	TruncateTrigger bool     `json:"truncate_trigger"` // there is a BEFORE TRUNCATE trigger that fires
	Columns         []string `json:"columns"`
}

// Slot is a replication slot.
type Slot struct {
	Active             bool      `json:"active"`
	InactiveSince      time.Time `json:"inactive_since,omitzero"`       // by Postgres' clock; zero: active, or Postgres before 17
	WALStatus          string    `json:"wal_status"`                    // reserved, extended, unreserved or lost
	InvalidationReason string    `json:"invalidation_reason,omitempty"` // Postgres 17 and later
	RetainedWAL        int64     `json:"retained_wal_bytes"`            // from the slot's restart position to the log's end
	Behind             int64     `json:"behind_bytes"`                  // from what was confirmed to the log's end
	// SafeWAL is how much log may still be written before Postgres gives up what the slot needs, below 0 when it may do
	// so at any time; nil: there is no limit (max_slot_wal_keep_size), or the slot is lost.
	SafeWAL       *int64 `json:"safe_wal_bytes,omitempty"`
	Database      string `json:"database"`
	OtherDatabase bool   `json:"other_database"` // it streams another database than the table's
}

// Publication is what a slot streams.
type Publication struct {
	HasTable  bool     `json:"has_table"`
	Withheld  []string `json:"withheld,omitempty"` // of insert, update and delete: those that it does not publish
	RowFilter string   `json:"row_filter,omitempty"`
}

// Connector is what Kafka Connect says of a connector.
type Connector struct {
	Exists bool   `json:"exists"`
	State  string `json:"state"` // Kafka Connect's word, such as RUNNING
	Trace  string `json:"trace,omitempty"`
	Tasks  []Task `json:"tasks"`
}

// Task is one of a connector's tasks.
type Task struct {
	ID    int    `json:"id"`
	State string `json:"state"`
	Trace string `json:"trace,omitempty"` // a Java stack trace
}

// Kafka is what the brokers say of the topics and of those who consume them.
type Kafka struct {
	Topics     []Topic     `json:"topics"`
	Partitions []Partition `json:"partitions"` // of the topics that exist
	GroupState string      `json:"group_state"`
	Members    []Member    `json:"members"`
}

// Topic is one of the pipeline's topics.
type Topic struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions"` // 0: the topic does not exist
}

// Partition is where a group stands in one partition of a topic.
type Partition struct {
	Topic     string `json:"topic"`
	Number    int    `json:"partition"`
	First     int64  `json:"first"`     // the first offset in the log
	End       int64  `json:"end"`       // the offset that the next message will get
	Committed int64  `json:"committed"` // the first offset not done yet, -1 when the group has none
	// Waiting is when the first message not done yet was written; zero when there is none, or it is not known.
	Waiting time.Time `json:"waiting_since,omitzero"`
}

// Lag is how many messages are not done yet.
func (p Partition) Lag() int64 { return max(p.End-max(p.Committed, p.First), 0) }

// Member is one of those who share the work.
type Member struct {
	ID         string `json:"id"`
	Host       string `json:"host"`
	Partitions int    `json:"partitions"` // of all topics
}

// Indexer is what a running indexer says of itself.
type Indexer struct {
	Ready    bool              `json:"ready"`
	Troubles map[string]string `json:"troubles,omitempty"` // by part: why it does not get on
	Skipped  []string          `json:"skipped,omitempty"`  // messages that it could not consume any more
}

// Index is what Elasticsearch says of the index and the aliases that lead to it.
type Index struct {
	ReadAlias  []AliasTarget `json:"read_alias"` // empty: the alias does not exist
	WriteAlias []AliasTarget `json:"write_alias"`
	Indices    []IndexState  `json:"indices"` // those of the prefix and those behind the aliases, by name
	// Mapped are the names of the fields at the top of the mapping of the index that is written to.
	Mapped []string `json:"mapped"`
	// CommittedAt and IndexedAt are the newest that a document carries; zero: there is none.
	CommittedAt time.Time `json:"committed_at,omitzero"`
	IndexedAt   time.Time `json:"indexed_at,omitzero"`
	// Skew is how far Elasticsearch's clock is ahead of ours, give or take Uncertainty; nil: not known.
	Skew        *time.Duration `json:"clock_skew_ns,omitempty"`
	Uncertainty time.Duration  `json:"clock_skew_uncertainty_ns,omitempty"`
}

// AliasTarget is an index behind an alias.
type AliasTarget struct {
	Index           string `json:"index"`
	Written         bool   `json:"written"`          // what is written through the alias goes there
	HidesTombstones bool   `json:"hides_tombstones"` // the alias' filter keeps deleted rows from searches
}

// IndexState is one index.
type IndexState struct {
	Name   string   `json:"name"`
	Health string   `json:"health"`           // green, yellow or red; empty: not known
	Blocks []string `json:"blocks,omitempty"` // settings that keep it from being written to
}

// DeadLetters are the messages that could not be indexed and that nobody has dealt with yet.
type DeadLetters struct {
	ByReason map[string]int `json:"by_reason"`
	Oldest   time.Time      `json:"oldest,omitzero"` // when it became one
}

// Verify is the last comparison of table and index.
type Verify struct {
	At          time.Time `json:"at,omitzero"` // zero: there was none
	Verdict     string    `json:"verdict"`
	Differences int       `json:"differences"`
}
