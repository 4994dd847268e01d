package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/eventapi/event"
)

func TestLifeOfAnEvent(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	created := c.do(http.MethodPost, "/events", "{"+required+"}")
	e := created.event(http.StatusCreated)
	path := "/events/" + e.ID.String()
	require.Equal(t, path, created.header.Get("Location"))
	require.Equal(t, `"1"`, created.header.Get("ETag"))
	require.Equal(t, byte('7'), e.ID.String()[14], "a time-ordered id")
	require.Equal(t, event.Draft, e.Status)

	got := c.do(http.MethodGet, path, "")
	require.Equal(t, created.body, got.body)
	require.Equal(t, `"1"`, got.header.Get("ETag"))
	require.Equal(t, http.StatusOK, c.do(http.MethodHead, path, "").status)

	replaced := c.do(http.MethodPut, path, "{"+strings.Replace(required, "Jazz", "Blues", 1)+`,"city":"Bern"}`)
	require.Equal(t, "Blues", replaced.event(http.StatusOK).Title)
	require.Equal(t, `"2"`, replaced.header.Get("ETag"))
	replaced = c.do(http.MethodPut, path, "{"+required+"}")
	require.Nil(t, replaced.event(http.StatusOK).City, "what a replacement leaves out is gone")

	require.Equal(t, http.StatusNoContent, c.do(http.MethodDelete, path, "").status)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		c.do(method, path, "").problem(http.StatusNotFound)
	}
	c.do(http.MethodPut, path, "{"+required+"}").problem(http.StatusNotFound)
	c.do(http.MethodPatch, path, "{}").problem(http.StatusNotFound)
}

// Every write but a batch's is named by a token, later ones by greater positions. A replay gets the first one's.
func TestWriteTokens(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	created := c.do(http.MethodPost, "/events", "{"+required+"}", "Idempotency-Key", "token")
	id := created.event(http.StatusCreated).ID.String()
	path := "/events/" + id
	answers := []answer{
		created,
		c.do(http.MethodPut, path, "{"+required+"}"),
		c.do(http.MethodPatch, path, `{"city":"Bern"}`),
		c.do(http.MethodDelete, path, ""),
	}
	last := int64(0)
	for _, a := range answers {
		position, ok := strings.CutPrefix(a.header.Get("Write-Token"), id+":")
		require.True(t, ok, a.header)
		number, err := strconv.ParseInt(position, 10, 64)
		require.NoError(t, err)
		require.Greater(t, number, last)
		last = number
	}
	replayed := c.do(http.MethodPost, "/events", "{"+required+"}", "Idempotency-Key", "token")
	require.Equal(t, "true", replayed.header.Get("Idempotent-Replayed"))
	require.Equal(t, created.header.Get("Write-Token"), replayed.header.Get("Write-Token"))
	require.NotContains(t, c.do(http.MethodPost, "/events:batch", `{"items":[{`+required+`}]}`).header, "Write-Token")
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	path := c.create(`,"price_min":"0.1","price_max":"9999999999.99","currency":"CHF",
		"attributes":{"n":9007199254740993,"long":123456789012345678901234567890.10,"deep":[{"x":-0.30}]}`)
	c.do(http.MethodPatch, path, `{"attributes":{"added":98765432109876543210}}`).event(http.StatusOK)
	text := string(c.do(http.MethodGet, path, "").body)
	for _, digits := range []string{
		`"price_min":"0.10"`, `"price_max":"9999999999.99"`, `"n":9007199254740993`,
		`"long":123456789012345678901234567890.10`, `"x":-0.30`, `"added":98765432109876543210`,
	} {
		require.Contains(t, text, digits)
	}
}

func TestTimesAreKeptToTheMicrosecond(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	path := c.create("")
	e := c.do(http.MethodPatch, path, `{"starts_at":"2026-05-01T19:30:00.123456789+02:00"}`).event(http.StatusOK)
	require.Equal(t, "2026-05-01T17:30:00.123456Z", e.StartsAt.Format(time.RFC3339Nano))
}

