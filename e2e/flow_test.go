package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

func TestAWriteIsFoundChangedAndGone(t *testing.T) {
	t.Parallel()
	start := time.Now()
	lap := func(what string) {
		t.Logf("%s searchable after %s", what, time.Since(start).Round(time.Millisecond))
		start = time.Now()
	}
	id := create(t, newEvent("first"))
	waitTitle(t, id, "first")
	lap("create")
	patch(t, id, object{"title": "second"})
	waitTitle(t, id, "second")
	lap("update")
	remove(t, id)
	waitGone(t, id)
	lap("delete")
}

func TestARecreatedRowComesBack(t *testing.T) {
	t.Parallel()
	id := create(t, newEvent("once"))
	waitTitle(t, id, "once")
	remove(t, id)
	again := newEvent("again")
	again["id"] = id
	require.Equal(t, id, create(t, again))
	waitTitle(t, id, "again")
}

// The digits that went in are the digits that come out, of integers beyond a float's 53 bits and of decimals.
func TestValuesArriveExactly(t *testing.T) {
	t.Parallel()
	event := newEvent("exact")
	event["price_min"], event["price_max"], event["currency"] = "0.10", "9999999999.99", "EUR"
	event["latitude"], event["longitude"] = 48.2007, 16.3773
	event["tags"] = []string{"a,b", `q"uote`, "ünïcode 🎫"}
	event["description"] = "line\nbreak \\ \"quoted\" \u2028 </script>"
	event["attributes"] = json.RawMessage(`{"big": 9007199254740993, "long": 123456789012345678901234567890, "nested": {"a": [1.10, null, true]}}`)
	id := create(t, event)
	text := string(waitTitle(t, id, "exact"))
	for _, want := range []string{"9007199254740993", "123456789012345678901234567890", "1.10", `"9999999999.99"`, "2027-03-01T22:00:00.123456Z"} {
		require.Contains(t, text, want)
	}
	var document struct {
		Tags        []string
		Description string
		Location    struct{ Lat, Lon float64 }
		Attributes  struct{ Nested struct{ A []any } }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &document))
	require.Equal(t, event["tags"], document.Tags)
	require.Equal(t, event["description"], document.Description)
	require.InDelta(t, 48.2007, document.Location.Lat, 0)
	require.Len(t, document.Attributes.Nested.A, 3)
}

func TestALargeDocumentArrives(t *testing.T) {
	t.Parallel()
	event := newEvent("large")
	event["description"] = strings.Repeat("größer 🎫 ", 100_000) // 900,000 characters, 1.4 MB; an update's envelope has it twice
	id := create(t, event)
	var document struct{ Description string }
	require.NoError(t, json.Unmarshal(waitTitle(t, id, "large"), &document))
	require.Equal(t, event["description"], document.Description)

	// An update of another column leaves the large one where it is, outside the row: its value must come along.
	patch(t, id, object{"title": "renamed"})
	require.NoError(t, json.Unmarshal(waitTitle(t, id, "renamed"), &document))
	require.Equal(t, event["description"], document.Description)
}

// A batch is one transaction: ids share their commit, and all of them arrive.
func TestABatchArrives(t *testing.T) {
	t.Parallel()
	events := make([]object, 300)
	for n := range events {
		events[n] = newEvent(fmt.Sprint("batch ", n))
	}
	status, body, err := call(testenv.Context(t, patience), http.MethodPost, eventAPI(t)+"/events:batch", nil, object{"items": events})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, "%s", body)
	var created struct{ Items []struct{ ID, Title string } }
	require.NoError(t, json.Unmarshal(body, &created))
	require.Len(t, created.Items, len(events))
	for _, event := range created.Items {
		waitTitle(t, event.ID, event.Title)
	}
}

// Many changes of one row inside one transaction, with others committing meanwhile: only the last one counts.
func TestOneTransactionWithManyChangesOfARow(t *testing.T) {
	t.Parallel()
	id := create(t, newEvent("before"))
	conn := database(t)
	ctx := testenv.Context(t, patience)
	tx, err := conn.Begin(ctx)
	require.NoError(t, err)
	for n := range 60 {
		_, err := tx.Exec(ctx, "UPDATE public.events SET title = $1 WHERE id = $2", fmt.Sprint("change ", n), id)
		require.NoError(t, err)
		if n%10 == 0 {
			create(t, newEvent("meanwhile"))
		}
	}
	require.NoError(t, tx.Commit(ctx))
	waitTitle(t, id, "change 59")
}

func TestARollbackLeavesNoTrace(t *testing.T) {
	t.Parallel()
	id := create(t, newEvent("stays"))
	waitTitle(t, id, "stays")
	conn := database(t)
	run(t, conn, "BEGIN; UPDATE public.events SET title = 'never' WHERE id = '"+id+"'; ROLLBACK")
	marker := create(t, newEvent("after the rollback"))
	waitTitle(t, marker, "after the rollback")
	waitTitle(t, id, "stays")
}

func TestAPrimaryKeyChangeMovesTheDocument(t *testing.T) {
	t.Parallel()
	id := create(t, newEvent("moves"))
	waitTitle(t, id, "moves")
	var moved string
	require.NoError(t, database(t).QueryRow(testenv.Context(t, patience),
		"UPDATE public.events SET id = uuidv7() WHERE id = $1 RETURNING id::text", id).Scan(&moved))
	waitTitle(t, moved, "moves")
	waitGone(t, id)
}
