package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
)

const rsyslogd = "/usr/sbin/rsyslogd"

func rsyslogMissing() error {
	if !exists(rsyslogd) {
		return fmt.Errorf("%s: %w", rsyslogd, errNoProgram)
	}
	for _, module := range []string{"imkafka.so", "omelasticsearch.so", "mmjsonparse.so"} {
		if found, _ := filepath.Glob("/usr/lib/*/rsyslog/" + module); len(found) == 0 {
			return fmt.Errorf("rsyslog's module %s is missing", module)
		}
	}
	return nil
}

// rsyslogFile is an instance of its own: nothing of the system's log goes through it.
const rsyslogFile = `
global(workDirectory=%[1]q maxMessageSize="1m")
module(load="imkafka")
module(load="mmjsonparse")
module(load="omelasticsearch")
main_queue(queue.type="LinkedList" queue.size="20000" queue.workerThreads="4" queue.dequeueBatchSize="1000" queue.workerThreadMinimumMessages="1000")
template(name="document" type="list") { property(name="$!after") }
template(name="id" type="list") { property(name="$!after!id") }
ruleset(name="index") {
  action(type="mmjsonparse" cookie="")
  set $.attributes = $!after!attributes;
  unset $!after!attributes;
  set $.failed = parse_json($.attributes, '$!after!attributes');
  if $!after!latitude != "" then {
    set $!after!location!lat = $!after!latitude;
    set $!after!location!lon = $!after!longitude;
  }
  action(type="omelasticsearch" server=%[2]q serverport=%[3]q searchIndex=%[4]q searchType="" bulkmode="on" maxbytes="10m"
    template="document" bulkid="id" dynbulkid="on" esVersion.major="8" action.resumeRetryCount="-1"
    queue.type="LinkedList" queue.size="20000" queue.workerThreads="4" queue.dequeueBatchSize="1000" queue.workerThreadMinimumMessages="1000")
}
input(type="imkafka" topic="event-created" broker=[%[5]q] consumergroup=%[6]q ruleset="index" confParam=["auto.offset.reset=earliest", "enable.partition.eof=false"])
`

// rsyslog measures rsyslog.
func (s *system) rsyslog(ctx context.Context) (values, error) {
	const index = "bench-rsyslog"
	if err := s.peerIndex(ctx, index); err != nil {
		return nil, err
	}
	server, err := url.Parse(s.at.Elasticsearch)
	if err != nil {
		return nil, fmt.Errorf("address of Elasticsearch: %w", err)
	}
	file, err := s.configuration("rsyslog.conf", fmt.Sprintf(rsyslogFile, s.dir, server.Hostname(), server.Port(), index, s.at.Kafka, s.group()))
	if err != nil {
		return nil, err
	}
	p := program{path: rsyslogd, arguments: []string{"-n", "-f", file, "-i", filepath.Join(s.dir, "rsyslog.pid")}}
	measured, err := s.runPeer(ctx, p, index)
	if err == nil {
		err = s.es.checkMade(ctx, index)
	}
	return measured, errors.Join(err, s.es.remove(ctx, index))
}
