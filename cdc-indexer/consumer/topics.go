package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// errMissing is a topic that is not there yet: whoever sets up Kafka may come later than the indexer.
var errMissing = errors.New("does not exist yet")

// waitForTopics returns when all topics exist with one number of partitions. Unequal numbers are an error: changes
// of a row would reach different processes, and no one could tell how far a partition of the three has come.
func (c *Consumer) waitForTopics(ctx context.Context) error {
	const every = time.Second
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	said := ""
	for {
		err := c.checkTopics(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errMissing) && !passing(err) {
			return err
		}
		c.status.trouble("topics", err)
		if err.Error() != said {
			said = err.Error()
			c.logger.WarnContext(ctx, "waiting for the topics", "error", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the topics: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

func (c *Consumer) checkTopics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	metadata, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: c.config.Topics})
	if err != nil {
		return fmt.Errorf("ask Kafka at %s for its topics: %w", strings.Join(c.config.Brokers, ","), err)
	}
	counts := make(map[int]bool)
	var found []string
	for _, topic := range metadata.Topics {
		switch {
		case errors.Is(topic.Error, kafka.UnknownTopicOrPartition), errors.Is(topic.Error, kafka.LeaderNotAvailable):
			return fmt.Errorf("topic %s %w", topic.Name, errMissing)
		case topic.Error != nil:
			return fmt.Errorf("topic %s: %w", topic.Name, topic.Error)
		}
		counts[len(topic.Partitions)] = true
		found = append(found, fmt.Sprintf("%s has %d", topic.Name, len(topic.Partitions)))
	}
	if len(found) < len(c.config.Topics) {
		return fmt.Errorf("one of the topics %s %w", strings.Join(c.config.Topics, ", "), errMissing)
	}
	if len(counts) != 1 {
		return fmt.Errorf("the topics must have equal numbers of partitions: %s", strings.Join(found, ", "))
	}
	return nil
}
