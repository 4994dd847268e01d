package preflight

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ticketing/stack/native"
)

// Ports makes sure that nobody listens on the ports. The error names each one that is taken, the variable that
// changes it and, where it can be seen, the process.
func Ports(ports []native.Port) error {
	var taken error
	for _, port := range ports {
		listener, err := net.Listen("tcp", net.JoinHostPort(native.Host, strconv.Itoa(*port.Value))) //nolint:noctx // does not wait
		if err == nil {
			_ = listener.Close()
			continue
		}
		taken = errors.Join(taken, fmt.Errorf("port %d is in use%s: stop that, or set %s to another port",
			*port.Value, by(*port.Value), port.Variable))
	}
	return taken
}

// by names the process that listens on a port. It finds none without /proc or the right to look.
func by(port int) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table) //nolint:gosec // within /proc
		if err != nil {
			continue
		}
		for _, inode := range listeners(string(text), port) {
			if name, pid, found := socketOwner(inode); found {
				return fmt.Sprintf(" by %s (process %d)", name, pid)
			}
		}
	}
	return ""
}

// listeners returns the inodes of the sockets that listen on the port, from /proc/net/tcp (proc(5)).
func listeners(table string, port int) []string {
	const localAddress, state, inode, listening = 1, 3, 9, "0A"
	var inodes []string
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) > inode && fields[state] == listening && strings.HasSuffix(fields[localAddress], suffix) {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes
}

func socketOwner(inode string) (name string, pid int, found bool) {
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, path := range descriptors {
		if target, err := os.Readlink(path); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		process := filepath.Dir(filepath.Dir(path))
		command, err := os.ReadFile(filepath.Join(process, "comm")) //nolint:gosec // within /proc
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		return strings.TrimSpace(string(command)), pid, err == nil
	}
	return "", 0, false
}
