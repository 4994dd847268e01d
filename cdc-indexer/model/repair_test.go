package model

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/verify"
)

// vandal is somebody with write access to the index who thinks they know better.
type vandal struct {
	h     *history
	acted bool
}

// act changes, deletes or invents a document behind the indexer's back.
func (v *vandal) act() {
	h := v.h
	v.acted = true
	key := h.postgres.key()
	var line string
	switch h.IntN(4) {
	case 0:
		line = fmt.Sprintf("{\"delete\":{\"_id\":%q}}\n", key)
	case 1:
		line = fmt.Sprintf("{\"index\":{\"_id\":%q}}\n{\"id\":%q,\"value\":\"invented\"}\n", key, key)
	case 2:
		key = "orphan" + fmt.Sprint(h.IntN(3))
		line = fmt.Sprintf("{\"index\":{\"_id\":%q}}\n{\"id\":%q,\"value\":\"invented\"}\n", key, key)
	default: // a change of one field, as an update by hand makes it
		stored := gjson.GetBytes(h.mustRequest(http.MethodPost, "/"+names.WriteAlias+"/_mget", `{"ids":["`+key+`"]}`), "docs.0._source")
		if !stored.Exists() || stored.Get("cdc.deleted").Bool() {
			return
		}
		var document map[string]json.RawMessage
		if err := json.Unmarshal([]byte(stored.Raw), &document); err != nil {
			panic(err)
		}
		document["value"] = json.RawMessage(`"changed"`)
		text, err := json.Marshal(document)
		if err != nil {
			panic(err)
		}
		line = fmt.Sprintf("{\"index\":{\"_id\":%q}}\n%s\n", key, text)
	}
	h.log("vandal: %s", line)
	h.mustRequest(http.MethodPost, "/"+names.WriteAlias+"/_bulk", line)
}

// compare begins a comparison, which may mend what it finds.
func (b *builder) compare(repair bool) {
	metrics := elastic.NewMetrics(prometheus.NewRegistry())
	v := &verify.Verifier{
		Table: verifiedTable{modelTable{b}}, Index: elastic.NewReader(b.client, names), Keys: []string{"id"},
	}
	if repair {
		v.Repairer = elastic.NewRepairer(b.client, names.WriteAlias, metrics)
	}
	if b.steps.lateProof || b.steps.blindProof || b.steps.otherProof {
		v.Index = &believingIndex{Index: v.Index, steps: b.steps}
	}
	if repair && b.steps.strictRepair {
		v.Repairer = elastic.NewWriter(b.client, names.WriteAlias, metrics)
	}
	b.begin("repair", func(ctx context.Context) error {
		report, err := v.Run(ctx, verify.Options{RangeRows: 2, Workers: 1, Proven: b.proven})
		b.h.log("builder: repair found %+v", report)
		if err != nil {
			return err
		}
		b.summed += int(report.Summed)
		b.proven = report.Proven
		return nil
	})
}

// believingIndex has a comparison count on more than it has proven.
type believingIndex struct {
	verify.Index
	steps steps
}

func (x *believingIndex) Written(ctx context.Context) (elastic.Watermark, error) {
	written, err := x.Index.Written(ctx)
	if x.steps.lateProof {
		written.SeqNo += 3
	}
	if x.steps.otherProof && err == nil {
		written.UUID = "any"
	}
	return written, err
}

func (x *believingIndex) Documents(ctx context.Context, keys elastic.KeyRange, writes elastic.Writes, each func([]elastic.Document) error) error {
	return x.Index.Documents(ctx, keys, writes, func(page []elastic.Document) error {
		if x.steps.blindProof {
			for n := range page {
				page[n].Checksum = elastic.Checksum(page[n].Row())
			}
		}
		return each(page)
	})
}

// verifiedTable is the table for verify, with ranges of its keys.
type verifiedTable struct{ modelTable }

func (t verifiedTable) Snapshot(ctx context.Context) (verify.Snapshot, error) {
	snapshot, err := t.modelTable.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return verifiedSnapshot{snapshot.(modelSnapshot)}, nil //nolint:forcetypeassert // it has no other
}

type verifiedSnapshot struct{ modelSnapshot }

func (s verifiedSnapshot) Ranges(context.Context, int) ([]verify.Range, error) {
	keys := sortedKeys(s.rows)
	if len(keys) < 2 {
		return []verify.Range{{}}, nil
	}
	middle := []string{keys[len(keys)/2]}
	return []verify.Range{{To: middle}, {From: middle}}, nil
}

func (s verifiedSnapshot) Read(_ context.Context, r verify.Range, each func(change.Change) error) error {
	for _, key := range sortedKeys(s.rows) {
		if len(r.From) > 0 && key < r.From[0] || len(r.To) > 0 && key >= r.To[0] {
			continue
		}
		if err := each(s.row(key)); err != nil {
			return err
		}
	}
	return nil
}

func (s verifiedSnapshot) Fetch(_ context.Context, keys []string) ([]change.Change, error) {
	rows := make([]change.Change, len(keys))
	for n, key := range keys {
		rows[n] = s.row(key)
	}
	return rows, nil
}

func (s verifiedSnapshot) Now(context.Context) (change.Order, error) {
	s.h.touch()
	return newOrder(s.h.postgres.position, s.h.postgres.position), nil
}
