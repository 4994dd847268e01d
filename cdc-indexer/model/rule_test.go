package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
)

// TestModelTellsBrokenRulesApart shows that the model has teeth: each way of ordering or writing that looks good
// enough at first must be seen to lose changes.
func TestModelTellsBrokenRulesApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		rule  func() rule
		shape shape
		most  uint64 // histories
	}{
		{"the log position alone", plainLSN, shape{}, 1000},
		{"no decision between changes of one transaction", withoutTieBreak, shape{}, 1000},
		{"the last writer wins a tie", lastWriterWins, shape{}, 1000},
		{"rows are deleted instead of marked", physicalDeletes, shape{}, 1000},
		{"ties told by the distance of versions", distanceTies, shape{bursts: true}, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			diverged, errs := divergences(t, test.most, test.rule, test.shape)
			t.Logf("%s: %d of %d histories diverged, in %s", test.name, diverged, test.most, time.Since(start).Round(time.Millisecond))
			if diverged == 0 {
				t.Error("the model did not notice")
			}
			if errs != nil {
				t.Error(errs)
			}
		})
	}
}

// TestInterruptedInitialSnapshot keeps a limit in mind that no order can mend. When the initial snapshot is interrupted,
// Debezium reads the table again and streams from there (PostgresConnectorTask, PostgresSnapshotChangeEventSource), so
// nothing tells of a row that was read the first time and deleted before the second: the index needs a repair.
func TestInterruptedInitialSnapshot(t *testing.T) {
	t.Parallel()
	const most = 300
	diverged, err := divergences(t, most, theRule, shape{restartableSnapshot: true})
	t.Logf("%d of %d histories diverged", diverged, most)
	if diverged == 0 || err != nil {
		t.Errorf("%d histories diverged, error %v", diverged, err)
	}
}

func divergences(t *testing.T, count uint64, newRule func() rule, s shape) (diverged int, err error) {
	t.Helper()
	r := newRule()
	for seed := range count {
		v := runHistory(t, seed+1, r, s, false)
		if v.err != nil {
			return diverged, fmt.Errorf("history %d: %w", seed+1, v.err)
		}
		if v.difference != "" {
			diverged++
		}
	}
	return diverged, nil
}

func plainLSN() rule {
	r := theRule()
	r.order = func(m message) change.Order { return newOrder(0, m.lsn) }
	return r
}

func withoutTieBreak() rule {
	r := theRule()
	r.order = func(m message) change.Order {
		order := orderOf(m)
		order.LSN = 0
		return order
	}
	return r
}

func lastWriterWins() rule {
	r := theRule()
	r.apply = func(client *elastic.Client) applier {
		return &simpleWriter{client: client, versionType: "external_gte"}
	}
	return r
}

func physicalDeletes() rule {
	r := theRule()
	r.tombstones = false
	r.apply = func(client *elastic.Client) applier {
		return &simpleWriter{client: client, versionType: "external", deletes: true, newer: newerPair}
	}
	return r
}

// distanceTies stores no version of its own and takes a version that is less than a commit record higher for one
// of the same transaction: each rewrite adds 1, and after 32 of them that reaches into the next transaction.
func distanceTies() rule {
	r := theRule()
	const commitRecord = 32 // bytes, at least
	r.apply = func(client *elastic.Client) applier {
		return &simpleWriter{client: client, versionType: "external", newer: func(incoming change.Order, stored gjson.Result) bool {
			version := stored.Get("_version").Int()
			return version >= incoming.Version && version-incoming.Version < commitRecord && incoming.LSN > stored.Get("_source.cdc.lsn").Int()
		}}
	}
	return r
}

func newerPair(incoming change.Order, stored gjson.Result) bool {
	cdc := stored.Get("_source.cdc")
	return incoming.NewerThan(change.Order{Version: cdc.Get("version").Int(), LSN: cdc.Get("lsn").Int()})
}

