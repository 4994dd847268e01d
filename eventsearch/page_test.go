package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/eventsearch/indextest"
	"ticketing/internal/browser"
)

// hostile is what nobody may get to run or to load in a page that shows it.
const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script> Night & <b>Day</b>`

func TestSearchPage(t *testing.T) {
	t.Parallel()
	x := indextest.New(t)
	event := func(n int, fields map[string]any) {
		x.PutEvent(fmt.Sprintf("01a208e7-a676-782e-8251-6532606124%02d", n), int64(n), fields)
	}
	for n := range 45 {
		latitude, longitude := []float64{48.2, 52.5, 45.76}[n%3], []float64{16.37, 13.4, 4.83}[n%3]
		event(n, map[string]any{
			"title": fmt.Sprintf("Jazz evening no. %d", n), "category": []string{"concert", "festival"}[n%2], "city": []string{"Wien", "Berlin", "Lyon"}[n%3],
			"description": "Trio and guests play standards.", "starts_at": fmt.Sprintf("2030-%02d-10T19:00:00Z", 1+n%12), "ends_at": fmt.Sprintf("2030-%02d-10T22:00:00Z", 1+n%12),
			"price_min": fmt.Sprintf("%d.50", 10+n*4), "price_max": fmt.Sprintf("%d.00", 20+n*4), "currency": "EUR", "venue_name": "Club " + fmt.Sprint(n%4),
			"latitude": latitude, "longitude": longitude, "location": map[string]any{"lat": latitude, "lon": longitude}, "capacity": 300, "tickets_available": n,
		})
	}
	event(50, map[string]any{"title": hostile, "description": hostile, "category": "theatre", "city": "Graz"})
	event(51, map[string]any{"title": "Opera gala", "category": "classical", "city": "Graz", "status": "sold_out", "starts_at": "2031-05-01T19:00:00Z", "ends_at": "2031-05-01T21:00:00Z"})
	x.Refresh()
	p := start(t, x)
	browser.Run(t, "testdata/pages/search.test.mjs", p.url)
}

// A page that cannot reach the index says so, and works again when it can.
func TestSearchPageWithoutAnIndex(t *testing.T) {
	t.Parallel()
	p := start(t, indextest.Missing(t))
	browser.Run(t, "testdata/pages/noindex.test.mjs", p.url)
}

// What a public search is started with.
func TestWithoutThePipelinePage(t *testing.T) {
	t.Parallel()
	p := start(t, indextest.Missing(t), "--no-pipeline")
	p.require(t, "/", http.StatusOK)
	p.require(t, "/pipeline", http.StatusNotFound)
	p.require(t, "/pipeline/api/status", http.StatusNotFound)
}

func TestPagesAreKeptOnlyUntilTheyChange(t *testing.T) {
	t.Parallel()
	p := start(t, indextest.Missing(t))
	ask := func(path, tag string) (status int, header http.Header) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, http.NoBody)
		require.NoError(t, err)
		request.Header.Set("If-None-Match", tag)
		answer, err := p.client.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode, answer.Header
	}
	for path, mediaType := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/style.css": "text/css; charset=utf-8", "/assets/search/main.js": "text/javascript; charset=utf-8",
	} {
		status, header := ask(path, "")
		require.Equal(t, http.StatusOK, status, path)
		require.Equal(t, mediaType, header.Get("Content-Type"))
		require.Equal(t, "no-cache", header.Get("Cache-Control"))
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; ")
		status, _ = ask(path, header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, status)
	}
	for _, path := range []string{"/assets/nothing.js", "/assets/../web.go"} {
		status, _ := ask(path, "")
		require.Equal(t, http.StatusNotFound, status, path)
	}
}
