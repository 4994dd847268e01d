package debezium_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/debezium"
)

// BenchmarkDecode decodes a captured message: most of the processor time of a catch-up goes into that.
func BenchmarkDecode(b *testing.B) {
	key, err := os.ReadFile("testdata/captured/create.key.json")
	require.NoError(b, err)
	value, err := os.ReadFile("testdata/captured/create.value.json")
	require.NoError(b, err)
	decoder := debezium.NewDecoder(debezium.Config{
		Schema: "public", Table: "events", Key: []string{"id"}, JSONColumns: []string{"attributes"},
		GeoPoints: []debezium.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
	})
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		_, err := decoder.Decode(key, value)
		require.NoError(b, err)
	}
}
