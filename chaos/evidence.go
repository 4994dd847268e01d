package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"ticketing/internal/compare"
)

const (
	evidenceTimeout = 2 * time.Minute
	shownKeys       = 5
)

// evidence collects what there is of some rows that differ: all their messages in Kafka, and what the index holds. It
// returns nothing when nothing differs.
func (s *system) evidence(ctx context.Context, report compare.Report) ([]string, error) {
	keys := keysOf(report)
	if len(keys) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	positions, err := s.positions(ctx)
	if err != nil {
		return nil, fmt.Errorf("collect evidence: %w", err)
	}
	found := map[string][]string{}
	for _, p := range positions {
		if err := s.messagesOf(ctx, p, keys, found); err != nil {
			return nil, fmt.Errorf("collect evidence: %w", err)
		}
	}
	var lines []string
	for _, key := range keys {
		slices.Sort(found[key]) // by the time they were written
		lines = append(lines, found[key]...)
		document, err := get(ctx, s.at.Elasticsearch+"/"+writeAlias+"/_doc/"+key+"?_source_includes=cdc,version")
		if err != nil {
			document = append(document, err.Error()...)
		}
		lines = append(lines, fmt.Sprintf("%s: document %s", key, document))
	}
	return lines, nil
}

// keysOf returns some keys of every sort of difference.
func keysOf(report compare.Report) []string {
	keys := append(first(report.MissingKeys), first(report.ExtraKeys)...)
	var differing []string
	for _, difference := range report.Differences {
		differing = append(differing, difference.Key)
	}
	return append(keys, first(slices.Compact(differing))...)
}

func first(keys []string) []string { return slices.Clone(keys[:min(len(keys), shownKeys)]) }

// messagesOf adds the messages of the keys in a partition.
func (s *system) messagesOf(ctx context.Context, p position, keys []string, found map[string][]string) error {
	return readMessages(ctx, s.kafka, p.topic, p.partition, p.first, p.end, func(m message) {
		for _, key := range keys {
			if strings.Contains(m.key, key) {
				found[key] = append(found[key], describe(key, p, m))
			}
		}
	})
}

func describe(key string, p position, m message) string {
	value := gjson.Parse(m.value)
	return fmt.Sprintf("%s: message of %s in %s/%d at %d: op %s, sequence %s, lsn %s, snapshot %s, transaction %s, row version %s",
		key, m.time.UTC().Format("15:04:05.000"), p.topic, p.partition, m.offset, value.Get("op"), value.Get("source.sequence"),
		value.Get("source.lsn"), value.Get("source.snapshot"), value.Get("source.txId"), value.Get("after.version"))
}
