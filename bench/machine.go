package main

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Machine is where it ran.
type Machine struct {
	Cores  int     `json:"cores"`
	CPU    string  `json:"cpu"`
	Memory float64 `json:"memory_gib"`
	System string  `json:"system"`
	// Files is the file system that the servers' data is on.
	Files string `json:"file_system,omitempty"`
}

// machine says where we are.
func machine() Machine {
	m := Machine{Cores: runtime.NumCPU(), CPU: field("/proc/cpuinfo", "model name"), System: strings.Trim(field("/etc/os-release", "PRETTY_NAME"), `"`)}
	kib, _ := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64) // 0 where it is not told
	m.Memory = round3(kib / (1 << 20))
	kind, device, _ := strings.Cut(output("findmnt", "--noheadings", "--output", "FSTYPE,SOURCE", "--target", os.TempDir()), " ")
	m.Files = fileSystem(kind, strings.TrimSpace(device), "/proc/fs/jbd2")
	return m
}

// fileSystem says of ext4 whether it has a journal, by Linux' list of those it keeps: without one it makes files more slowly,
// as bench/README.md tells.
func fileSystem(kind, device, journals string) string {
	if kind != "ext4" {
		return kind
	}
	if found, _ := filepath.Glob(filepath.Join(journals, filepath.Base(device)+"-*")); len(found) == 0 { // the pattern is a right one
		return "ext4 without a journal"
	}
	return "ext4 with a journal"
}

// loadAverage is how many processes wanted to run in the last minute: above the number of cores, others were busy, too.
func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg") // 0 where it is not told
	minute, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(minute, 64)
	return load
}

// versions are those of all parts that say theirs.
func (s *system) versions(ctx context.Context) map[string]string {
	found := map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")}
	note := func(name, version string) {
		if version != "" {
			found[name] = version
		}
	}
	root, _ := s.es.call(ctx, http.MethodGet, "/", nil) // what does not answer has no version here
	note("Elasticsearch", gjson.GetBytes(root, "version.number").String())
	connect := newElastic(s.at.Connect) // any server that answers in JSON
	root, _ = connect.call(ctx, http.MethodGet, "/", nil)
	note("Kafka", gjson.GetBytes(root, "version").String())
	plugins, _ := connect.call(ctx, http.MethodGet, "/connector-plugins", nil)
	note("Debezium", gjson.GetBytes(plugins, `#(class="io.debezium.connector.postgresql.PostgresConnector").version`).String())
	var postgres string
	if s.backlog.database.QueryRow(ctx, "SHOW server_version").Scan(&postgres) == nil {
		note("Postgres", postgres)
	}
	if words := strings.Fields(output(rsyslogd, "-v")); len(words) > 1 {
		note("rsyslog", words[1])
	}
	if exists(s.config.program("bento")) {
		note("Bento", bentoVersion)
	}
	if s.pgsyncMissing() == nil {
		note("pgsync", pgsyncVersion)
	}
	return found
}

// commit is the checkout's.
func commit(root string) string {
	return output("git", "-C", root, "describe", "--always", "--dirty", "--exclude=*")
}

// field returns what a file of names and values has behind a name.
func field(path, name string) string {
	file, err := os.Open(path) //nolint:gosec // the system's own
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		before, after, found := strings.Cut(strings.Replace(lines.Text(), "=", ":", 1), ":")
		if found && strings.TrimSpace(before) == name {
			return strings.TrimSpace(after)
		}
	}
	return ""
}

// output returns what a program prints; nothing when it cannot be run.
func output(name string, arguments ...string) string {
	text, err := exec.Command(name, arguments...).Output() //nolint:gosec,noctx // a version, asked for once
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
