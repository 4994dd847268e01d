package elastic_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/eventsearch/elastic"
	"ticketing/eventsearch/indextest"
	"ticketing/eventsearch/search"
	"ticketing/internal/esclient"
	"ticketing/internal/testenv"
)

func byDate(filter search.Filter, limit int) search.Query {
	return search.Query{Filter: filter, Sort: search.Sort{By: search.ByDate}, Limit: limit}
}

// buckets takes values and counts by turns.
func buckets(pairs ...any) []search.Bucket {
	var found []search.Bucket
	for n := 0; n < len(pairs); n += 2 {
		found = append(found, search.Bucket{Value: pairs[n].(string), Count: pairs[n+1].(int)})
	}
	return found
}

func find(t *testing.T, index *elastic.Index, query search.Query) search.Page {
	t.Helper()
	page, err := index.Search(t.Context(), query)
	require.NoError(t, err)
	return page
}

func ids(page search.Page) []string {
	found := []string{}
	for _, hit := range page.Hits {
		found = append(found, hit.ID)
	}
	return found
}

const exactRow = `{"id":"exact","title":"Exact","starts_at":"2027-05-01T19:30:00.123456Z","version":7,"price_min":"0.10",
	"attributes":{"big":9007199254740993,"long":123456789012345678901234567890,"decimal":1.10,"text":"</script>\u2028"}}`

// The bytes of a row come out as they went in, in searches and alone.
func TestValuesAreExact(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	index := newIndex(t, x)
	x.Put("exact", 42, exactRow)
	alone, err := index.Get(t.Context(), "exact")
	require.NoError(t, err, "not searchable yet, and read all the same")
	x.Refresh()
	found := find(t, index, byDate(search.Filter{}, 10)).Hits[0].Document
	require.Equal(t, alone, found)
	var want, got map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(exactRow), &want))
	require.NoError(t, json.Unmarshal(found.Event, &got))
	require.Equal(t, want, got)
	require.Equal(t, "7", found.Version)
	require.Equal(t, search.Order{Version: 42, LSN: 42}, found.Order)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC), found.CommittedAt)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), found.IndexedAt)
}

func TestDeletedEventsAreNotFound(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	index := newIndex(t, x)
	x.PutEvent("a", 1, nil)
	x.Delete("a", 2)
	x.Refresh()
	require.Empty(t, find(t, index, byDate(search.Filter{}, 10)).Hits)
	for _, id := range []string{"a", "never"} {
		_, err := index.Get(t.Context(), id)
		require.ErrorIs(t, err, search.ErrNotFound)
	}
}

func fill(t *testing.T) (*indextest.Index, *elastic.Index) {
	t.Helper()
	x := indextest.New(t)
	event := func(id string, fields map[string]any) { x.PutEvent(id, 1, fields) }
	event("a", map[string]any{
		"category": "concert", "city": "Wien", "country": "AT", "tags": []string{"x", "y"}, "starts_at": "2027-01-10T00:00:00Z",
		"price_min": "10.00", "price_max": "30.00", "location": map[string]any{"lat": 48.2, "lon": 16.37},
	})
	event("b", map[string]any{
		"category": "concert", "city": "Graz", "country": "AT", "tags": []string{"y"}, "starts_at": "2027-02-10T00:00:00Z",
		"price_min": "50.00", "price_max": "50.00", "location": map[string]any{"lat": 47.07, "lon": 15.44},
	})
	event("c", map[string]any{"category": "opera", "city": "Wien", "country": "AT", "status": "draft", "starts_at": "2027-02-20T00:00:00Z"})
	event("d", map[string]any{
		"category": "sport", "city": "Washington, D.C.", "country": "US", "starts_at": "2027-03-01T00:00:00Z",
		"price_min": "300.00", "price_max": "9999999999.99",
	})
	x.Refresh()
	return x, newIndex(t, x)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	_, index := fill(t)
	at := func(day string) time.Time {
		parsed, err := search.ParseTime(day + "T00:00:00Z")
		require.NoError(t, err)
		return parsed
	}
	vienna := &search.Point{Lat: 48.2, Lon: 16.3}
	for want, filter := range map[string]search.Filter{
		"a b c d": {},
		"a b":     {Categories: []string{"concert"}},
		"a b d":   {Categories: []string{"concert", "sport"}},
		"a":       {Categories: []string{"concert"}, Cities: []string{"Wien", "Linz"}},
		"c":       {Statuses: []string{"draft"}},
		"d":       {Countries: []string{"US"}, Cities: []string{"Washington, D.C."}},
		"a b ":    {Tags: []string{"x", "y"}},
		" a b":    {PriceMin: "20", PriceMax: "50.00"}, // meets both ends
		" a":      {PriceMax: "49.99"},
		" d":      {PriceMin: "9999999999.99"},
		"b c":     {StartsFrom: at("2027-02-10"), StartsTo: at("2027-02-20")},
		"a ":      {Near: vienna, Within: 50},
		" a b ":   {Near: vienna, Within: 200},
		"":        {Cities: []string{"wien"}},
	} {
		require.Equal(t, strings.TrimSpace(want), strings.Join(ids(find(t, index, byDate(filter, 10))), " "), "%+v", filter)
	}
}

