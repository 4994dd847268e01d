package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	require.Equal(t, spread{}, newSpread(nil))
	require.Equal(t, spread{Min: 1, Median: 3, Max: 9, Count: 3}, newSpread([]float64{9, 1, 3}))
	require.Equal(t, spread{Min: 1, Median: 2.5, Max: 4, Count: 4}, newSpread([]float64{4, 1, 3, 2}))
	require.Equal(t, "–", newSpread(nil).String())
	require.Equal(t, "0.50", newSpread([]float64{0.5}).String())
	require.Equal(t, "12,345 (999–1,234,567)", newSpread([]float64{999, 12345, 1234567}).String())
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	t.Parallel()
	require.Zero(t, percentile(nil, 0.5))
	samples := []float64{5, 1, 4, 2, 3}
	require.InDelta(t, 3, percentile(samples, 0.5), 0)
	require.InDelta(t, 5, percentile(samples, 0.99), 0)
	require.InDelta(t, 1, percentile(samples, 0), 0)
	require.InDelta(t, 2, percentile(samples, 0.4), 0)
}

func TestFileSystem(t *testing.T) {
	t.Parallel()
	journals := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(journals, "sda1-8"), 0o700))
	require.Equal(t, "ext4 with a journal", fileSystem("ext4", "/dev/sda1", journals))
	require.Equal(t, "ext4 without a journal", fileSystem("ext4", "/dev/sda", journals))
	require.Equal(t, "xfs", fileSystem("xfs", "/dev/sda1", journals))
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, x := range map[string]float64{"0.07": 0.071, "9.99": 9.99, "12.3": 12.34, "123": 123.4, "-1,234": -1234, "1,000": 999.6} {
		require.Equal(t, want, number(x))
	}
}

func TestHighWater(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 2, highWater("VmPeak:\t 9000 kB\nVmHWM:\t    2048 kB\n"), 0)
	require.Zero(t, highWater("Name:\tx\n"))
}

func TestAProcessIsMeasured(t *testing.T) {
	t.Parallel()
	used, said, err := program{path: "/bin/sh", arguments: []string{"-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done"}}.run(t.Context())
	require.NoError(t, err)
	require.Equal(t, "done\n", said)
	require.Positive(t, used.CPU)
	require.Positive(t, used.RSS)
	require.GreaterOrEqual(t, used.Seconds, used.CPU/2)

	_, _, err = program{path: "/bin/sh", arguments: []string{"-c", "echo why >&2; exit 3"}}.run(t.Context())
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "why")

	r, err := program{path: "/bin/sh", arguments: []string{"-c", "exit 0"}}.start(t.Context())
	require.NoError(t, err)
	<-r.ended
	_, err = r.stop()
	require.ErrorContains(t, err, "ended by itself")
}

func TestCopyPhase(t *testing.T) {
	t.Parallel()
	const log = `{"time":"2030-01-01T00:00:00Z","msg":"reindex","phase":"snapshot"}
{"time":"2030-01-01T00:00:01Z","msg":"reindex","phase":"copy","done":0}
{"time":"2030-01-01T00:00:06Z","msg":"reindex","phase":"copy","done":5}
{"time":"2030-01-01T00:00:08.5Z","msg":"reindex","phase":"count"}
{"time":"2030-01-01T00:00:09Z","msg":"reindex","phase":"tombstones"}
`
	took, err := copyPhase(log)
	require.NoError(t, err)
	require.Equal(t, 7500*time.Millisecond, took)
	_, err = copyPhase("nothing\n")
	require.ErrorContains(t, err, "does not tell")
}

// scenarioOf has three rounds of two contestants, of which the second is missing in the last.
func scenarioOf() *Scenario {
	return &Scenario{Rounds: 3, Measurements: []Measurement{
		{Subject: "cdc-indexer", Round: 1, Values: values{rate: 90, cpu: 1}},
		{Subject: "ceiling", Round: 1, Values: values{rate: 100}},
		{Subject: "cdc-indexer", Round: 2, Values: values{rate: 40, cpu: 3}},
		{Subject: "ceiling", Round: 2, Values: values{rate: 50}},
		{Subject: "cdc-indexer", Round: 3, Values: values{rate: 500, cpu: 2}},
		{Subject: "bento", Round: 1, Problem: "not | installed"},
	}}
}

