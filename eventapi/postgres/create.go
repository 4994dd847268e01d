package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ticketing/eventapi/event"
	"ticketing/eventapi/idempotency"
)

// Create writes all events in one transaction, or none, and returns them as written, in the same order, with a position
// that holds for each of them. An *event.ItemError says which one the database refused: event.ErrExists or an
// *event.InvalidError.
//
// What is sent in one batch is one transaction by itself; to begin and to commit one would be two round trips more. A
// transaction has one trace, so an event whose request is traced shares none.
func (s *Store) Create(ctx context.Context, events []event.New) (created []event.Event, at event.Position, err error) {
	if len(events) == 1 && events[0].ID == nil && !traced(ctx) {
		one, at, err := s.gather.create(ctx, events[0].Fields)
		return []event.Event{one}, at, err
	}
	return insertEach(ctx, s.pool, events)
}

// CreateOnce does what Create does, once for every key: it keeps render's answer in the transaction of the write,
// and returns that answer, marked as replayed, to every later request with the same key and hash, also to one that
// comes while the first is being carried out. The same key with another hash is idempotency.ErrKeyReused. Nothing
// is kept of a write that failed.
func (s *Store) CreateOnce(
	ctx context.Context, request idempotency.Request, events []event.New,
	render func([]event.Event, event.Position) (idempotency.Answer, error),
) (idempotency.Answer, error) {
	var answer idempotency.Answer
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		// Whoever comes second waits here until the first has committed or rolled back; its next statement then
		// sees the answer that the first has kept.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", request.Key); err != nil {
			return classify(err, "lock the idempotency key")
		}
		var found bool
		if answer, found, err = kept(ctx, tx, request); err != nil || found {
			return err
		}
		created, at, err := insertEach(ctx, tx, events)
		if err != nil {
			return err
		}
		if answer, err = render(created, at); err != nil {
			return err
		}
		return keep(ctx, tx, request, answer)
	})
	return answer, err
}

// kept looks for the answer to an earlier request with the same key.
func kept(ctx context.Context, tx pgx.Tx, request idempotency.Request) (idempotency.Answer, bool, error) {
	answer := idempotency.Answer{Replayed: true}
	var sameRequest bool
	err := tx.QueryRow(ctx,
		"SELECT request_hash = $2, status, headers, body FROM public.idempotency_keys WHERE key = $1",
		request.Key, request.Hash).Scan(&sameRequest, &answer.Status, &answer.Headers, &answer.Body)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return answer, false, nil
	case err != nil:
		return answer, false, classify(err, "look up the idempotency key")
	case !sameRequest:
		return answer, false, idempotency.ErrKeyReused
	default:
		return answer, true, nil
	}
}

func keep(ctx context.Context, tx pgx.Tx, request idempotency.Request, answer idempotency.Answer) error {
	_, err := tx.Exec(ctx,
		"INSERT INTO public.idempotency_keys (key, request_hash, status, headers, body) VALUES ($1, $2, $3, $4, $5)",
		request.Key, request.Hash, answer.Status, answer.Headers, answer.Body)
	return classify(err, "keep the answer of an idempotency key")
}

// lockID waits for a delete of the same id that is not over yet. Postgres writes an insert's record before it waits for
// one, so the delete's record could lie behind the position and be taken for this write's.
const lockID = "SELECT FROM public.events WHERE id = $1 FOR UPDATE"

// batches is a transaction, or a pool that makes one of each batch.
type batches interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// insertEach inserts each event by a statement of its own, so that an error says which one was refused.
func insertEach(ctx context.Context, tx batches, events []event.New) (created []event.Event, at event.Position, err error) {
	each := make([]rows, len(events))
	for i, e := range events {
		row, err := encode(e)
		if err != nil {
			return nil, 0, err
		}
		each[i] = rows{row}
	}
	var locked *event.ID
	if len(events) == 1 { // the position of several is told to nobody
		locked = events[0].ID
	}
	return insertAll(ctx, tx, locked, each)
}

// insertAll sends all inserts at once, one statement for each rows, behind the question for the position, and reads what
// they wrote. An *event.ItemError says which statement was refused. With locked, it waits for a delete of that id first.
func insertAll(
	ctx context.Context, tx batches, locked *event.ID, inserts []rows,
) (created []event.Event, at event.Position, err error) {
	batch := &pgx.Batch{}
	queueTrace(ctx, batch)
	if locked != nil {
		batch.Queue(lockID, [16]byte(*locked))
	}
	before := batch.Len()
	batch.Queue(position)
	for _, all := range inserts {
		batch.Queue(insert, all.parameter())
	}
	results := tx.SendBatch(ctx, batch)
	defer func() {
		if closed := results.Close(); err == nil { // without a transaction around it, this is the commit
			err = classify(closed, "end a batch")
		}
	}()
	for range before {
		if _, err := results.Exec(); err != nil {
			return nil, 0, classify(err, "prepare the insert")
		}
	}
	if err := scanPosition(&at)(results.QueryRow()); err != nil {
		return nil, 0, classify(err, "ask for the position")
	}
	for i := range inserts {
		inserted, err := collect(results.Query())
		if err != nil {
			return nil, 0, &event.ItemError{Index: i, Err: err}
		}
		created = append(created, inserted...)
	}
	return created, at, nil
}

// collect reads the rows that an insert returns.
func collect(rows pgx.Rows, err error) ([]event.Event, error) {
	if err != nil {
		return nil, classify(err, "insert event")
	}
	inserted, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (event.Event, error) { return scan(row) })
	return inserted, classify(err, "insert event")
}

// purgeLock keeps two programs from purging the same keys at the same time.
const purgeLock = 0x6964656d // "idem"

// PurgeIdempotencyKeys deletes answers kept for longer than age, at most limit of them, the oldest first, and
// returns how many. It deletes nothing while another program does.
func (s *Store) PurgeIdempotencyKeys(ctx context.Context, age time.Duration, limit int) (int64, error) {
	var deleted int64
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var alone bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", purgeLock).Scan(&alone); err != nil || !alone {
			return classify(err, "lock the purge")
		}
		tag, err := tx.Exec(ctx, `DELETE FROM public.idempotency_keys WHERE key IN (
			SELECT key FROM public.idempotency_keys WHERE created_at < now() - $1::interval ORDER BY created_at LIMIT $2)`,
			age, limit)
		deleted = tag.RowsAffected()
		return classify(err, "purge idempotency keys")
	})
	if err != nil {
		return 0, fmt.Errorf("purge idempotency keys: %w", err)
	}
	return deleted, nil
}
