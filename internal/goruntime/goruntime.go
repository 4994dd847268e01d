// Package gogc sets how often a program collects garbage.
package gogc

import (
	"os"
	"runtime/debug"
)

// Default sets the percentage of GOGC, unless the environment has one.
func Default(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
