package gogc_test

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/gogc"
)

//nolint:paralleltest // the percentage and the environment are the process's
func TestTheEnvironmentComesFirst(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	gogc.Default(300)
	require.Equal(t, 300, debug.SetGCPercent(100))
	t.Setenv("GOGC", "100")
	gogc.Default(300)
	require.Equal(t, 100, debug.SetGCPercent(100))
}
