package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// reindex measures `cdc-indexer reindex` of the table's rows, beside an index that is up to date and at rest: the ceiling
// shares Elasticsearch with no merges of an index that was just filled, either.
func (s *system) reindex(ctx context.Context, rows int, live indexer) (values, error) {
	if err := s.es.settle(ctx); err != nil {
		return nil, err
	}
	before, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	used, said, err := s.command(live, "reindex", "--json").run(ctx)
	if err != nil {
		return nil, err
	}
	after, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	copied, err := copyPhase(said)
	if err != nil {
		return nil, err
	}
	if got := gjson.Get(said[max(strings.Index(said, "{\n"), 0):], "rows_copied").Int(); got != int64(rows) {
		return nil, fmt.Errorf("copied %d rows and not %d: %s", got, rows, said)
	}
	measured := work(rows, copied, used, after-before)
	measured["s in all"] = used.Seconds
	return measured, s.es.check(ctx, live.readAlias(), rows)
}

// copyPhase is how long the copying took, by the times in the log: from the line that tells of its beginning to that of
// the next phase.
func copyPhase(log string) (time.Duration, error) {
	var begun time.Time
	for line := range strings.Lines(log) {
		phase := gjson.Get(line, "phase").String()
		at, err := time.Parse(time.RFC3339Nano, gjson.Get(line, "time").String())
		switch {
		case phase == "" || err != nil:
		case phase == "copy" && begun.IsZero():
			begun = at
		case phase != "copy" && !begun.IsZero():
			return at.Sub(begun), nil
		}
	}
	return 0, errors.New("the log does not tell when the copying began and ended: " + log)
}

// reindexOnce makes a live index, and measures a reindex of it.
func (s *system) reindexOnce(ctx context.Context, rows int) (values, error) {
	live, _, err := s.caughtUp(ctx, rows, nil)
	if err != nil {
		return nil, err
	}
	measured, err := s.reindex(ctx, rows, live)
	return measured, errors.Join(err, s.es.remove(ctx, live.name))
}
