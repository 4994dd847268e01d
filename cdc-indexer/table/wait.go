package table

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	defaultWait  = 10 * time.Minute
	lookEvery    = 100 * time.Millisecond
	reportEvery  = 10 * time.Second
	unknownFor   = time.Second
	queryExcerpt = 80 // characters
)

// WaitFor says how patiently a snapshot waits for the transactions before it.
type WaitFor struct {
	Timeout time.Duration // 0 for ten minutes
	// Report is told of the oldest transaction that is waited for: at once, and every ten seconds. It may be nil. Of one
	// whose session is not known it is told after a second.
	Report func(Blocker)
}

func (w WaitFor) timeout() time.Duration {
	if w.Timeout <= 0 {
		return defaultWait
	}
	return w.Timeout
}

// Blocker is a transaction that a snapshot waits for.
type Blocker struct {
	PID         int32 // 0 for a prepared transaction, which no session holds
	Prepared    string
	User        string
	Application string
	State       string        // such as "idle in transaction"
	Age         time.Duration // of the transaction
	Query       string        // the start of the last one
}

// known says whether it can be told who holds the transaction. Of one that ends while Postgres is asked, of another
// database most often, the id is still found and the session is not.
func (b Blocker) known() bool { return b.PID != 0 || b.Prepared != "" }

// String names the transaction for people.
func (b Blocker) String() string {
	age := b.Age.Round(time.Second)
	switch {
	case b.Prepared != "":
		return fmt.Sprintf("the prepared transaction %q of user %s, %s old", b.Prepared, b.User, age)
	case b.PID == 0:
		return "a transaction whose session is not known"
	default:
		return fmt.Sprintf("pid %d, user %s, application %q, %s, in a transaction of %s: %s", b.PID, b.User, b.Application, b.State, age, b.Query)
	}
}

// HeldUpError says that a transaction has not ended in the time that there was.
type HeldUpError struct {
	Blocker Blocker
	Waited  time.Duration
}

// Error names the transaction, and what can be done.
func (e *HeldUpError) Error() string {
	advice := fmt.Sprintf("SELECT pg_terminate_backend(%d)", e.Blocker.PID)
	switch {
	case e.Blocker.Prepared != "":
		advice = "COMMIT PREPARED or ROLLBACK PREPARED '" + strings.ReplaceAll(e.Blocker.Prepared, "'", "''") + "'"
	case e.Blocker.PID == 0:
		advice = "see pg_stat_activity"
	}
	return fmt.Sprintf("a transaction has held the snapshot up for %s: %s; wait longer, or end it (%s)", e.Waited.Round(time.Second), e.Blocker, advice)
}

// waitForTransactions returns when every transaction has ended that had a transaction id when it was called. Those
// alone can have changes in the log so far: an id is assigned before a transaction writes its first one. One that has
// none yet will write behind the position that was read before. Subtransactions need no care: the transaction that they
// are part of has an id before they get theirs, and is running until all of them are over.
//
// A new id of our own separates the two: all ids before it had been assigned. The end of the ids that
// pg_current_snapshot shows would not do, it lies behind the last transaction that has ended, and newer ones are running.
func waitForTransactions(ctx context.Context, conn *pgx.Conn, wait WaitFor) error {
	var limit string
	if err := conn.QueryRow(ctx, "SELECT pg_current_xact_id()::text").Scan(&limit); err != nil {
		return fmt.Errorf("ask for a transaction id: %w", err)
	}
	start, tick := time.Now(), time.NewTicker(lookEvery)
	defer tick.Stop()
	var reported Blocker
	var reportedAt time.Time
	for {
		blocker, err := oldestBlocker(ctx, conn, limit)
		if err != nil {
			return err
		}
		if blocker == nil {
			return nil
		}
		waited := time.Since(start)
		if wait.Report != nil && (blocker.known() || waited >= unknownFor) && (reported.PID != blocker.PID || reported.Prepared != blocker.Prepared || time.Since(reportedAt) >= reportEvery) {
			reported, reportedAt = *blocker, time.Now()
			wait.Report(*blocker)
		}
		if waited >= wait.timeout() {
			return &HeldUpError{Blocker: *blocker, Waited: waited}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", blocker, ctx.Err())
		case <-tick.C:
		}
	}
}

// blockerQuery finds the running transactions with ids before $1. Those of other databases cannot touch the table. A
// prepared transaction runs without a session.
const blockerQuery = `
	SELECT coalesce(a.pid, 0), coalesce(p.gid, ''), coalesce(a.usename, p.owner, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
		coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)), 0)::float8, coalesce(a.query, '')
	FROM pg_snapshot_xip(pg_current_snapshot()) AS running (id)
	LEFT JOIN pg_stat_activity a ON a.backend_xid = running.id::xid
	LEFT JOIN pg_prepared_xacts p ON p.transaction = running.id::xid
	WHERE running.id < $1::xid8 AND coalesce(a.datname, p.database, current_database()) = current_database()
	ORDER BY running.id
	LIMIT 1`

func oldestBlocker(ctx context.Context, conn *pgx.Conn, limit string) (*Blocker, error) {
	var b Blocker
	var age float64
	err := conn.QueryRow(ctx, blockerQuery, limit).Scan(&b.PID, &b.Prepared, &b.User, &b.Application, &b.State, &age, &b.Query)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, fmt.Errorf("look for running transactions: %w", err)
	}
	b.Age = time.Duration(age * float64(time.Second))
	b.Query = excerpt(b.Query)
	return &b, nil
}

// excerpt returns the start of a query on one line.
func excerpt(query string) string {
	text := []rune(strings.Join(strings.Fields(query), " "))
	if len(text) > queryExcerpt {
		return string(text[:queryExcerpt]) + "…"
	}
	return string(text)
}