func TestClientChoosesTheID(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	const id = "0190A5E2-6F3B-4C4D-8E5F-0123456789AB"
	body := `{"id":"` + id + `",` + required + `}`
	created := c.do(http.MethodPost, "/events", body)
	require.Equal(t, strings.ToLower(id), created.event(http.StatusCreated).ID.String())
	require.Equal(t, []string{"body.id"}, c.do(http.MethodPost, "/events", body).locations(http.StatusConflict))
	require.Equal(t, []string{"body.items[1].id"},
		c.do(http.MethodPost, "/events:batch", `{"items":[{`+required+`},`+body+`]}`).locations(http.StatusConflict))
	require.Equal(t, []string{"body.id"}, c.do(http.MethodPut, "/events/"+id, body).locations(http.StatusUnprocessableEntity))
}

func TestMergePatch(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	path := c.create(`,"status":"published","city":"Bern","tags":["a","b"],"attributes":{"keep":1,"drop":2,"in":{"x":1,"y":null}}`)
	e := c.do(http.MethodPatch, path, `{"title":"New","status":null,"city":null,"tags":["c"],
		"attributes":{"drop":null,"in":{"x":null,"z":{"no":null,"yes":1}}}}`).event(http.StatusOK)
	require.Equal(t, "New", e.Title)
	require.Equal(t, event.Draft, e.Status)
	require.Nil(t, e.City)
	require.Equal(t, []string{"c"}, e.Tags)
	attributes, err := json.Marshal(e.Attributes)
	require.NoError(t, err)
	require.JSONEq(t, `{"keep":1,"in":{"y":null,"z":{"yes":1}}}`, string(attributes))

	for patch, locations := range map[string][]string{
		`{"title":null}`:                       {"body.title"},
		`{"ends_at":"2026-05-01T19:30:00Z"}`:   {"body.ends_at"},
		`{"title":1,"nope":null,"version":7}`:  {"body.title", "body.nope", "body.version"},
		`{"tags":null,"latitude":1,"city":[]}`: {"body.city"},
		`{"latitude":1}`:                       {"body.longitude"},
		`[]`:                                   {"body"},
		`null`:                                 {"body"},
	} {
		require.Equal(t, locations, c.do(http.MethodPatch, path, patch).locations(http.StatusUnprocessableEntity), patch)
	}
	require.EqualValues(t, 2, c.do(http.MethodGet, path, "").event(http.StatusOK).Version, "nothing was written")
}

func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	path := c.create("")
	for header, status := range map[string]int{
		`"1"`: http.StatusNotModified, `W/"1"`: http.StatusNotModified, `*`: http.StatusNotModified, `"7", W/"x,y", "1"`: http.StatusNotModified,
		`"2"`: http.StatusOK, `"01"`: http.StatusOK, `1`: http.StatusUnprocessableEntity, ``: http.StatusUnprocessableEntity,
	} {
		got := c.do(http.MethodGet, path, "", "If-None-Match", header)
		require.Equal(t, status, got.status, header)
		if status == http.StatusNotModified {
			require.Equal(t, `"1"`, got.header.Get("ETag"))
			require.Empty(t, got.body)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
		for _, header := range []string{`"2"`, `W/"1"`, `"x"`, `"2", "3"`} {
			c.do(method, path, "{"+required+"}", "If-Match", header).problem(http.StatusPreconditionFailed)
		}
		for _, header := range []string{`1`, `"1`, ``, `"1" "2"`} {
			require.Contains(t, c.do(method, path, "{"+required+"}", "If-Match", header).locations(http.StatusUnprocessableEntity), "header.If-Match", header)
		}
	}
	require.EqualValues(t, 2, c.do(http.MethodPut, path, "{"+required+"}", "If-Match", `"1"`).event(http.StatusOK).Version)
	require.EqualValues(t, 3, c.do(http.MethodPatch, path, "{}", "If-Match", `"1", "2"`).event(http.StatusOK).Version)
	require.EqualValues(t, 4, c.do(http.MethodPut, path, "{"+required+"}", "If-Match", `*`).event(http.StatusOK).Version)
	require.Equal(t, http.StatusNoContent, c.do(http.MethodDelete, path, "", "If-Match", `"4"`).status)
	c.do(http.MethodDelete, path, "", "If-Match", `*`).problem(http.StatusNotFound)
}

