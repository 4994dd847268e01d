// Package preflight looks, before anything is started, for what would make it fail later and less clearly.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

const (
	gib = 1 << 30
	// What the components take: two heaps of 512 MiB, one of 1 GiB, Postgres, and the JVMs around the heaps.
	minMemory = 4 * gib
	// Artifacts, the cluster, and what Kafka and Elasticsearch allocate ahead.
	minDisk = 3 * gib
)

// Check makes sure that this machine can run the stack natively, with its state in the folder. It installs what is
// missing when it may, saying so on out.
func Check(ctx context.Context, state string, out io.Writer) error {
	if err := platform(runtime.GOOS, runtime.GOARCH); err != nil {
		return err
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return fmt.Errorf("look for memory: %w", err)
	}
	if err := memory(string(meminfo)); err != nil {
		return err
	}
	if err := disk(state, minDisk); err != nil {
		return err
	}
	return Tools(ctx, out, jdk, maven, xz)
}

func platform(system, architecture string) error {
	if system == "linux" && (architecture == "amd64" || architecture == "arm64") {
		return nil
	}
	return fmt.Errorf("the native stack runs on Linux on amd64 and arm64, not on %s on %s: use Docker (STACK=docker)", system, architecture)
}

// memory reads what /proc/meminfo says is available.
func memory(meminfo string) error {
	for line := range strings.Lines(meminfo) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "MemAvailable:" {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err == nil && kib<<10 < minMemory {
			return fmt.Errorf("%.1f GiB of memory are available, and the stack needs %d: stop something else", float64(kib)/(1<<20), minMemory/gib)
		}
	}
	return nil
}

// disk looks at the file system of the folder, which need not exist yet.
func disk(folder string, need uint64) error {
	var stat syscall.Statfs_t
	err := syscall.Statfs(folder, &stat)
	for errors.Is(err, fs.ErrNotExist) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		err = syscall.Statfs(folder, &stat)
	}
	if err != nil {
		return fmt.Errorf("look for disk space at %s: %w", folder, err)
	}
	if free := stat.Bavail * uint64(stat.Bsize); free < need { //nolint:gosec // a block size is positive
		return fmt.Errorf("%.1f GiB are free at %s, and the stack needs %d: make room, or put it elsewhere with --state (for `exec`: TMPDIR)",
			float64(free)/gib, folder, need/gib)
	}
	return nil
}
