// Package kafkagroup asks Kafka how a consumer group stands: its topics, where it is in each of their partitions, and
// who its members are. It changes nothing and joins nothing.
package kafkagroup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"ticketing/cdc-indexer/health"
)

// Config says where to ask, and about what.
type Config struct {
	Brokers []string
	Group   string
	Topics  []string
	// Ages says whether to find out since when the first message that is not done yet has waited, in each partition.
	// That takes one fetch a partition that lags.
	Ages bool
}

// Inspect asks. Each call makes connections of its own.
func Inspect(ctx context.Context, config Config) (health.Kafka, error) {
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, ClientID: config.Group + "-status"}
	defer transport.CloseIdleConnections()
	asked := asked{Config: config, client: &kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: transport}}
	var answer health.Kafka
	for _, look := range []struct {
		at string
		by func(context.Context, *health.Kafka) error
	}{
		{"the topics", asked.topics}, {"the group", asked.group}, {"the group's offsets", asked.committed}, {"the log's offsets", asked.bounds},
	} {
		if err := again(ctx, func() error { return look.by(ctx, &answer) }); err != nil {
			return health.Kafka{}, fmt.Errorf("look at %s at %s: %w", look.at, strings.Join(config.Brokers, ","), err)
		}
	}
	if config.Ages {
		asked.ages(ctx, answer.Partitions)
	}
	return answer, nil
}

// again asks until there is an answer, ctx ends, or the error is one that waiting does not mend. A broker that has just
// come up does not know yet who leads a partition, or coordinates a group.
func again(ctx context.Context, question func() error) error {
	const every = 100 * time.Millisecond
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := question()
		if err != nil && ctx.Err() == nil {
			last = err
		}
		var code kafka.Error
		if temporary := errors.As(err, &code) && code.Temporary(); err != nil && !temporary {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err //nolint:wrapcheck // a mark for Retry, which takes it off again
	}, backoff.WithBackOff(backoff.NewConstantBackOff(every)), backoff.WithMaxElapsedTime(0))
	if err != nil && last != nil {
		return last
	}
	return err //nolint:wrapcheck // Inspect says what it was looking at
}

type asked struct {
	Config
	client *kafka.Client
}

// topics finds the topics and their partitions.
func (a asked) topics(ctx context.Context, answer *health.Kafka) error {
	metadata, err := a.client.Metadata(ctx, &kafka.MetadataRequest{Topics: a.Topics})
	if err != nil {
		return err //nolint:wrapcheck // Inspect says what it was looking at
	}
	partitions := map[string]int{}
	for _, topic := range metadata.Topics {
		switch {
		case errors.Is(topic.Error, kafka.UnknownTopicOrPartition):
		case topic.Error != nil:
			return fmt.Errorf("topic %s: %w", topic.Name, topic.Error)
		default:
			partitions[topic.Name] = len(topic.Partitions)
		}
	}
	answer.Topics, answer.Partitions = nil, nil
	for _, name := range a.Topics {
		answer.Topics = append(answer.Topics, health.Topic{Name: name, Partitions: partitions[name]})
		for number := range partitions[name] {
			answer.Partitions = append(answer.Partitions, health.Partition{Topic: name, Number: number, Committed: -1})
		}
	}
	return nil
}

// group finds the members. A group that nobody ever was a member of is Dead, in Kafka's words.
func (a asked) group(ctx context.Context, answer *health.Kafka) error {
	response, err := a.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{a.Group}})
	if err != nil {
		return err //nolint:wrapcheck // Inspect says what it was looking at
	}
	answer.Members = nil
	for _, group := range response.Groups {
		if group.Error != nil {
			return group.Error
		}
		answer.GroupState = group.GroupState
		for _, member := range group.Members {
			partitions := 0
			for _, topic := range member.MemberAssignments.Topics {
				partitions += len(topic.Partitions)
			}
			answer.Members = append(answer.Members, health.Member{ID: member.MemberID, Host: strings.TrimPrefix(member.ClientHost, "/"), Partitions: partitions})
		}
	}
	return nil
}

