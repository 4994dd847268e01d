package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/browser"
)

// The pipeline page shows the stages, follows an event through all of them, replays a dead letter, and compares.
//
// It does not run beside others: the list of letters is the oldest ones.
func TestPipelinePage(t *testing.T) {
	token := os.Getenv("CDC_INDEXER_OPERATOR_TOKEN")
	if token == "" {
		token = "operator" // what the containers have unless they are told otherwise
	}
	browser.Run(t, "testdata/pipeline.test.mjs", eventSearch(t), "OPERATOR_TOKEN="+token)

	const far = 1 << 51
	id := "page-" + strings.ToLower(rand.Text()[:10])
	key := fmt.Sprintf(`{"id":%q}`, id)
	rejected := strings.Replace(envelope{"c", far, far + 8, "rejected"}.value(id), "2027-01-01T00:00:00Z", "no date at all", 1)
	produceInOrder(t, "event-created", key, rejected)
	waitLetter(t, rejected)
	// By now the row has a newer state, so that the letter turns out to be stale.
	newer := envelope{"u", far + 16, far + 24, "newer"}
	produceInOrder(t, newer.topic(), key, newer.value(id))
	waitTitle(t, id, newer.title)

	browser.Run(t, "testdata/pipelineletters.test.mjs", eventSearch(t), "OPERATOR_TOKEN="+token, "LETTER_OF="+id)
	require.Empty(t, dlq(t, program(t, "cdc-indexer"), 0, "list", "--key", id).Letters, "the page has replayed it")
	produceInOrder(t, "event-deleted", key, envelope{op: "d", s: far << 1, lsn: far<<1 + 8}.value(id))
	waitGone(t, id)
}
