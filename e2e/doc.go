// Package e2e tests the whole running system from outside: writes go in through REST (or, to be unkind, straight
// into Kafka), and what Elasticsearch answers through the alias events is compared with the table.
//
// The system is not started here: `make test` starts one for the tests, `make test-docker` one in containers. Some
// tests stop parts of it, so nothing else should use it meanwhile.
package e2e