func TestListHeaderInSeveralLines(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	path := c.create("")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, c.server.URL+path, nil)
	require.NoError(t, err)
	request.Header["If-Match"] = []string{`"9"`, `"1"`}
	response, err := c.server.Client().Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNoContent, response.StatusCode)
}

func TestIfMatchRequired(t *testing.T) {
	t.Parallel()
	config := limits()
	config.RequireIfMatch = true
	c := serve(t, config)
	path := c.create("")
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
		c.do(method, path, "{"+required+"}").problem(http.StatusPreconditionRequired)
	}
	require.Equal(t, http.StatusNoContent, c.do(http.MethodDelete, path, "", "If-Match", `"1"`).status)
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	body := "{" + required + "}"
	first := c.do(http.MethodPost, "/events", body, "Idempotency-Key", "k")
	require.Empty(t, first.header.Get("Idempotent-Replayed"))
	// the first answer comes back even after the event has changed
	c.do(http.MethodPatch, first.header.Get("Location"), `{"title":"changed"}`).event(http.StatusOK)
	again := c.do(http.MethodPost, "/events", body, "Idempotency-Key", "k")
	require.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
	require.Equal(t, first.status, again.status)
	require.Equal(t, first.body, again.body)
	for _, name := range []string{"ETag", "Location", "Content-Type"} {
		require.Equal(t, first.header.Get(name), again.header.Get(name))
	}
	for path, other := range map[string]string{"/events": body + " ", "/events:batch": `{"items":[` + body + `]}`} {
		require.Equal(t, []string{"header.Idempotency-Key"},
			c.do(http.MethodPost, path, other, "Idempotency-Key", "k").locations(http.StatusUnprocessableEntity))
	}
	for _, key := range []string{"", "a b", "é", strings.Repeat("k", 256)} {
		require.Contains(t, c.do(http.MethodPost, "/events", body, "Idempotency-Key", key).locations(http.StatusUnprocessableEntity), "header.Idempotency-Key")
	}
	require.Equal(t, http.StatusCreated, c.do(http.MethodPost, "/events", body, "Idempotency-Key", strings.Repeat("k", 255)).status)
}

// A key is free again after a refused request.
func TestIdempotencyKeyOfARefusedRequest(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	c.do(http.MethodPost, "/events", "{}", "Idempotency-Key", "k").problem(http.StatusUnprocessableEntity)
	c.do(http.MethodPost, "/events", "{"+required+"}", "Idempotency-Key", "k").event(http.StatusCreated)
}

