// Package goruntime gives Go's runtime other defaults. What the environment says comes first, by the runtime's own variables.
package goruntime

import (
	"os"
	"runtime"
	"runtime/debug"
)

// GarbagePercent sets how often garbage is collected, as GOGC does.
func GarbagePercent(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// Processors bounds how many processors are used at the same time, as GOMAXPROCS does; not above what the runtime has found.
func Processors(most int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(min(most, runtime.GOMAXPROCS(0)))
	}
}