// simpleWriter writes one change at a time. It stands in for elastic.Writer where that would have to be bent.
type simpleWriter struct {
	client      *elastic.Client
	versionType string
	deletes     bool // a delete removes the document
	// newer decides a conflict by what the index holds; nil: every conflict means stale.
	newer func(incoming change.Order, stored gjson.Result) bool
}

func (w *simpleWriter) Apply(ctx context.Context, changes []change.Change) ([]change.Result, error) {
	results := make([]change.Result, len(changes))
	for i := range changes {
		for {
			outcome, err := w.write(ctx, &changes[i])
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err == nil {
				results[i].Outcome = outcome
				break
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Second):
			}
		}
	}
	return results, nil
}

// write tries once.
func (w *simpleWriter) write(ctx context.Context, c *change.Change) (change.Outcome, error) {
	status, err := w.index(ctx, c, fmt.Sprintf(`"version":%d,"version_type":%q`, c.Order.Version, w.versionType))
	if err != nil || status != http.StatusConflict {
		return change.Applied, err
	}
	if w.newer == nil {
		return change.Stale, nil
	}
	stored, err := w.get(ctx, c.Key)
	if err != nil {
		return 0, err
	}
	if !stored.Get("found").Bool() || !w.newer(c.Order, stored) {
		return change.Stale, nil
	}
	status, err = w.index(ctx, c, fmt.Sprintf(`"if_seq_no":%d,"if_primary_term":%d`, stored.Get("_seq_no").Int(), stored.Get("_primary_term").Int()))
	if err == nil && status == http.StatusConflict {
		err = errors.New("changed meanwhile")
	}
	return change.Applied, err
}

func (w *simpleWriter) index(ctx context.Context, c *change.Change, condition string) (status int, err error) {
	document := "{}"
	if c.Op != change.Delete {
		document = string(c.Document)
	}
	separator := ","
	if document == "{}" {
		separator = ""
	}
	cdc := fmt.Sprintf(`%s"cdc":{"version":%d,"lsn":%d,"deleted":%t}}`, separator, c.Order.Version, c.Order.LSN, c.Op == change.Delete)
	body := fmt.Sprintf("{\"index\":{\"_id\":%q,%s}}\n%s%s\n", c.Key, condition, document[:len(document)-1], cdc)
	if w.deletes && c.Op == change.Delete {
		body = fmt.Sprintf("{\"delete\":{\"_id\":%q,%s}}\n", c.Key, condition)
	}
	answer, err := w.do(ctx, esapi.BulkRequest{Index: names.WriteAlias, Body: bytes.NewReader([]byte(body))})
	if err != nil {
		return 0, err
	}
	status = int(answer.Get("items.0.*.status").Int())
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusConflict, http.StatusNotFound:
		return status, nil
	default:
		return status, fmt.Errorf("status %d", status)
	}
}

func (w *simpleWriter) get(ctx context.Context, key string) (gjson.Result, error) {
	body, err := json.Marshal(map[string]any{"ids": []string{key}})
	if err != nil {
		return gjson.Result{}, err
	}
	answer, err := w.do(ctx, esapi.MgetRequest{Index: names.WriteAlias, Body: bytes.NewReader(body)})
	return answer.Get("docs.0"), err
}

func (w *simpleWriter) do(ctx context.Context, request esapi.Request) (gjson.Result, error) {
	response, err := request.Do(ctx, w.client)
	if err != nil {
		return gjson.Result{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.IsError() {
		err = errors.New(response.Status())
	}
	return gjson.ParseBytes(text), err
}

// TestSimpleWriterIsSound makes sure that the broken rules fail for their rule and not for their writer.
func TestSimpleWriterIsSound(t *testing.T) {
	t.Parallel()
	sound := func() rule {
		r := theRule()
		r.apply = func(client *elastic.Client) applier {
			return &simpleWriter{client: client, versionType: "external", newer: newerPair}
		}
		return r
	}
	if diverged, err := divergences(t, 500, sound, shape{}); diverged != 0 || err != nil {
		t.Errorf("%d histories diverged, error %v", diverged, err)
	}
}
