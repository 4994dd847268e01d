package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// rows are rows of the table that nobody but their test touches.
type rows struct {
	category string // theirs alone
	ids      []string
}

// preload inserts rows, waits until searches find them all, and deletes what is left of them when the test ends.
func preload(t testing.TB, count int) rows {
	t.Helper()
	r := rows{category: "e2e-" + strings.ToLower(rand.Text()[:10])}
	conn := database(t)
	ctx := testenv.Context(t, 5*time.Minute)
	inserted, err := conn.Query(ctx, `
		INSERT INTO public.events (title, description, category, status, organizer, starts_at, ends_at, price_min, price_max, currency, tags, attributes)
		SELECT 'Concert ' || n, repeat('Doors open an hour before. ', 10), $1, 'published', 'e2e', now() + n * interval '1 minute',
			now() + n * interval '1 minute' + interval '3 hours', n % 50, n % 50 + 10.5, 'EUR', ARRAY['live', 'n' || n % 10], jsonb_build_object('seats', n)
		FROM generate_series(1, $2) AS n
		RETURNING id::text`, r.category, count)
	require.NoError(t, err)
	for inserted.Next() {
		var id string
		require.NoError(t, inserted.Scan(&id))
		r.ids = append(r.ids, id)
	}
	require.NoError(t, inserted.Err())
	cleanup(t, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "DELETE FROM public.events WHERE category = $1", r.category)
		return err
	})
	testenv.Eventually(t, time.Minute+time.Duration(count)*time.Millisecond, func(ctx context.Context) error {
		if found, err := r.count(ctx, t); err != nil || found != count {
			return fmt.Errorf("searches find %d of %d rows: %w", found, count, err)
		}
		return nil
	})
	return r
}

// count returns how many of the rows searches find.
func (r rows) count(ctx context.Context, t testing.TB) (int, error) {
	query := object{"query": object{"term": object{"category": r.category}}}
	status, body, err := call(ctx, http.MethodPost, elasticsearch(t)+"/events/_count", nil, query)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Count  int
		Shards struct{ Failed int } `json:"_shards"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.Shards.Failed > 0 {
		return 0, fmt.Errorf("count: status %d: %s", status, body)
	}
	return answer.Count, nil
}

// requireFound requires that searches work, and find the rows.
func (r rows) requireFound(t testing.TB, count int) {
	t.Helper()
	found, err := r.count(testenv.Context(t, patience), t)
	require.NoError(t, err)
	require.Equal(t, count, found)
}