func TestARatioIsOfTwoValuesOfOneRound(t *testing.T) {
	t.Parallel()
	s := scenarioOf()
	g := goal{value: quantity{"cdc-indexer", "", rate}, over: quantity{"ceiling", "", rate}, limit: 0.9, atLeast: true}
	got := s.achieved(g)
	require.Equal(t, 2, got.Count, "the last round has no ceiling")
	require.InDelta(t, 0.8, got.Min, 1e-9)
	require.InDelta(t, 0.9, got.Max, 1e-9)
	require.Equal(t, "**missed**", g.verdict(got))
	g.limit = 0.8
	require.Equal(t, "reached", g.verdict(got))

	g = goal{value: quantity{"cdc-indexer", "", cpu}, limit: 1.9}
	require.Equal(t, "**missed**", g.verdict(s.achieved(g)))
	g.limit = 2
	require.Equal(t, "reached", g.verdict(s.achieved(g)), "the limit itself is within")
}

func TestReport(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, writeReport(&Results{Scenarios: map[string]*Scenario{catchUp: scenarioOf()}}, path))
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(page), "| cdc-indexer | 2.00 (1.00–3.00) | 90.0 (40.0–500) |")
	require.Contains(t, string(page), "- **bento could not be measured** (round 1): not \\| installed")
	require.Contains(t, string(page), "| cdc-indexer / ceiling, docs/s | 0.85 (0.80–0.90) | ≥ 0.90 | **missed** |")
	require.NotContains(t, string(page), "Freshness")
	require.NotContains(t, string(page), "load average", "it was not noted")
	require.Contains(t, string(page), "Without results so far: lean, apart, reindex, freshness, verify, eventapi, scaling, growth.")
	picture, err := os.ReadFile(filepath.Join(filepath.Dir(path), "page", "catchup-docs-s.svg"))
	require.NoError(t, err)
	require.Contains(t, string(picture), `width="68" height="16"`, "90 of 500, of 380 pixels")
}

func TestCommandLineIsChecked(t *testing.T) {
	t.Parallel()
	good := runCommand{Rounds: 1, Events: 1000, Seconds: 2, Results: "x.json", Only: []string{catchUp}}
	require.NoError(t, good.Validate())
	for want, change := range map[string]func(*runCommand){
		`--only: there is no "catch-up"`: func(c *runCommand) { c.Only = []string{"catch-up"} },
		"--rounds":                       func(c *runCommand) { c.Rounds = 0 },
		"--warm-ups":                     func(c *runCommand) { c.WarmUps = -1 },
		"--events":                       func(c *runCommand) { c.Events = 1 },
		"--sizes":                        func(c *runCommand) { c.Sizes = []int{1} },
		"--bytes":                        func(c *runCommand) { c.Bytes = []int{1} },
		"--seconds":                      func(c *runCommand) { c.Seconds = 0 },
		"--results":                      func(c *runCommand) { c.Results = "x.md" },
	} {
		bad := good
		change(&bad)
		require.ErrorContains(t, bad.Validate(), want)
	}
	_, err := addressesFromEnvironment(func(string) string { return "" })
	require.ErrorContains(t, err, "TEST_KAFKA_BROKERS")
}

func TestTheLeastPipeCutsOutTheRow(t *testing.T) {
	t.Parallel()
	got := appendRow([]byte("before\n"), []byte(`{"id":"1"}`), []byte(`{"before":null,"after":{"id":"1","text":",\"source\":{"},"source":{"lsn":7},"op":"c"}`))
	require.Equal(t, "before\n"+`{"index":{"_id":"1"}}`+"\n"+`{"id":"1","text":",\"source\":{"}`+"\n", string(got))
}

func TestParentOf(t *testing.T) {
	t.Parallel()
	parent, ok := parentOf("12 (a (b) 7 c) S 34 5 6")
	require.True(t, ok)
	require.Equal(t, 34, parent)
	_, ok = parentOf("")
	require.False(t, ok)
}

// What was started by us is found, and can be bound to a core.
func TestDescendantsAreBoundToACore(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), "sh", "-c", "read _; exit 0")
	_, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer func() { _ = errors.Join(child.Process.Kill(), child.Wait()) }()
	require.Contains(t, descendants(os.Getpid()), child.Process.Pid)
	var first unix.CPUSet
	first.Set(0)
	require.NoError(t, pin(child.Process.Pid, &first))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child.Process.Pid))
	require.NoError(t, err)
	require.Contains(t, string(status), "Cpus_allowed_list:\t0\n")
}

func TestElasticsearchsCoreIsNobodyElses(t *testing.T) {
	t.Parallel()
	all, first, others, err := cores()
	if all.Count() < 2 {
		require.ErrorContains(t, err, "two cores or more")
		return
	}
	require.NoError(t, err)
	require.Equal(t, 1, first.Count())
	require.Equal(t, all.Count()-1, others.Count())
	for core := range len(all) * 64 {
		require.Equal(t, all.IsSet(core), first.IsSet(core) != others.IsSet(core), core)
	}
}
