// Package model is a test without production code: a random model of everything between a table and its index.
//
// One history is a few hundred small steps, drawn from one seed, of
//
//   - Postgres (postgres_test.go): a write-ahead log, row locks, transactions that wait, commit and roll back;
//   - Debezium (connector_test.go): the initial snapshot, the stream in commit order, restarts, incremental snapshots;
//   - Kafka (kafka_test.go): three topics whose partitions keep no order between them;
//   - the indexers (indexer_test.go): fetch, apply, commit; crashes, rebalances and offset resets in between;
//   - the network to Elasticsearch (network_test.go): requests that are delayed, lost, half done or carried out
//     after their sender has died.
//
// The order of changes and the code that writes them are the real ones, packages change and elastic, against
// package elasticfake. history_test.go draws the steps, lets everything settle at the end and compares the index with
// the table. A history is a function of its seed alone, so a failure prints the command that runs it again.
//
// rule_test.go puts broken rules in the place of the real one: the model must tell each of them apart.
//
// A further actor is one more file with its state and its steps, and one more line in history.actions.
package model
