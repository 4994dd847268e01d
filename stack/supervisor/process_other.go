//go:build !linux

package supervisor

import "syscall"

// Elsewhere the launcher only runs the container tests, which start no processes of their own.

// Attributes puts a process into a group of its own.
func Attributes(*Owner) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func signalTree(pid int, signal syscall.Signal) { _ = syscall.Kill(pid, signal) }
