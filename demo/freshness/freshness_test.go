package freshness_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/demo/freshness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSummary(t *testing.T) {
	t.Parallel()
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i // the order does not matter
	}
	tests := map[string]struct {
		samples []int
		want    freshness.Summary
	}{
		"none":    {nil, freshness.Summary{}},
		"one":     {[]int{7}, freshness.Summary{Count: 1, P50: ms(7), P95: ms(7), Max: ms(7)}},
		"two":     {[]int{9, 7}, freshness.Summary{Count: 2, P50: ms(7), P95: ms(9), Max: ms(9)}},
		"three":   {[]int{1, 100, 2}, freshness.Summary{Count: 3, P50: ms(2), P95: ms(100), Max: ms(100)}},
		"hundred": {hundred, freshness.Summary{Count: 100, P50: ms(50), P95: ms(95), Max: ms(100)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r freshness.Recorder
			for _, sample := range test.samples {
				r.Add(ms(sample))
			}
			require.Equal(t, test.want, r.Summary())
			require.Equal(t, test.want, r.Summary(), "summing up changes nothing")
		})
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var r freshness.Recorder
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				r.Add(time.Millisecond)
				_ = r.Summary()
			}
		})
	}
	group.Wait()
	require.Equal(t, 800, r.Summary().Count)
}

// searchableAfter is a write that takes a second and is found after some more time.
func searchableAfter(after time.Duration, trouble error) func(context.Context) (freshness.Search, error) {
	return func(context.Context) (freshness.Search, error) {
		<-time.After(time.Second)
		written := time.Now()
		return func(context.Context) (bool, error) {
			if time.Since(written) < after {
				return false, trouble
			}
			return true, nil
		}, nil
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	down := errors.New("search is down")
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []time.Duration{0, 10 * time.Millisecond, 300 * time.Millisecond, 20 * time.Second} {
			took, err := freshness.Measure(t.Context(), time.Minute, searchableAfter(after, down))
			require.NoError(t, err, "a search that fails is tried again")
			require.GreaterOrEqual(t, took, after)
			require.LessOrEqual(t, took, after+after/5+3*time.Millisecond, "the pauses stay small beside what is measured")
		}

		_, err := freshness.Measure(t.Context(), time.Minute, searchableAfter(time.Hour, down))
		require.ErrorIs(t, err, freshness.ErrLate)
		require.ErrorIs(t, err, down)

		refused := errors.New("refused")
		_, err = freshness.Measure(t.Context(), time.Minute, func(context.Context) (freshness.Search, error) { return nil, refused })
		require.ErrorIs(t, err, refused)

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = freshness.Measure(ctx, time.Minute, searchableAfter(time.Hour, nil))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