// A facet's own filter does not narrow its counts; every other filter does.
func TestFacets(t *testing.T) {
	t.Parallel()
	_, index := fill(t)
	all := find(t, index, byDate(search.Filter{}, 10)).Facets
	require.Equal(t, buckets("concert", 2, "opera", 1, "sport", 1), all.Categories)
	require.Equal(t, buckets("Wien", 2, "Graz", 1, "Washington, D.C.", 1), all.Cities)
	require.Equal(t, buckets("2027-01", 1, "2027-02", 2, "2027-03", 1), all.Months)
	require.Equal(t, []search.Band{{Min: "0", Max: "24.99", Count: 1}, {Min: "25", Max: "49.99", Count: 1}, {Min: "50", Max: "99.99", Count: 1}, {Min: "100", Max: "249.99", Count: 0}, {Min: "250", Max: "", Count: 1}}, all.Prices)

	narrowed := find(t, index, byDate(search.Filter{Categories: []string{"concert"}, Cities: []string{"Wien"}, PriceMax: "20"}, 10))
	require.Equal(t, []string{"a"}, ids(narrowed))
	require.Equal(t, search.Total{Value: 1, Exact: true}, narrowed.Total)
	require.Equal(t, buckets("concert", 1), narrowed.Facets.Categories)
	require.Equal(t, buckets("Wien", 1), narrowed.Facets.Cities)
	require.Equal(t, buckets("2027-01", 1), narrowed.Facets.Months)
	require.Equal(t, 1, narrowed.Facets.Prices[1].Count, "25 to 49.99, although at most 20 was asked for")

	cities := find(t, index, byDate(search.Filter{Cities: []string{"Graz"}}, 10)).Facets
	require.Equal(t, all.Cities, cities.Cities)
	require.Equal(t, buckets("concert", 1), cities.Categories)

	// What a band says to ask for is what it has counted.
	for _, band := range all.Prices {
		require.Len(t, find(t, index, byDate(search.Filter{PriceMin: band.Min, PriceMax: band.Max}, 10)).Hits, band.Count)
	}
}

