package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"golang.org/x/sys/unix"
)

// apartCatchUps is catchUps with a core that only Elasticsearch has, and only that one, as if it had a machine of its own.
func (s *system) apartCatchUps(ctx context.Context) error {
	all, first, others, err := cores()
	if err != nil {
		return err
	}
	if err := s.ensureCorpus(ctx); err != nil { // whose requests are as large as everywhere else
		return err
	}
	server, err := s.es.pid(ctx)
	if err != nil {
		return err
	}
	everyone := descendants(os.Getppid()) // of the stack, which has started us, too
	defer func() {
		for _, pid := range everyone {
			_ = pin(pid, &all) // it may have ended
		}
	}()
	for _, pid := range everyone {
		its := &others
		if pid == server {
			its = &first
		}
		if err := pin(pid, its); err != nil {
			return err
		}
	}
	return s.catchUps(ctx, apart, false)
}

// cores are those that this process may use, which need not be all of the machine's: the first one, and the others.
func cores() (all, first, others unix.CPUSet, err error) {
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return all, first, others, fmt.Errorf("ask for the cores of this process: %w", err)
	}
	if all.Count() < 2 {
		return all, first, others, errors.New("--only apart: it takes two cores or more, one for Elasticsearch and one for all else")
	}
	core := 0
	for !all.IsSet(core) {
		core++
	}
	first.Set(core)
	others = all
	others.Clear(core)
	return all, first, others, nil
}

// pid is that of the server.
func (e *elastic) pid(ctx context.Context) (int, error) {
	answer, err := e.call(ctx, http.MethodGet, "/_nodes/_local/process", nil)
	if err != nil {
		return 0, err
	}
	id := gjson.GetBytes(answer, "nodes.*.process.id")
	if !id.Exists() {
		return 0, fmt.Errorf("elasticsearch does not tell its process: %.200s", answer)
	}
	return int(id.Int()), nil
}

// pin bounds all threads of a process to some cores. Those that it starts later are bound, too. One that ended is no error.
func pin(pid int, cores *unix.CPUSet) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return fmt.Errorf("list the threads of process %d: %w", pid, err)
	}
	for _, path := range threads {
		thread, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return fmt.Errorf("list the threads of process %d: %w", pid, err)
		}
		if err := unix.SchedSetaffinity(thread, cores); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("bind process %d to its cores: %w", pid, err)
		}
	}
	return nil
}

// descendants returns a process and all that were started by it or by those.
func descendants(root int) []int {
	found := []int{root}
	children := map[int][]int{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a right one
	for _, path := range paths {
		text, err := os.ReadFile(path) //nolint:gosec // the system's own
		if err != nil {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if parent, ok := parentOf(string(text)); ok && err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	for n := 0; n < len(found); n++ {
		found = append(found, children[found[n]]...)
	}
	return found
}

// parentOf reads /proc/PID/stat: the parent is the second field behind the name, which stands in brackets and may have some.
func parentOf(stat string) (int, bool) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}
