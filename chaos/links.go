package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"ticketing/stack/native"
)

// links are the proxies that our own indexers are behind. The stack's indexer has none.
type links struct {
	elasticsearch []*link // one for each indexer
	kafka         *link   // for all of them, since Kafka names one address; nil when the stack has no listener for it
}

func openLinks(ctx context.Context, config Config, at addresses, log *slog.Logger) (*links, error) {
	server, err := url.Parse(at.Elasticsearch)
	if err != nil {
		return nil, fmt.Errorf("address of Elasticsearch: %w", err)
	}
	all := &links{}
	for n := range config.Indexers {
		to, err := openLink(ctx, indexerName(n)+" to elasticsearch", native.Host+":0", server.Host)
		if err != nil {
			all.close()
			return nil, err
		}
		all.elasticsearch = append(all.elasticsearch, to)
	}
	if at.KafkaProxy == "" {
		return all, nil
	}
	if all.kafka, err = openLink(ctx, "indexers to kafka", at.KafkaProxy, at.KafkaProxied); err != nil {
		// The port was free when the stack was started. The run is worth something without it too.
		log.WarnContext(ctx, "no network faults between indexers and Kafka", "error", err)
		all.kafka = nil
	}
	return all, nil
}

// each returns all links.
func (l *links) each() []*link {
	if l.kafka == nil {
		return l.elasticsearch
	}
	return append([]*link{l.kafka}, l.elasticsearch...)
}

// kafkaAddress is where our own indexers find Kafka.
func (l *links) kafkaAddress(at addresses) string {
	if l.kafka == nil {
		return at.Kafka
	}
	return l.kafka.address()
}

func (l *links) close() {
	for _, each := range l.each() {
		each.close()
	}
}
