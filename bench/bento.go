package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// bentoVersion is that of bento/go.mod.
const bentoVersion = "1.10.0"

func (s *system) bentoMissing() error {
	if !exists(s.config.program("bento")) {
		return errors.New("there is no program .bin/bento: `go build -C bench/bento -o ../../.bin/bento .` makes it")
	}
	return nil
}

func (s *system) installBento(ctx context.Context) error {
	return runQuietly(ctx, filepath.Join(s.config.Root, "bench", "bento"), "go", "build", "-o", s.config.program("bento"), ".")
}

// bentoFile is the fastest of the configurations that were tried; see the README.
const bentoFile = `
http: {enabled: false}
logger: {level: ERROR}
input:
  kafka_franz:
    seed_brokers: [%[1]q]
    topics: [event-created, event-updated, event-deleted]
    consumer_group: %[2]q
    start_from_oldest: true
    checkpoint_limit: 10000
    commit_period: 1s
    batching: {count: 1000, period: 100ms}
pipeline:
  processors:
    - mapping: |
        root = this.after
        root.attributes = this.after.attributes.parse_json()
        root.location = if this.after.latitude != null { {"lat": this.after.latitude, "lon": this.after.longitude} }
output:
  elasticsearch:
    urls: [%[3]q]
    index: %[4]q
    id: ${! json("id") }
    sniff: false
    healthcheck: false
    timeout: 60s
    max_in_flight: 4
`

// bento measures Bento.
func (s *system) bento(ctx context.Context) (values, error) {
	const index = "bench-bento"
	if err := s.peerIndex(ctx, index); err != nil {
		return nil, err
	}
	file, err := s.configuration("bento.yaml", fmt.Sprintf(bentoFile, s.at.Kafka, s.group(), s.at.Elasticsearch, index))
	if err != nil {
		return nil, err
	}
	measured, err := s.runPeer(ctx, program{path: s.config.program("bento"), arguments: []string{"-c", file}}, index)
	if err == nil {
		err = s.es.checkMade(ctx, index)
	}
	return measured, errors.Join(err, s.es.remove(ctx, index))
}
