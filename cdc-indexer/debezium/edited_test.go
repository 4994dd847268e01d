package debezium_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/cdc-indexer/change"
	"ticketing/cdc-indexer/debezium"
)

func TestDecodeEdited(t *testing.T) {
	t.Parallel()
	letter := envelope("u", `{"id":"a","attributes":"{"}`) // cannot be decoded, but says where it stands
	own := change.Order{Version: 200, LSN: 104}
	later := strings.Replace(envelope("c", `{"id":"a","n":2}`), `[\"200\",\"104\"]`, `[\"900\",\"904\"]`, 1)
	tests := map[string]struct {
		value, edited string
		document      string
		order         change.Order
	}{
		"a row": {letter, `{"id":"a","n":1,"attributes":"{\"x\":1}"}`, `{"id":"a","n":1,"attributes":{"x":1}}`, own},
		"a row written by hand, on several lines and with its json as it is meant": {
			letter, "{\n  \"id\": \"a\",\n  \"attributes\": {\"x\": 1}\n}\n", `{"id":"a","attributes":{"x": 1}}`, own,
		},
		"a row with columns like an envelope's":     {letter, `{"id":"a","op":"c","source":"web","after":null}`, `{"id":"a","op":"c","source":"web","after":null}`, own},
		"an envelope":                               {letter, envelope("u", `{"id":"a","n":1}`), `{"id":"a","n":1}`, own},
		"an envelope that claims to be newer":       {letter, later, `{"id":"a","n":2}`, own},
		"an envelope for a message that is no JSON": {`{"op":`, later, `{"id":"a","n":2}`, change.Order{Version: 904, LSN: 904}},
		"an envelope that makes it a delete":        {letter, envelope("d", `null`), ``, own},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newDecoder().DecodeEdited([]byte(`{"id":"a"}`), []byte(test.value), []byte(test.edited))
			require.NoError(t, err)
			require.Equal(t, "a", got.Key)
			require.Equal(t, test.document, string(got.Document))
			require.Equal(t, test.order, got.Order)
		})
	}
}

func TestDecodeEditedRefuses(t *testing.T) {
	t.Parallel()
	letter := envelope("u", `{"id":"a"}`)
	tests := map[string]struct{ value, edited, reason, detail string }{
		"no JSON":                              {letter, `{"id":`, debezium.ReasonMalformed, "no JSON"},
		"a list":                               {letter, `[]`, debezium.ReasonMalformed, "no JSON object"},
		"a row for a message that is no JSON":  {`{"op":`, `{"id":"a"}`, debezium.ReasonOrder, "whole envelope"},
		"a row for a message without a place":  {`{"op":"u","source":{}}`, `{"id":"a"}`, debezium.ReasonOrder, "whole envelope"},
		"a row for a delete":                   {envelope("d", `null`), `{"id":"a"}`, debezium.ReasonOperation, "no row"},
		"an envelope of another table":         {letter, strings.Replace(letter, `"events"`, `"venues"`, 1), debezium.ReasonTable, "venues"},
		"a placeholder that is still in there": {letter, `{"id":"a","t":"__debezium_unavailable_value"}`, debezium.ReasonUnavailable, "column t"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newDecoder().DecodeEdited([]byte(`{"id":"a"}`), []byte(test.value), []byte(test.edited))
			var rejection *change.Rejection
			require.ErrorAs(t, err, &rejection)
			require.Equal(t, test.reason, rejection.Reason)
			require.Contains(t, rejection.Detail, test.detail)
		})
	}
}

func TestDocumentID(t *testing.T) {
	t.Parallel()
	id, err := newDecoder().DocumentID([]byte(`{"id":"a"}`))
	require.NoError(t, err)
	require.Equal(t, "a", id)
	var rejection *change.Rejection
	_, err = newDecoder().DocumentID([]byte(`a`))
	require.ErrorAs(t, err, &rejection)
	require.Equal(t, debezium.ReasonKey, rejection.Reason)
}