// Pages of every order meet every event once, events without a price or a place included, while others write.
func TestPagesAreStableUnderWrites(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	index := newIndex(t, x)
	want := []string{}
	for n := range 25 {
		id := fmt.Sprintf("e%02d", n)
		fields := map[string]any{"title": "common", "starts_at": fmt.Sprintf("2027-01-%02dT00:00:00Z", n%7+1)}
		if n%3 > 0 {
			fields["price_min"], fields["location"] = fmt.Sprint(n%5), map[string]any{"lat": n, "lon": n}
		}
		x.PutEvent(id, 1, fields)
		want = append(want, id)
	}
	x.Refresh()
	near := &search.Point{}
	text, err := search.ParseText("common")
	require.NoError(t, err)
	lsn := int64(2)
	for _, by := range []search.By{search.ByDate, search.ByPrice, search.ByDistance, search.ByRelevance} {
		for _, descending := range []bool{false, true} {
			query := search.Query{Text: text, Filter: search.Filter{Near: near}, Sort: search.Sort{By: by, Descending: descending}, Limit: 4}
			var seen []string
			for {
				page := find(t, index, query)
				require.Equal(t, search.Total{Value: 25, Exact: true}, page.Total)
				require.Equal(t, query.Cursor == nil, page.Facets != nil)
				seen = append(seen, ids(page)...)
				if page.Next == nil {
					break
				}
				require.Equal(t, len(seen), page.Next.Seen)
				query.Cursor = page.Next
				// Whatever was seen moves to the end, and what was not yet to the beginning.
				x.Delete(want[int(lsn)%25], lsn)
				x.PutEvent("new"+fmt.Sprint(lsn), lsn, map[string]any{"title": "common", "price_min": "2", "starts_at": "2027-01-04T00:00:00Z"})
				x.Refresh()
				lsn++
			}
			slices.Sort(seen)
			require.Equal(t, want, seen, "%s descending=%t", by, descending)
			require.Zero(t, x.OpenPointsInTime(), "the last page gives it back")
			for n := int64(2); n < lsn; n++ { // as before
				x.PutEvent(want[int(n)%25], n, map[string]any{"title": "common", "starts_at": "2027-01-02T00:00:00Z"})
				x.Delete(fmt.Sprintf("new%d", n), n)
			}
			x.Refresh()
		}
	}
}

func TestPointsInTimeAreOpenedOnlyForFurtherPages(t *testing.T) {
	t.Parallel()
	x, index := fill(t)
	require.Nil(t, find(t, index, byDate(search.Filter{}, 4)).Next)
	require.Zero(t, x.OpenPointsInTime())
	first := find(t, index, byDate(search.Filter{}, 3))
	require.NotNil(t, first.Next)
	require.Equal(t, 1, x.OpenPointsInTime())

	query := byDate(search.Filter{}, 3)
	query.Cursor = &search.Cursor{Snapshot: first.Next.Snapshot, After: json.RawMessage(`["no date", "x", 1]`)}
	_, err := index.Search(t.Context(), query)
	require.ErrorIs(t, err, search.ErrCursor)
	query.Cursor = &search.Cursor{Snapshot: "AAAA", After: first.Next.After}
	_, err = index.Search(t.Context(), query)
	require.ErrorIs(t, err, search.ErrCursor)

	x.ClosePointInTime(first.Next.Snapshot)
	query.Cursor = first.Next
	_, err = index.Search(t.Context(), query)
	require.ErrorIs(t, err, search.ErrExpired)
}

// Pages get shorter rather than take more memory than allowed.
func TestPagesOfLargeEvents(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	for n := range 20 {
		x.PutEvent(fmt.Sprint(n), 1, map[string]any{"description": strings.Repeat("large ", 10_000)})
	}
	x.Refresh()
	index := newIndexWith(t, x, esclient.Config{URL: x.URL, MaxAnswer: 200_000}, 30*time.Second)
	query, seen := byDate(search.Filter{}, 20), 0
	for {
		page := find(t, index, query)
		require.NotEmpty(t, page.Hits)
		require.LessOrEqual(t, len(page.Hits), 3, "60 kB each")
		seen += len(page.Hits)
		if query.Cursor = page.Next; query.Cursor == nil {
			break
		}
	}
	require.Equal(t, 20, seen)
}

// What people wrote is escaped, and only the marks are HTML. A description that is too long to be looked through does
// not fail the search.
func TestHighlights(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	index := newIndex(t, x)
	x.PutEvent("a", 1, map[string]any{
		"title":       `Jazz <script>alert("x")</script> & Blues`,
		"description": "Much text before. " + strings.Repeat("word ", 200) + "Then <img src=x onerror=alert(1)> jazz by the lake.",
	})
	x.PutEvent("b", 1, map[string]any{"title": "Jazzclub", "description": strings.Repeat("🎷 ", 600_000)})
	x.Refresh()
	page := find(t, index, searchFor(t, "jazz"))
	require.ElementsMatch(t, []string{"a", "b"}, ids(page))
	for _, hit := range page.Hits {
		text := hit.Highlights.Title + hit.Highlights.Description
		require.NotContains(t, strings.NewReplacer("<mark>", "", "</mark>", "").Replace(text), "<")
		if hit.ID == "b" {
			require.Equal(t, "<mark>Jazzclub</mark>", hit.Highlights.Title, "the beginning of a word")
			continue
		}
		require.Contains(t, hit.Highlights.Title, "<mark>Jazz</mark> &lt;script&gt;")
		require.Contains(t, hit.Highlights.Description, "&lt;img src=x onerror=alert(1)&gt; <mark>jazz</mark>")
		require.Less(t, len(hit.Highlights.Description), 400)
	}
}

