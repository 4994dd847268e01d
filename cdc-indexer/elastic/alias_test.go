package elastic_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/elastic/elasticfake"
)

// An alias without a write index refuses every document, and is in order again when it is looked at.
func TestAnAliasThatIsMendedMeanwhileRejectsNothing(t *testing.T) {
	t.Parallel()
	fake := elasticfake.New()
	send := func(method, path, body string) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://fake"+path, strings.NewReader(body))
		require.NoError(t, err)
		response, err := fake.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	send(http.MethodPut, "/x-000001", `{"aliases":{"x-write":{"is_write_index":false}}}`)
	client, err := elastic.NewClient(elastic.Config{URL: "http://fake", Transport: hooked{fake, func(r *http.Request) {
		if r.URL.Path == "/_alias/x-write" {
			send(http.MethodPost, "/_aliases", `{"actions":[{"add":{"index":"x-000001","alias":"x-write","is_write_index":true}}]}`)
		}
	}}})
	require.NoError(t, err)
	results, err := elastic.NewWriter(client, "x-write", elastic.NewMetrics(prometheus.NewRegistry())).
		Apply(t.Context(), []change.Change{upsert("a", 1, 1, "a"), upsert("b", 1, 1, "b")})
	require.NoError(t, err)
	require.Equal(t, []change.Result{{Outcome: change.Applied}, {Outcome: change.Applied}}, results)
}
