package elastic_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
)

// losing fails the first bulk request, and goes on reading it as a transport may that has lost the connection.
type losing struct {
	http.RoundTripper
	lost io.Reader
}

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.lost == nil && strings.HasSuffix(r.URL.Path, "/_bulk") {
		l.lost = r.Body
		return nil, io.ErrUnexpectedEOF
	}
	return l.RoundTripper.RoundTrip(r)
}

// The memory of a request is used again for the next one, and never while somebody may be reading it: half of one and half of
// another would be a write that nobody asked for.
func TestARequestThatFailedIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	network := &losing{RoundTripper: elasticfake.New()}
	client, err := elastic.NewClient(elastic.Config{URL: "http://fake", Transport: network})
	require.NoError(t, err)
	definition, err := elastic.ParseDefinition([]byte(definitionText))
	require.NoError(t, err)
	names := elastic.Names{Prefix: "x", ReadAlias: "x-read", WriteAlias: "x-write"}
	_, err = elastic.Ensure(t.Context(), client, names, definition)
	require.NoError(t, err)
	writer := elastic.NewWriter(client, names.WriteAlias, elastic.NewMetrics(prometheus.NewRegistry()))
	results, err := writer.Apply(t.Context(), []change.Change{upsert("first", 1, 1, "the first"), upsert("second", 1, 1, "the second")})
	require.NoError(t, err)
	require.Equal(t, change.Applied, results[0].Outcome)
	for _, key := range []string{"third", "fourth", "fifth"} {
		_, err = writer.Apply(t.Context(), []change.Change{upsert(key, 1, 1, "another")})
		require.NoError(t, err)
	}
	sent, err := io.ReadAll(network.lost)
	require.NoError(t, err)
	require.Contains(t, string(sent), "the first")
	require.NotContains(t, string(sent), "another")
}