func TestTotalsBeyondTheLimitAreLowerBounds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes 10,001 documents")
	}
	x := indextest.New(t)
	index := newIndex(t, x)
	x.PutMany(search.ExactTotal + 1)
	x.Refresh()
	require.Equal(t, search.Total{Value: search.ExactTotal, Exact: false}, find(t, index, byDate(search.Filter{}, 1)).Total)
}

// A write is searchable when a document or a tombstone of its position or a later one is.
func TestSearchable(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	index := newIndex(t, x)
	searchable := func(position int64) bool {
		found, err := index.Searchable(t.Context(), search.Token{ID: "a", Position: position})
		require.NoError(t, err)
		return found
	}
	x.PutEvent("a", 10, nil)
	x.PutEvent("b", 99, nil)
	require.False(t, searchable(10), "written, but not refreshed")
	x.Refresh()
	require.True(t, searchable(9))
	require.True(t, searchable(10))
	require.False(t, searchable(11))
	x.Delete("a", 20)
	x.Refresh()
	require.True(t, searchable(20), "a tombstone")
	require.False(t, searchable(21))
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	index := newIndex(t, x)
	x.PutEvent("a", 1, map[string]any{"title": "Jazz by the Lake", "city": "Jazzville", "venue_name": "Old Jazzhouse", "organizer": "Jazz e.V."})
	x.PutEvent("b", 1, map[string]any{"title": "Jazz by the Lake", "city": "Zürich"})
	x.PutEvent("c", 1, map[string]any{"title": "Smooth Jazz", "city": ""})
	x.Delete("d", 1)
	x.Refresh()
	suggest := func(text string) search.Suggestions {
		found, err := index.Suggest(t.Context(), text)
		require.NoError(t, err)
		return found
	}
	require.Equal(t, []search.Completion{
		{Text: "Jazz by the Lake", Kind: "title", Count: 2},
		{Text: "Jazzville", Kind: "city", Count: 1},
		{Text: "Jazz e.V.", Kind: "organizer", Count: 1},
		{Text: "Smooth Jazz", Kind: "title", Count: 1},
		{Text: "Old Jazzhouse", Kind: "venue", Count: 1},
	}, suggest("ja").Completions)
	require.Equal(t, []search.Completion{{Text: "Jazz by the Lake", Kind: "title", Count: 2}}, suggest("jazz by the la").Completions)
	require.Equal(t, search.Suggestions{DidYouMean: "jazz zürich"}, suggest("kazz zurih"))
	require.Equal(t, search.Suggestions{}, suggest("qqqqqqqq"))
}

func TestErrors(t *testing.T) {
	t.Parallel()
	missing := newIndex(t, indextest.Missing(t))
	x := indextest.New(t)
	away := newIndexWith(t, x, esclient.Config{URL: fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))}, time.Second)
	slow := newIndexWith(t, x, esclient.Config{URL: x.URL, Timeout: time.Nanosecond}, time.Second)
	for want, index := range map[error]*elastic.Index{search.ErrNoIndex: missing, search.ErrUnavailable: away} {
		_, err := index.Search(t.Context(), byDate(search.Filter{}, 1))
		require.ErrorIs(t, err, want)
		_, err = index.Get(t.Context(), "a")
		require.ErrorIs(t, err, want)
		_, err = index.Suggest(t.Context(), "a")
		require.ErrorIs(t, err, want)
		_, err = index.Searchable(t.Context(), search.Token{ID: "a"})
		require.ErrorIs(t, err, want)
		require.ErrorIs(t, index.Check(t.Context()), want)
	}
	require.ErrorIs(t, slow.Check(t.Context()), search.ErrUnavailable)
	require.NoError(t, newIndex(t, x).Check(t.Context()))
}
