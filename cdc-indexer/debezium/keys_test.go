package debezium

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The keys of a document are those that its id was made of; the tests of package main compare them with Kafka Connect's.
func TestMessageKeys(t *testing.T) {
	t.Parallel()
	one := NewDecoder(Config{Key: []string{"id"}})
	two := NewDecoder(Config{Key: []string{"a", "b"}})
	tests := map[string]struct {
		decoder *Decoder
		id      string
		want    []string
	}{
		"uuid":                    {one, "01a208e7-a676-782e-8251-653260612309", []string{`{"id":"01a208e7-a676-782e-8251-653260612309"}`}},
		"a number or its text":    {one, "-17", []string{`{"id":"-17"}`, `{"id":-17}`}},
		"true or its text":        {one, "true", []string{`{"id":"true"}`, `{"id":true}`}},
		"no number":               {one, "007", []string{`{"id":"007"}`}},
		"null is text":            {one, "null", []string{`{"id":"null"}`}},
		"written in several ways": {one, "ü", nil},
		"with a quote":            {one, `a"b`, nil},
		"empty":                   {one, "", nil},
		"two columns":             {two, `["x",9007199254740993]`, []string{`{"a":"x","b":9007199254740993}`}},
		"too few columns":         {two, `["x"]`, nil},
		"no id of two columns":    {two, "x", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var keys []string
			for _, key := range test.decoder.MessageKeys(test.id) {
				keys = append(keys, string(key))
				id, err := test.decoder.DocumentID(key)
				require.NoError(t, err)
				require.Equal(t, test.id, id)
			}
			require.Equal(t, test.want, keys)
		})
	}
}
