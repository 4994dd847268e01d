package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent returns a context that also ends when the process that started this one dies: `go run` passes a
// Ctrl-C on, but not the signals that kill it alone.
func endWithParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGHUP), 0, 0, 0); err != nil || os.Getppid() == 1 {
		return ctx, stop
	}
	return ctx, stop
}
