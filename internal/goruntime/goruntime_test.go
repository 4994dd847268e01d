package goruntime_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/goruntime"
)

//nolint:paralleltest // the percentage and the environment are the process's
func TestTheEnvironmentsPercentageComesFirst(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	goruntime.GarbagePercent(300)
	require.Equal(t, 300, debug.SetGCPercent(100))
	t.Setenv("GOGC", "100")
	goruntime.GarbagePercent(300)
	require.Equal(t, 100, debug.SetGCPercent(100))
}

//nolint:paralleltest // the processors and the environment are the process's
func TestTheEnvironmentsProcessorsComeFirst(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(2)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	goruntime.Processors(3)
	require.Equal(t, 2, runtime.GOMAXPROCS(0), "there are no more")
	t.Setenv("GOMAXPROCS", "2")
	goruntime.Processors(1)
	require.Equal(t, 2, runtime.GOMAXPROCS(0))
	t.Setenv("GOMAXPROCS", "")
	goruntime.Processors(1)
	require.Equal(t, 1, runtime.GOMAXPROCS(0))
}