// committed finds what the group has done.
func (a asked) committed(ctx context.Context, answer *health.Kafka) error {
	request := &kafka.OffsetFetchRequest{GroupID: a.Group, Topics: map[string][]int{}}
	for _, p := range answer.Partitions {
		request.Topics[p.Topic] = append(request.Topics[p.Topic], p.Number)
	}
	if len(request.Topics) == 0 {
		return nil
	}
	response, err := a.client.OffsetFetch(ctx, request)
	if err != nil {
		return err //nolint:wrapcheck // Inspect says what it was looking at
	}
	if response.Error != nil {
		return response.Error
	}
	for n := range answer.Partitions {
		p := &answer.Partitions[n]
		for _, offset := range response.Topics[p.Topic] {
			if offset.Partition != p.Number {
				continue
			}
			if offset.Error != nil {
				return fmt.Errorf("%s/%d: %w", p.Topic, p.Number, offset.Error)
			}
			p.Committed = offset.CommittedOffset
		}
	}
	return nil
}

// bounds finds where each log begins and ends. It asks after committed: the other way round, what is written and
// done in between would look as if the log ended before the group's offset.
func (a asked) bounds(ctx context.Context, answer *health.Kafka) error {
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, p := range answer.Partitions {
		request.Topics[p.Topic] = append(request.Topics[p.Topic], kafka.FirstOffsetOf(p.Number), kafka.LastOffsetOf(p.Number))
	}
	if len(request.Topics) == 0 {
		return nil
	}
	response, err := a.client.ListOffsets(ctx, request)
	if err != nil {
		return err //nolint:wrapcheck // Inspect says what it was looking at
	}
	for n := range answer.Partitions {
		p := &answer.Partitions[n]
		at := slices.IndexFunc(response.Topics[p.Topic], func(o kafka.PartitionOffsets) bool { return o.Partition == p.Number })
		if at < 0 {
			return fmt.Errorf("%s/%d: no answer", p.Topic, p.Number)
		}
		offsets := response.Topics[p.Topic][at]
		if offsets.Error != nil {
			return fmt.Errorf("%s/%d: %w", p.Topic, p.Number, offsets.Error)
		}
		p.First, p.End = offsets.FirstOffset, offsets.LastOffset
	}
	return nil
}

// ages finds when the first message that is not done was written. One that cannot be read stays unknown: the lag in
// messages is known all the same.
func (a asked) ages(ctx context.Context, partitions []health.Partition) {
	const atOnce = 4 // a message may have 16 MiB
	var reading errgroup.Group
	reading.SetLimit(atOnce)
	for n := range partitions {
		p := &partitions[n]
		if p.Lag() == 0 {
			continue
		}
		reading.Go(func() error {
			p.Waiting = a.written(ctx, *p)
			return nil
		})
	}
	_ = reading.Wait()
}

// written returns when the first message that is not done was written, the zero time when that is not known.
func (a asked) written(ctx context.Context, p health.Partition) time.Time {
	offset := max(p.Committed, p.First)
	response, err := a.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: p.Topic, Partition: p.Number, Offset: offset,
		MinBytes: 1, MaxBytes: 1, MaxWait: 100 * time.Millisecond, // one batch of messages comes in any case
	})
	if err != nil || response.Error != nil {
		return time.Time{}
	}
	for {
		record, err := response.Records.ReadRecord()
		if err != nil { // io.EOF, or a batch that is cut off
			return time.Time{}
		}
		discard(record.Key)
		discard(record.Value)
		if record.Offset >= offset { // a compressed batch begins before it
			return record.Time
		}
	}
}

func discard(b kafka.Bytes) {
	if b != nil {
		_, _ = io.Copy(io.Discard, b)
		_ = b.Close()
	}
}
