package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

func eventSearch(t testing.TB) string { return testenv.Address(t, "TEST_EVENTSEARCH_URL") }

// writeWithToken sends a write to eventapi and returns the answer's body and the token that names the write.
func writeWithToken(ctx context.Context, method, address, mediaType string, body any, want int) (answer []byte, token string, err error) {
	status, header, answer, err := callWithHeader(ctx, method, address, http.Header{"Content-Type": {mediaType}}, body)
	if err != nil || status != want {
		return nil, "", fmt.Errorf("%s %s: status %d, want %d: %w %s", method, address, status, want, err, answer)
	}
	if token = header.Get("Write-Token"); token == "" {
		return nil, "", fmt.Errorf("%s %s: no Write-Token", method, address)
	}
	return answer, token, nil
}

type foundEvent struct {
	ID    string
	Event struct {
		ID, Title string
		Version   int64
	}
	Freshness struct {
		Order struct{ Version, LSN string }
	}
}

type foundPage struct {
	Items      []foundEvent
	Total      struct{ Value int }
	NextCursor *string `json:"next_cursor"`
	After      *struct{ Searchable bool }
}

// searchEvents asks eventsearch.
func searchEvents(ctx context.Context, server string, query url.Values) (foundPage, error) {
	var page foundPage
	status, body, err := call(ctx, http.MethodGet, server+"/events?"+query.Encode(), nil, nil)
	if err != nil || status != http.StatusOK {
		return page, fmt.Errorf("search %v: status %d: %w %s", query, status, err, body)
	}
	return page, json.Unmarshal(body, &page)
}

// Who writes and searches at once with the write's token is never shown what was before, however many do so.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	const writers, rounds = 8, 25
	api, server := eventAPI(t)+"/events", eventSearch(t)
	ctx := testenv.Context(t, 3*time.Minute)
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for round := range rounds {
				if err := readOwnWrites(ctx, api, server, fmt.Sprintf("ownwrite%dx%d", writer, round)); err != nil {
					t.Errorf("writer %d, round %d: %v", writer, round, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// readOwnWrites creates, changes and deletes an event, and looks for it after each of these.
func readOwnWrites(ctx context.Context, api, server, word string) error {
	look := func(token, text string, found int) error {
		query := url.Values{"q": {`"` + text + `"`}, "after": {token}, "wait": {"10"}}
		page, err := searchEvents(ctx, server, query)
		for err == nil && page.After != nil && !page.After.Searchable { // a busy machine may take longer than one may wait
			page, err = searchEvents(ctx, server, query)
		}
		switch {
		case err != nil:
			return err
		case page.After == nil:
			return fmt.Errorf("%s: the answer does not say whether it is searchable", token)
		case len(page.Items) != found:
			return fmt.Errorf("%s is searchable, and %q finds %d events, not %d", token, text, len(page.Items), found)
		default:
			return nil
		}
	}
	body, token, err := writeWithToken(ctx, http.MethodPost, api, "application/json", newEvent("made "+word), http.StatusCreated)
	if err != nil {
		return err
	}
	if err := look(token, "made "+word, 1); err != nil {
		return err
	}
	var created struct{ ID string }
	if err := json.Unmarshal(body, &created); err != nil {
		return err
	}
	one := api + "/" + created.ID
	_, token, err = writeWithToken(ctx, http.MethodPatch, one, "application/merge-patch+json", object{"title": "changed " + word}, http.StatusOK)
	if err != nil {
		return err
	}
	if err := look(token, "changed "+word, 1); err != nil {
		return err
	}
	if err := look(token, "made "+word, 0); err != nil {
		return err
	}
	_, token, err = writeWithToken(ctx, http.MethodDelete, one, "application/json", nil, http.StatusNoContent)
	if err != nil {
		return err
	}
	if err := look(token, "changed "+word, 0); err != nil {
		return err
	}
	status, answer, err := call(ctx, http.MethodGet, server+"/events/"+created.ID+"?after="+token, nil, nil)
	if err != nil || status != http.StatusNotFound {
		return fmt.Errorf("a deleted event: status %d: %w %s", status, err, answer)
	}
	return nil
}

// walks pages through searches for the kept rows of a history again and again, until it is stopped: each walk must meet
// every row once, and no row in an older version than a walk before.
type walks struct {
	t      *testing.T
	cancel context.CancelFunc
	work   sync.WaitGroup
	count  int
}

func startWalks(t *testing.T, kept rows) *walks {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &walks{t: t, cancel: cancel}
	// A server that has just started may take longer for its first search than eventsearch waits.
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		_, err := searchEvents(ctx, eventSearch(t), walked(kept))
		return err
	})
	w.work.Go(func() {
		seen := map[string]int64{}
		for ctx.Err() == nil {
			if err := walk(ctx, eventSearch(t), kept, seen); err != nil && ctx.Err() == nil {
				t.Errorf("walk %d: %v", w.count, err)
				return
			}
			w.count++
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *walks) stop() {
	w.cancel()
	w.work.Wait()
}

// walked is the search whose pages a walk goes through.
func walked(kept rows) url.Values {
	return url.Values{"category": {kept.category}, "limit": {"100"}}
}

func walk(ctx context.Context, server string, kept rows, seen map[string]int64) error {
	met := map[string]bool{}
	query := walked(kept)
	for {
		page, err := searchEvents(ctx, server, query)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if met[item.ID] {
				return fmt.Errorf("row %s is on two pages", item.ID)
			}
			met[item.ID] = true
			if item.Event.Version < seen[item.ID] {
				return fmt.Errorf("row %s went back in time: version %d after %d", item.ID, item.Event.Version, seen[item.ID])
			}
			seen[item.ID] = item.Event.Version
		}
		if page.NextCursor == nil {
			break
		}
		query.Set("cursor", *page.NextCursor)
	}
	for _, id := range kept.ids {
		if !met[id] {
			return fmt.Errorf("row %s exists, and no page of %d rows has it", id, len(met))
		}
	}
	if len(met) != len(kept.ids) {
		return fmt.Errorf("%d rows on the pages, %d exist", len(met), len(kept.ids))
	}
	return nil
}

// Searches stay right, page by page, while rows are written, the index is built anew, and what was broken in it is
// mended.
func TestSearchesWhileTheIndexIsRebuiltAndRepaired(t *testing.T) {
	c := newCommands(t)
	tidy(t, c)
	kept := preload(t, 1000)
	history := startHistory(t, kept)
	walks := startWalks(t, kept)

	c.run(t, 0, nil, "reindex")
	orphan := newEvent("never a row")
	orphan["id"], orphan["cdc"] = "orphan", object{"version": 1, "lsn": 1, "deleted": false}
	elastic(t, http.MethodPut, "/events-write/_doc/orphan?refresh=true", orphan, http.StatusCreated)
	c.run(t, 0, nil, "verify", "--repair")
	walks.stop()
	history.stop()

	require.Greater(t, walks.count, 2)
	page, err := searchEvents(testenv.Context(t, patience), eventSearch(t), url.Values{"q": {`"never a row"`}})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	requireEqual(t)
	t.Logf("%d walks over %d rows; meanwhile %d writes", walks.count, len(kept.ids), history.writes)
}
