package main

const introduction = `# Benchmarks

Made by ` + "`make bench`" + `; [bench/README.md](../bench/README.md) tells what is measured and how. All values are medians with the least and
the most in brackets. The same run varies a good deal on a shared machine: so contestants take turns, a ratio is that of two
values of the same round, and processor time says more than rates do.

`

// sections are the parts of the report, in their order, with the project's targets.
var sections = []section{
	{
		scenario: catchUp, title: "Catching up with a backlog",
		text: "From the start of the program until all rows of a backlog in Kafka are in a new index: envelopes of the real connector, 6 partitions, one shard, no replica. " +
			"The ceiling is the same documents with the same versions in the same bulk requests, sent from memory by 2 workers. " +
			"The least pipe is a program in Go with the same Kafka library that cuts rows out of messages and decodes nothing. " +
			"The peers do less: see [what they leave out](../bench/README.md#what-the-peers-leave-out).",
		goals: []goal{
			{what: "cdc-indexer / ceiling, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"ceiling", "", rate}, limit: 0.9, atLeast: true},
			{what: "cdc-indexer / Bento, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"bento", "", rate}, limit: 2, atLeast: true},
			{what: "cdc-indexer / rsyslog, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"rsyslog", "", rate}, limit: 1.3, atLeast: true},
			{what: "cdc-indexer / pgsync, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"pgsync", "", rate}, unexplored: true},
			{what: "least pipe / ceiling, docs/s", value: quantity{"least pipe", "", rate}, over: quantity{"ceiling", "", rate}, unexplored: true},
			{what: "cdc-indexer, CPU s per 100,000", value: quantity{"cdc-indexer", "", cpu}, limit: 1.2},
			{what: "cdc-indexer / rsyslog, CPU s", value: quantity{"cdc-indexer", "", cpu}, over: quantity{"rsyslog", "", cpu}, unexplored: true},
			{what: "cdc-indexer, MiB at most", value: quantity{"cdc-indexer", "", memory}, limit: 64},
		},
		plots: []string{rate, cpu},
	},
	{
		scenario: lean, title: "Catching up, with little to index",
		text: "The same, into an index in which little is searchable ([lean.index.yaml](../bench/lean.index.yaml)). Elasticsearch takes most of the time above, and all " +
			"contestants share it: here more of the time is that of the programs.",
		goals: []goal{
			{what: "cdc-indexer / ceiling, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"ceiling", "", rate}, unexplored: true},
			{what: "cdc-indexer / Bento, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"bento", "", rate}, unexplored: true},
			{what: "cdc-indexer / rsyslog, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"rsyslog", "", rate}, unexplored: true},
			{what: "cdc-indexer / pgsync, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"pgsync", "", rate}, unexplored: true},
			{what: "least pipe / ceiling, docs/s", value: quantity{"least pipe", "", rate}, over: quantity{"ceiling", "", rate}, unexplored: true},
		},
		plots: []string{rate},
	},
	{
		scenario: apart, title: "Catching up, with Elasticsearch on a core of its own",
		text: "The first of these once more, with Elasticsearch bound to one core and everything else to the others, as if each had a machine. Above they share all " +
			"cores, so that whatever the program, Kafka and Connect use is taken from Elasticsearch; the ceiling uses nothing.",
		goals: []goal{
			{what: "cdc-indexer / ceiling, docs/s", value: quantity{"cdc-indexer", "", rate}, over: quantity{"ceiling", "", rate}, unexplored: true},
		},
		plots: []string{rate},
	},
	{
		scenario: reindex, title: "Building the index anew",
		text: "`cdc-indexer reindex` of the same rows beside a live index. The rate is that of the copying, until Elasticsearch has acknowledged the last row, as the ceiling's is; what is copied is made searchable and counted behind that, all at once, where the ceiling's index is refreshed every second. The whole run stands beside it, and Elasticsearch's processor time is that of the whole run.",
		goals: []goal{
			{what: "reindex / ceiling, docs/s", value: quantity{"reindex", "", rate}, over: quantity{"ceiling", "", rate}, limit: 0.9, atLeast: true},
		},
		plots: []string{rate},
	},
	{
		scenario: freshness, title: "Freshness",
		text: "From the commit in Postgres until a search finds the change, at 100 changes a second over REST. During catch-up, the indexer is " +
			"working off the backlog of creates at the same time.",
		goals: []goal{
			{what: "at rest, p50 ms", value: quantity{"at rest", "", "p50 ms"}, limit: 60},
			{what: "at rest, p99 ms", value: quantity{"at rest", "", "p99 ms"}, limit: 250},
			{what: "during catch-up, p50 ms", value: quantity{"during catch-up", "", "p50 ms"}, limit: 60},
			{what: "during catch-up, p99 ms", value: quantity{"during catch-up", "", "p99 ms"}, limit: 250},
		},
		plots: []string{"p50 ms", "p99 ms"},
	},
	{
		scenario: verify, title: "Comparing table and index",
		text: "`cdc-indexer verify` of equal table and index, beside reading the rows once by COPY and throwing them away.",
		goals: []goal{
			{what: "verify / COPY, seconds", value: quantity{"verify", "", seconds}, over: quantity{"COPY to nowhere", "", seconds}, limit: 1.5},
		},
	},
	{
		scenario: eventAPI, title: "Creating events over REST",
		text: "Single-row creates over 10 connections, beside pgbench that inserts the same row over 10 connections. The clients run on the same machine.",
		goals: []goal{
			{what: "eventapi / pgbench, creates/s", value: quantity{"eventapi", "", creates}, over: quantity{"pgbench", "", creates}, limit: 0.6, atLeast: true},
		},
		plots: []string{creates},
	},
	{
		scenario: scaling, title: "Several indexers",
		text: "1, 2 and 3 indexers of one group share the 6 partitions, and one that is joined by another under way. Two cores that Elasticsearch shares bound " +
			"all of this: it shows what more processes cost, not what they would bring on a larger machine.",
		plots: []string{rate},
	},
	{
		scenario: growth, title: "Growth",
		text: "Catching up and building anew with more rows, and catching up with 20,000 larger ones (fewer where the run has fewer rows).",
		goals: []goal{
			{what: "catch-up, memory with 1,000,000 / 10,000 rows", value: quantity{"cdc-indexer", "1,000,000", memory}, over: quantity{"cdc-indexer", "10,000", memory}, limit: 1.2},
			{what: "reindex, memory with 1,000,000 / 10,000 rows", value: quantity{"reindex", "1,000,000", memory}, over: quantity{"reindex", "10,000", memory}, limit: 1.2},
		},
		plots: []string{rate, memory},
	},
}
