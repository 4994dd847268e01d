package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// pipeCommand is the least that a program in Go with the indexer's Kafka library can do: it cuts the row out of each
// message as it stands and sends it on. It decodes nothing, gives no versions, knows nothing of updates and deletes, commits
// no offsets and repeats nothing. What it takes of the processor no pipe of that kind can do without.
type pipeCommand struct {
	Kafka         string `required:"" help:"A broker's address."`
	Elasticsearch string `required:"" help:"Elasticsearch's URL."`
	Index         string `required:"" help:"The index to write to."`
	Partitions    int    `required:"" help:"How many partitions the topic has."`
}

const (
	// pipeWorkers take partitions in turn. With three, two have a request under way while one fetches.
	pipeWorkers = 3
	// pipeFetchBytes is cdc-indexer's --fetch-bytes.
	pipeFetchBytes = 384 << 10
	pipeWait       = 100 * time.Millisecond
	pipeTimeout    = time.Minute
)

// Run goes on until the signal to end.
func (c *pipeCommand) Run(ctx context.Context) error {
	server := newElastic(c.Elasticsearch)
	working, ctx := errgroup.WithContext(ctx)
	for first := range pipeWorkers {
		working.Go(func() error { return c.work(ctx, server, first) })
	}
	return working.Wait() //nolint:wrapcheck // says what was being done
}

// work takes every pipeWorkers-th partition.
func (c *pipeCommand) work(ctx context.Context, server *elastic, first int) error {
	var connections []*kafka.Conn
	defer func() {
		for _, connection := range connections {
			_ = connection.Close()
		}
	}()
	for partition := first; partition < c.Partitions; partition += pipeWorkers {
		connection, err := c.open(ctx, partition)
		if err != nil {
			return err
		}
		connections = append(connections, connection)
	}
	return c.pump(ctx, server, connections)
}

func (c *pipeCommand) open(ctx context.Context, partition int) (*kafka.Conn, error) {
	connection, err := kafka.DialLeader(ctx, "tcp", c.Kafka, createdTopic, partition)
	if err != nil {
		return nil, fmt.Errorf("connect to the leader of partition %d: %w", partition, err)
	}
	if _, err := connection.Seek(0, kafka.SeekStart); err != nil {
		_ = connection.Close()
		return nil, fmt.Errorf("go to the start of partition %d: %w", partition, err)
	}
	return connection, nil
}

// pump brings what one fetch gives into Elasticsearch, and turns to the next partition.
func (c *pipeCommand) pump(ctx context.Context, server *elastic, connections []*kafka.Conn) error {
	var request []byte
	for {
		for _, connection := range connections {
			if err := ctx.Err(); err != nil {
				return err //nolint:wrapcheck // the end that was asked for
			}
			var err error
			if request, err = fetch(connection, request[:0]); err != nil {
				return err
			}
			if len(request) == 0 {
				continue
			}
			if err := c.send(ctx, server, request); err != nil {
				return err
			}
		}
	}
}

// fetch makes a bulk request of what a partition has next.
func fetch(connection *kafka.Conn, request []byte) ([]byte, error) {
	if err := connection.SetDeadline(time.Now().Add(pipeTimeout)); err != nil {
		return nil, fmt.Errorf("set a deadline: %w", err)
	}
	batch := connection.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: pipeFetchBytes, MaxWait: pipeWait})
	for {
		message, err := batch.ReadMessage()
		if err != nil {
			break // Close tells whether it was more than the end
		}
		request = appendRow(request, message.Key, message.Value)
	}
	if err := batch.Close(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, kafka.RequestTimedOut) {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return request, nil
}

// appendRow relies on what Debezium's messages of creates look like byte for byte.
func appendRow(request, key, value []byte) []byte {
	row := bytes.TrimPrefix(value, []byte(`{"before":null,"after":`))
	row = row[:bytes.LastIndex(row, []byte(`,"source":{`))]
	id := bytes.TrimSuffix(bytes.TrimPrefix(key, []byte(`{"id":`)), []byte(`}`))
	request = append(append(request, `{"index":{"_id":`...), id...)
	request = append(append(request, "}}\n"...), row...)
	return append(request, '\n')
}

func (c *pipeCommand) send(ctx context.Context, server *elastic, request []byte) error {
	answer, err := server.call(ctx, http.MethodPost, "/"+c.Index+"/_bulk?filter_path=errors", request)
	if err == nil && !bytes.Contains(answer, []byte(`"errors":false`)) {
		err = fmt.Errorf("a document was refused: %.300s", answer)
	}
	return err
}

// leastPipe measures pipeCommand.
func (s *system) leastPipe(ctx context.Context) (values, error) {
	const index = "bench-pipe"
	if err := s.textIndex(ctx, index); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	p := program{path: self, arguments: []string{
		"pipe", "--kafka", s.at.Kafka, "--elasticsearch", s.at.Elasticsearch, "--index", index, "--partitions", strconv.Itoa(partitions),
	}}
	measured, err := s.runPeer(ctx, p, index)
	return measured, errors.Join(err, s.es.remove(ctx, index))
}
