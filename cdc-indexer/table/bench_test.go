package table_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/table"
	"ticketing/internal/testenv"
)

const benchmarkRows = 100_000

// fill makes rows of public.events, of about 1.2 kB each as text.
func (d *database) fill(t testing.TB, rows int) {
	t.Helper()
	d.exec(t, `
		INSERT INTO events (title, description, category, status, organizer, venue_name, venue_address, city, country, latitude, longitude,
			starts_at, ends_at, price_min, price_max, currency, capacity, tickets_available, tags, attributes)
		SELECT 'Event "' || i || '"', repeat('Lorem ipsum dolor sit amet, consectetur adipisici élit. ', 12), 'concert', 'published', 'Organizer ' || i % 100,
			'Großer Saal', 'Straße ' || i % 1000, 'Wien', 'AT', 48 + i % 1000 / 1000.0, 16 + i % 777 / 777.0, now() + i * interval '1 min',
			now() + i * interval '1 min' + interval '2 h', i % 100 + 0.99, i % 100 + 50, 'EUR', 1000, i % 1000, ARRAY['classical', 'tag ' || i % 50],
			jsonb_build_object('seats', i, 'exact', 9007199254740993.10, 'flags', jsonb_build_array(true, null), 'text', 'say "hello"')
		FROM generate_series(1, $1) AS i`, rows)
	d.exec(t, "VACUUM ANALYZE events")
}

// BenchmarkRead measures reading and rendering against what can at best be had: the server's COPY of the same rows, of
// which every byte is thrown away. row_to_json stands for letting the server make the JSON (which would not be Debezium's).
func BenchmarkRead(b *testing.B) {
	d := newDatabase(b)
	d.fill(b, benchmarkRows)
	rows := open(b, d.config(b))
	snapshot := takeSnapshot(b, rows)
	client, err := pgx.Connect(b.Context(), testenv.URLAs(b, d.url, "indexer"))
	require.NoError(b, err)
	b.Cleanup(func() { _ = client.Close(context.Background()) })

	copyRows := func() {
		tag, err := client.PgConn().CopyTo(b.Context(), io.Discard, "COPY events TO STDOUT")
		require.NoError(b, err)
		require.EqualValues(b, benchmarkRows, tag.RowsAffected())
	}
	serverJSON := func() {
		result := client.PgConn().ExecParams(b.Context(), "SELECT id::text, row_to_json(e) FROM events AS e", nil, nil, nil, nil)
		for result.NextRow() {
			_ = result.Values()
		}
		_, err := result.Close()
		require.NoError(b, err)
	}
	read := func() {
		read, bytes := 0, 0
		err := snapshot.Read(b.Context(), table.Range{}, func(c change.Change) error {
			read++
			bytes += len(c.Document)
			return nil
		})
		require.NoError(b, err)
		require.Equal(b, benchmarkRows, read)
		b.SetBytes(int64(bytes))
	}
	copyRows() // so that all of them find the rows in memory
	b.ReportAllocs()
	var copying, making, reading time.Duration
	for b.Loop() {
		b.StopTimer()
		copying += took(copyRows)
		making += took(serverJSON)
		b.StartTimer()
		reading += took(read)
	}
	perSecond := func(total time.Duration) float64 { return benchmarkRows * float64(b.N) / total.Seconds() }
	b.ReportMetric(perSecond(reading), "rows/s")
	b.ReportMetric(perSecond(copying), "copy-rows/s")
	b.ReportMetric(perSecond(making), "row_to_json-rows/s")
	b.ReportMetric(perSecond(reading)/perSecond(copying), "of-copy")
}

func took(work func()) time.Duration {
	start := time.Now()
	work()
	return time.Since(start)
}
