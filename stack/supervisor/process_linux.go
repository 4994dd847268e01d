package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Attributes puts a process into a group of its own, so that a terminal's Ctrl-C reaches the supervisor only, and
// has the kernel kill it when the supervisor dies without having stopped it. The owner may be nil.
func Attributes(owner *Owner) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	switch {
	case owner == nil:
	case owner.InName:
		attributes.Cloneflags = syscall.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: int(owner.UID), HostID: os.Getuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: int(owner.GID), HostID: os.Getgid(), Size: 1}}
	default:
		attributes.Credential = &syscall.Credential{Uid: owner.UID, Gid: owner.GID}
	}
	return attributes
}

// signalTree signals a process and all its descendants. Those of Postgres are in process groups of their own, so
// the group is not enough. A process that has ended meanwhile is no error.
func signalTree(pid int, signal syscall.Signal) {
	_ = syscall.Kill(pid, signal)
	for _, child := range children(pid) {
		signalTree(child, signal)
	}
}

func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []int
	for _, path := range stats {
		stat, err := os.ReadFile(path) //nolint:gosec // within /proc
		if err != nil {
			continue // ended meanwhile
		}
		// pid (command) state ppid ...: the command may hold spaces and parentheses
		end := bytes.LastIndexByte(stat, ')')
		var state string
		var parent int
		if _, err := fmt.Sscan(string(stat[end+1:]), &state, &parent); err != nil || parent != pid {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, child)
		}
	}
	return found
}
