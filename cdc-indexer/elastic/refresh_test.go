package elastic

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Refreshes must not get more than their share of the server's time.
func TestTheRefresherPauses(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]time.Duration{1: 0, 0.8: 25 * time.Millisecond, 0.5: 100 * time.Millisecond, 0.1: 900 * time.Millisecond} {
		r := NewRefresher(nil, "a", share, nil, nil)
		require.InDelta(t, want, r.pause(100*time.Millisecond), float64(time.Microsecond), "share %v", share)
	}
}