func TestIdempotencyKeyUnderConcurrency(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	answers := make([]answer, 10)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() {
			answers[i] = c.do(http.MethodPost, "/events:batch", `{"items":[{`+required+`},{`+required+`}]}`, "Idempotency-Key", "k")
		})
	}
	group.Wait()
	first := 0
	for _, a := range answers {
		require.Equal(t, http.StatusCreated, a.status)
		require.Equal(t, answers[0].body, a.body)
		if a.header.Get("Idempotent-Replayed") == "" {
			first++
		}
	}
	require.Equal(t, 1, first)
	require.Len(t, c.list("").Items, 2)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	items := make([]string, 1000)
	for i := range items {
		items[i] = fmt.Sprintf(`{%s,"capacity":%d}`, required, i)
	}
	created := c.do(http.MethodPost, "/events:batch", `{"items":[`+strings.Join(items, ",")+`]}`)
	require.Equal(t, http.StatusCreated, created.status, "%.500s", created.body)
	var answer struct{ Items []event.Event }
	require.NoError(t, json.Unmarshal(created.body, &answer))
	require.Len(t, answer.Items, 1000)
	for i, e := range answer.Items {
		require.EqualValues(t, i, *e.Capacity, "in the order of the request")
	}

	for body, locations := range map[string][]string{
		`{"items":[{` + required + `},{` + required + `,"title":"","x":1},7,{` + required + `},{"ends_at":5}]}`: {
			"body.items[1].x", "body.items[1].title", "body.items[2]", "body.items[4].title", "body.items[4].category",
			"body.items[4].organizer", "body.items[4].starts_at", "body.items[4].ends_at",
		},
		`{"items":[` + strings.Join(append(items, items[0]), ",") + `]}`: {"body.items"},
		`{"items":[]}`:       {"body.items"},
		`{"items":null}`:     {"body.items"},
		`{}`:                 {"body.items"},
		`{"items":{},"x":1}`: {"body.x", "body.items"},
		`{"items":[null]}`:   {"body.items[0]"},
	} {
		require.ElementsMatch(t, locations, c.do(http.MethodPost, "/events:batch", body).locations(http.StatusUnprocessableEntity), "%.200s", body)
	}
	require.Empty(t, c.list("?starts_before=2000-01-01T00:00:00Z").Items)
	c.do(http.MethodGet, "/events:batch", "").problem(http.StatusMethodNotAllowed)
}

type page struct {
	Items      []event.Event `json:"items"`
	NextCursor *string       `json:"next_cursor"`
}

func (c *client) list(query string) page {
	c.t.Helper()
	listed := c.do(http.MethodGet, "/events"+query, "")
	require.Equal(c.t, http.StatusOK, listed.status, "%s", listed.body)
	var p page
	require.NoError(c.t, json.Unmarshal(listed.body, &p))
	return p
}

func TestList(t *testing.T) {
	t.Parallel()
	c := serve(t, limits())
	require.JSONEq(t, `{"items":[],"next_cursor":null}`, string(c.do(http.MethodGet, "/events", "").body))
	for i := range 7 {
		c.create(fmt.Sprintf(`,"city":"C%d"`, i%2))
	}
	seen, pages, query := 0, 0, "?limit=2&city=C0"
	for {
		p := c.list(query)
		pages++
		seen += len(p.Items)
		if p.NextCursor == nil {
			break
		}
		query = "?limit=2&city=C0&cursor=" + url.QueryEscape(*p.NextCursor)
	}
	require.Equal(t, 4, seen)
	require.Equal(t, 2, pages)
	require.Len(t, c.list("?starts_from=2026-05-01T21:30:00%2B02:00&starts_before=2026-05-01T19:30:01Z").Items, 7)

	cursor := *c.list("?limit=1").NextCursor
	for query, location := range map[string]string{
		"limit=0": "query.limit", "limit=201": "query.limit", "limit=x": "query.limit", "limit=": "query.limit", "limit=1&limit=2": "query.limit",
		"status=gone": "query.status", "city=": "query.city", "city=%00": "query.city", "category=%ff": "query.category",
		"starts_from=yesterday": "query.starts_from", "starts_before=2026-05-01T19:30:00": "query.starts_before",
		"starts_from=0000-01-01T00:00:00Z": "query.starts_from", "statsu=draft": "query.statsu",
		"cursor=x": "query.cursor", "cursor=" + cursor + "&city=C1": "query.cursor", "cursor=" + strings.ToUpper(cursor) + "A": "query.cursor",
	} {
		require.Equal(t, []string{location}, c.do(http.MethodGet, "/events?"+query, "").locations(http.StatusUnprocessableEntity), query)
	}
}
