package testenv

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// kafka-go has no call for Kafka's DeleteRecords, which does at once what retention does in the end: it moves the
// log's start. These are the messages of its version 1, as in Kafka's DeleteRecordsRequest.json.

type deleteRecordsRequest struct {
	Topics    []deleteRecordsTopic `kafka:"min=v0,max=v1"`
	TimeoutMs int32                `kafka:"min=v0,max=v1"`
}

type deleteRecordsTopic struct {
	Name       string                   `kafka:"min=v0,max=v1"`
	Partitions []deleteRecordsPartition `kafka:"min=v0,max=v1"`
}

type deleteRecordsPartition struct {
	Partition int32 `kafka:"min=v0,max=v1"`
	Offset    int64 `kafka:"min=v0,max=v1"`
}

func (*deleteRecordsRequest) ApiKey() protocol.ApiKey { return protocol.DeleteRecords } //nolint:revive // the library's interface

// Broker says who gets the request: the tests have one broker only, which leads every partition.
func (*deleteRecordsRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return cluster.Brokers[cluster.Controller], nil
}

type deleteRecordsResponse struct {
	ThrottleTimeMs int32                        `kafka:"min=v0,max=v1"`
	Topics         []deleteRecordsResponseTopic `kafka:"min=v0,max=v1"`
}

type deleteRecordsResponseTopic struct {
	Name       string                           `kafka:"min=v0,max=v1"`
	Partitions []deleteRecordsResponsePartition `kafka:"min=v0,max=v1"`
}

type deleteRecordsResponsePartition struct {
	Partition    int32 `kafka:"min=v0,max=v1"`
	LowWatermark int64 `kafka:"min=v0,max=v1"`
	ErrorCode    int16 `kafka:"min=v0,max=v1"`
}

func (*deleteRecordsResponse) ApiKey() protocol.ApiKey { return protocol.DeleteRecords } //nolint:revive // the library's interface

func init() {
	protocol.Register(&deleteRecordsRequest{}, &deleteRecordsResponse{})
}

// DeleteRecords takes the messages below offset out of a partition, as retention would.
func DeleteRecords(t testing.TB, topic string, partition int32, offset int64) {
	t.Helper()
	client := KafkaClient(t)
	answer, err := client.Transport.RoundTrip(Context(t, 30*time.Second), client.Addr, &deleteRecordsRequest{
		Topics:    []deleteRecordsTopic{{Name: topic, Partitions: []deleteRecordsPartition{{Partition: partition, Offset: offset}}}},
		TimeoutMs: 10_000,
	})
	if err != nil {
		t.Fatalf("delete records of %s/%d: %v", topic, partition, err)
	}
	result := answer.(*deleteRecordsResponse).Topics[0].Partitions[0]
	if result.ErrorCode != 0 || result.LowWatermark != offset {
		t.Fatalf("delete records of %s/%d: error %d, the log begins at %d", topic, partition, result.ErrorCode, result.LowWatermark)
	}
}
