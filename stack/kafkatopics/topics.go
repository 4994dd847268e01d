// Package kafkatopics holds the Kafka topics of the pipeline: the one place that says their partitions and limits.
package kafkatopics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	hour = int64(time.Hour / time.Millisecond) // Kafka's settings are in ms
	mib  = 1 << 20
)

// Topic is a topic and its settings.
type Topic struct {
	Name            string
	Partitions      int
	RetentionMillis int64
	MaxMessageBytes int64
}

// All returns the topics. The three that carry changes have equal partition counts, so that one consumer gets the
// same keys of all three. Dead letters are kept longer, and are larger by their headers.
func All() []Topic {
	const partitions = 6
	return []Topic{
		{"event-created", partitions, 168 * hour, 16 * mib},
		{"event-updated", partitions, 168 * hour, 16 * mib},
		{"event-deleted", partitions, 168 * hour, 16 * mib},
		{"event-dlq", 1, 336 * hour, 17 * mib},
		{"ticketing.message", 1, hour, 1 * mib}, // OpenTelemetry's trace contexts
	}
}

// Ensure creates the topics that are missing and brings the settings of the others to what they say. It does not
// change partition counts: the keys of a topic would move.
func Ensure(ctx context.Context, broker string, topics []Topic, log io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(broker), Transport: transport}
	existing, err := create(ctx, client, topics, log)
	if err != nil {
		return err
	}
	return configure(ctx, client, existing)
}

// create returns the topics that were there already.
func create(ctx context.Context, client *kafka.Client, topics []Topic, log io.Writer) (existing []Topic, err error) {
	request := &kafka.CreateTopicsRequest{}
	for _, topic := range topics {
		request.Topics = append(request.Topics, kafka.TopicConfig{
			Topic: topic.Name, NumPartitions: topic.Partitions, ReplicationFactor: 1, ConfigEntries: topic.entries(),
		})
	}
	response, err := client.CreateTopics(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("create topics: %w", err)
	}
	for _, topic := range topics {
		switch err := response.Errors[topic.Name]; {
		case errors.Is(err, kafka.TopicAlreadyExists):
			existing = append(existing, topic)
		case err != nil:
			return nil, fmt.Errorf("create topic %s: %w", topic.Name, err)
		default:
			_, _ = fmt.Fprintf(log, "created topic %s\n", topic.Name)
		}
	}
	return existing, nil
}

func configure(ctx context.Context, client *kafka.Client, existing []Topic) error {
	if len(existing) == 0 {
		return nil
	}
	request := &kafka.IncrementalAlterConfigsRequest{}
	for _, topic := range existing {
		resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic.Name}
		for _, entry := range topic.entries() {
			resource.Configs = append(resource.Configs, kafka.IncrementalAlterConfigsRequestConfig{
				Name: entry.ConfigName, Value: entry.ConfigValue, ConfigOperation: kafka.ConfigOperationSet,
			})
		}
		request.Resources = append(request.Resources, resource)
	}
	response, err := client.IncrementalAlterConfigs(ctx, request)
	if err != nil {
		return fmt.Errorf("configure topics: %w", err)
	}
	for _, resource := range response.Resources {
		if resource.Error != nil {
			return fmt.Errorf("configure topic %s: %w", resource.ResourceName, resource.Error)
		}
	}
	return nil
}

func (t Topic) entries() []kafka.ConfigEntry {
	return []kafka.ConfigEntry{
		{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(t.RetentionMillis, 10)},
		{ConfigName: "max.message.bytes", ConfigValue: strconv.FormatInt(t.MaxMessageBytes, 10)},
	}
}
