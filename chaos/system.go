package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/internal/kafkaconnect"
)

// What the parts are called: see init-sql, connectors/events.json and cdc-indexer/pipelines/events.yaml.
const (
	table           = "public.events"
	slot            = "events"
	connector       = "events"
	group           = "cdc-indexer-events"
	deadLetterTopic = "event-dlq"
	partitions      = 6
	readAlias       = "events"
	writeAlias      = "events-write"
)

var topics = []string{"event-created", "event-updated", "event-deleted"}

// system is what is written to, broken, healed and compared.
type system struct {
	config     Config
	at         addresses
	log        *slog.Logger
	links      *links
	components *components
	letters    *letters
	connect    *kafkaconnect.Client
	kafka      *kafka.Client
	transport  *kafka.Transport
	http       *http.Client

	// copying is held by a COPY that must not be cut, and shared by the faults that would cut it: see copyWithIDs.
	copying sync.RWMutex
	// restarts are the reasons why the connector had to be restarted since the round began.
	restarts []string
	end      context.CancelFunc
}

// open starts our indexers, behind their proxies.
func open(ctx context.Context, config Config, at addresses, log *slog.Logger) (*system, error) {
	transport := &kafka.Transport{DialTimeout: 5 * time.Second, ClientID: "chaos", MetadataTTL: 2 * time.Second}
	s := &system{
		config: config, at: at, log: log, transport: transport,
		kafka: &kafka.Client{Addr: kafka.TCP(at.Kafka), Timeout: 15 * time.Second, Transport: transport},
		http:  &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second},
	}
	var err error
	if s.connect, err = kafkaconnect.New(at.Connect); err != nil {
		return nil, err
	}
	if s.letters, err = newLetters(ctx, at.Kafka, s.kafka, config.Seed); err != nil {
		return nil, err
	}
	if s.links, err = openLinks(ctx, config, at, log); err != nil {
		return nil, fmt.Errorf("open the proxies: %w", err)
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	if s.components, err = newComponents(running, config, at, s.links, log); err != nil {
		end()
		s.links.close()
		return nil, fmt.Errorf("start indexers: %w", err)
	}
	s.end = end
	return s, nil
}

// close stops our indexers and proxies.
func (s *system) close() {
	s.end()
	s.components.close()
	s.links.close()
	s.connect.Close()
	s.transport.CloseIdleConnections()
	s.http.CloseIdleConnections()
}
