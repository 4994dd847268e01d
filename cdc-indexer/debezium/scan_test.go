package debezium

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzScan holds the scanner against encoding/json: both take the same texts for JSON, and understand the same strings.
func FuzzScan(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-0.5e+3,"x",true,false,null,{}],"b":[]}`, ` [ ] `, `"\"\\\/\b\f\n\r\tü\u00e9\ud83d\ude00"`, "\"a\x1f\"", `01`, `1.`, `-`, `1e`,
		`{"a"}`, `{"a":}`, `{,}`, `[1,]`, `"\x"`, `"\u12g4"`, `"`, `tru`, `nullx`, `{} {}`, ``, `"plain text that is longer than eight bytes"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if nesting(text) <= maxDepth {
			require.Equal(t, json.Valid(text), valid(text), "%q", text)
		}
		s := scanner{text: text}
		v, ok := s.value()
		if !ok || !v.isString() || !utf8.Valid(v) {
			return
		}
		var want string
		require.NoError(t, json.Unmarshal(v, &want))
		require.Equal(t, want, v.text())
	})
}

// nesting is as deep as a text can be nested at the most.
func nesting(text []byte) int {
	return bytes.Count(text, []byte{'['}) + bytes.Count(text, []byte{'{'})
}

// What ends a run of plain characters is found at each place of the eight that are looked at together.
func TestScanFindsTheEndOfAString(t *testing.T) {
	t.Parallel()
	for length := range 20 {
		for _, plain := range []string{"x", "\x7f", "\x80", "\xff", " ", "!", "#", "[", "]"} {
			inside := strings.Repeat(plain, length)
			require.True(t, valid([]byte(`"`+inside+`"`)), "%q", inside)
			require.True(t, valid([]byte(`"`+inside+`\"`+inside+`"`)), "%q", inside)
			require.False(t, valid([]byte(`"`+inside)), "%q", inside)
			for _, control := range []string{"\x00", "\n", "\x1f"} {
				require.False(t, valid([]byte(`"`+inside+control+inside+`"`)), "%q %q", inside, control)
			}
		}
	}
}

func TestScanBoundsTheNesting(t *testing.T) {
	t.Parallel()
	nested := func(depth int) []byte {
		return []byte(strings.Repeat(`[`, depth) + strings.Repeat(`]`, depth))
	}
	require.True(t, valid(nested(maxDepth)))
	require.False(t, valid(nested(maxDepth+1)))
	var e envelope
	require.ErrorContains(t, e.parse([]byte(`{"after":`+string(nested(maxDepth))+`}`)), "nested deeper than 1000")
}
