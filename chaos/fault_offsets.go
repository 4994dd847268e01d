package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// rewind sets the group's offsets back, as somebody does who wants messages consumed again. A group takes that only
// when it has no member.
func (s *system) rewind(ctx context.Context, r *rand.Rand) (err error) {
	defer func() {
		for _, name := range s.components.indexers() {
			err = errors.Join(err, s.components.start(ctx, name))
		}
	}()
	if err := s.stopIndexers(ctx); err != nil {
		return err
	}
	// One that was killed a moment ago is a member until its session times out.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := s.awaitEmptyGroup(limited); err != nil {
		return err
	}
	positions, err := s.positions(limited)
	if err != nil {
		return err
	}
	return s.commit(limited, rewound(positions, r))
}

// stopIndexers stops all of them at a time: each may have to wait for what it has in hand.
func (s *system) stopIndexers(ctx context.Context) error {
	var stopping sync.WaitGroup
	names := s.components.indexers()
	failed := make([]error, len(names))
	for n, name := range names {
		stopping.Go(func() { failed[n] = s.components.stop(ctx, name) })
	}
	stopping.Wait()
	return errors.Join(failed...)
}

// rewound returns offsets before the committed ones: mostly a few messages, sometimes from the very start.
func rewound(positions []position, r *rand.Rand) map[string][]kafka.OffsetCommit {
	const few = 2000
	fromStart := r.IntN(4) == 0
	offsets := map[string][]kafka.OffsetCommit{}
	for _, p := range positions {
		if p.committed < 0 {
			continue // nothing was ever consumed there
		}
		back := min(r.Int64N(few), p.committed-p.first)
		if fromStart {
			back = p.committed - p.first
		}
		offsets[p.topic] = append(offsets[p.topic], kafka.OffsetCommit{Partition: p.partition, Offset: p.committed - max(back, 0)})
	}
	return offsets
}

func (s *system) awaitEmptyGroup(ctx context.Context) error {
	for {
		response, err := s.kafka.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		state := ""
		if err == nil && len(response.Groups) == 1 {
			state, err = response.Groups[0].GroupState, response.Groups[0].Error
		}
		if state == "Empty" || state == "Dead" {
			return nil
		}
		if !wait(ctx, 200*time.Millisecond) {
			return fmt.Errorf("group %s is not empty but %q: %w", group, state, errors.Join(err, ctx.Err()))
		}
	}
}

func (s *system) commit(ctx context.Context, offsets map[string][]kafka.OffsetCommit) error {
	const noGeneration = -1
	response, err := s.kafka.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: noGeneration, Topics: offsets})
	if err != nil {
		return fmt.Errorf("rewind offsets: %w", err)
	}
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return fmt.Errorf("rewind offsets of %s/%d: %w", topic, p.Partition, p.Error)
			}
		}
	}
	return nil
}

// position is how far the group is in a partition.
type position struct {
	topic      string
	partition  int
	first, end int64 // of the log
	committed  int64 // below zero for none
}

// positions asks Kafka for the group's positions in all partitions.
func (s *system) positions(ctx context.Context) ([]position, error) {
	wanted := map[string][]int{}
	bounds := map[string][]kafka.OffsetRequest{}
	for _, topic := range topics {
		for partition := range partitions {
			wanted[topic] = append(wanted[topic], partition)
			bounds[topic] = append(bounds[topic], kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition))
		}
	}
	committed, err := s.kafka.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: wanted})
	if err != nil {
		return nil, fmt.Errorf("ask for the group's offsets: %w", err)
	}
	if committed.Error != nil {
		return nil, fmt.Errorf("ask for the group's offsets: %w", committed.Error)
	}
	logs, err := s.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: bounds})
	if err != nil {
		return nil, fmt.Errorf("ask for the logs' ends: %w", err)
	}
	var all []position
	for _, topic := range topics {
		byPartition := map[int]kafka.PartitionOffsets{}
		for _, log := range logs.Topics[topic] {
			byPartition[log.Partition] = log
		}
		for _, p := range committed.Topics[topic] {
			log := byPartition[p.Partition]
			if err := errors.Join(p.Error, log.Error); err != nil {
				return nil, fmt.Errorf("offsets of %s/%d: %w", topic, p.Partition, err)
			}
			all = append(all, position{topic: topic, partition: p.Partition, first: log.FirstOffset, end: log.LastOffset, committed: p.CommittedOffset})
		}
	}
	if len(all) != len(topics)*partitions {
		return nil, fmt.Errorf("kafka answered for %d partitions of %d", len(all), len(topics)*partitions)
	}
	return all, nil
}

// lag is how many messages the group has not done yet.
func lag(positions []position) int64 {
	total := int64(0)
	for _, p := range positions {
		total += p.end - max(p.committed, p.first)
	}
	return total
}
