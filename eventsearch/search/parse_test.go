package search_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/eventsearch/search"
)

func TestParseText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]search.Text{
		"":                         {},
		"  \t ":                    {},
		"jazz":                     {Words: []string{"jazz"}, Open: true},
		"jazz ":                    {Words: []string{"jazz"}},
		"jazz  wi":                 {Words: []string{"jazz", "wi"}, Open: true},
		`"by the lake"`:            {Phrases: []string{"by the lake"}},
		`jazz "by the  lake" zü`:   {Words: []string{"jazz", "zü"}, Phrases: []string{"by the lake"}, Open: true},
		`zü "by the`:               {Words: []string{"zü"}, Phrases: []string{"by the"}},
		"„Night of“ «the proms» x": {Words: []string{"x"}, Phrases: []string{"Night of", "the proms"}, Open: true},
		`""`:                       {},
	} {
		got, err := search.ParseText(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		strings.Repeat("x", 201):  "at most 200 characters",
		strings.Repeat("x ", 13):  "at most 12 words and phrases, not 13",
		"a\x00":                   "NUL",
		"\xff":                    "UTF-8",
		strings.Repeat(`"x"`, 13): "at most 12",
	} {
		_, err := search.ParseText(text)
		require.ErrorContains(t, err, want)
	}
	_, err := search.ParseText(strings.Repeat("ü", 200))
	require.NoError(t, err, "characters, not bytes")
}

func TestParseList(t *testing.T) {
	t.Parallel()
	got, err := search.ParseList([]string{"b,a", `Washington\, D.C.`, `x\\y`, "a"})
	require.NoError(t, err)
	require.Equal(t, []string{"Washington, D.C.", "a", "b", `x\y`}, got)
	got, err = search.ParseList(nil)
	require.NoError(t, err)
	require.Empty(t, got)
	for _, parts := range [][]string{{""}, {"a,"}, {",a"}, {"\xff"}, {strings.Repeat("x", 301)}, strings.Split("abcdefghijklmnopqrstu", "")} {
		_, err := search.ParseList(parts)
		require.Error(t, err, parts)
	}
}

func TestParseValues(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"1.999", "-1", "1e3", "01", "NaN", "12345678901", "1.", "."} {
		_, err := search.ParseDecimal(bad)
		require.ErrorContains(t, err, "decimal", bad)
	}
	for _, bad := range []string{"48.2", "48.2,", "91,0", "0,181", "1e1,2", "NaN,0", "0x1,0", "1,2,3"} {
		_, err := search.ParsePoint(bad)
		require.ErrorContains(t, err, "latitude,longitude", bad)
	}
	point, err := search.ParsePoint("-48.25,16")
	require.NoError(t, err)
	require.Equal(t, search.Point{Lat: -48.25, Lon: 16}, point)
	for _, bad := range []string{"2026-05-01", "2026-05-01T19:30:00", "2026-05-01T19:30:00,5Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"} {
		_, err := search.ParseTime(bad)
		require.Error(t, err, bad)
	}
	instant, err := search.ParseTime("2026-05-01t19:30:00.5+02:00")
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 5, 1, 17, 30, 0, 5e8, time.UTC), instant)

	token, err := search.ParseToken("01A208E7-A676-782E-8251-653260612309:9223372036854775807")
	require.NoError(t, err)
	require.Equal(t, search.Token{ID: "01a208e7-a676-782e-8251-653260612309", Position: 9223372036854775807}, token)
	for _, bad := range []string{"", "x:1", "01a208e7-a676-782e-8251-653260612309", "01a208e7-a676-782e-8251-653260612309:-1", "01a208e7-a676-782e-8251-653260612309:9223372036854775808"} {
		_, err := search.ParseToken(bad)
		require.ErrorContains(t, err, "Write-Token", bad)
	}
}
