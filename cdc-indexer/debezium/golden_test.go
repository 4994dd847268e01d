package debezium_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/arena"
	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/debezium"
)

var update = flag.Bool("update", false, "write what the decoder returns to testdata/golden")

// message is one message that the real connector wrote; testdata/captured/README.md says how.
type message struct {
	name       string
	key, value []byte
}

func captured(t testing.TB) []message {
	t.Helper()
	paths, err := filepath.Glob("testdata/captured/*.value.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	messages := make([]message, len(paths))
	for n, path := range paths {
		name := strings.TrimSuffix(path, ".value.json")
		value, err := os.ReadFile(path)
		require.NoError(t, err)
		key, err := os.ReadFile(name + ".key.json")
		if !errors.Is(err, os.ErrNotExist) { // a TRUNCATE has no key
			require.NoError(t, err)
		}
		messages[n] = message{name: filepath.Base(name), key: key, value: value}
	}
	return messages
}

// golden is what the decoder makes of a message.
type golden struct {
	Key         string            `json:"key,omitempty"`
	Order       *change.Order     `json:"order,omitempty"`
	Op          string            `json:"op,omitempty"`
	CommittedAt string            `json:"committed_at,omitempty"`
	Transaction int64             `json:"transaction,omitempty"`
	Read        bool              `json:"read,omitempty"`
	Document    string            `json:"document,omitempty"` // a string: the very bytes are what matters
	Rejection   *change.Rejection `json:"rejection,omitempty"`
	NoChange    bool              `json:"no_change,omitempty"`
}

// TestCapturedEnvelopes decodes messages of the real connector. `go test ./cdc-indexer/debezium -update` writes the
// golden files anew; read the difference before you commit it.
func TestCapturedEnvelopes(t *testing.T) {
	t.Parallel()
	for _, message := range captured(t) {
		t.Run(message.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "golden", message.name+".json")
			got, err := json.MarshalIndent(decodeForGolden(t, message), "", "  ")
			require.NoError(t, err)
			got = append(got, '\n')
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

// Documents of many messages share the memory of an arena, and are what they are without one.
func TestDocumentsInAnArena(t *testing.T) {
	t.Parallel()
	decoder := goldenDecoder()
	var memory arena.Arena
	for range 2 { // first beside the arena's block, and then in it
		var want, got []string
		var decoded []change.Change
		for _, message := range captured(t) {
			alone, err := decoder.Decode(message.key, message.value)
			together, inArena := decoder.DecodeIn(&memory, message.key, message.value)
			require.Equal(t, err, inArena, message.name)
			want, decoded = append(want, string(alone.Document)), append(decoded, together)
		}
		for _, c := range decoded {
			got = append(got, string(c.Document))
		}
		require.Equal(t, want, got)
		memory.Reset()
	}
}

func decodeForGolden(t *testing.T, m message) golden {
	t.Helper()
	got, err := goldenDecoder().Decode(m.key, m.value)
	var rejection *change.Rejection
	switch {
	case errors.Is(err, change.ErrNoChange):
		return golden{NoChange: true}
	case errorsAsRejection(err, &rejection):
		return golden{Rejection: rejection}
	}
	require.NoError(t, err)
	return golden{
		Key: got.Key, Order: &got.Order, Op: got.Op.String(), Transaction: got.Transaction, Read: got.Read, Document: readable(got.Document),
		CommittedAt: got.CommittedAt.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
}

// readable returns a document as it is, or a large one's length and hash.
func readable(document []byte) string {
	if len(document) <= 4<<10 {
		return string(document)
	}
	return fmt.Sprintf("%d bytes, sha256 %x", len(document), sha256.Sum256(document))
}

// goldenDecoder knows the JSON columns of all captured tables; each of them is called events.
func goldenDecoder() *debezium.Decoder {
	return debezium.NewDecoder(debezium.Config{
		Schema: "public", Table: "events", Key: []string{"id"}, JSONColumns: []string{"attributes", "a_json", "a_jsonb"},
		GeoPoints: []debezium.GeoPoint{{Field: "location", Latitude: "latitude", Longitude: "longitude"}},
	})
}

func errorsAsRejection(err error, rejection **change.Rejection) bool {
	return errors.As(err, rejection)
}
