package spans

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// prefix is that of the logical decoding messages that carry a trace.
const prefix = "traceparent"

// message is what Debezium makes of a logical decoding message.
type message struct {
	Source struct {
		TxID int64 `json:"txId"`
	} `json:"source"`
	Message struct {
		Prefix  string `json:"prefix"`
		Content []byte `json:"content"` // base64
	} `json:"message"`
}

// Decode returns a message's transaction and trace. ok is false for one that carries no trace: another program may send
// such messages, too.
func Decode(ctx context.Context, value []byte) (transaction int64, parent trace.SpanContext, ok bool) {
	var m message
	if err := json.Unmarshal(value, &m); err != nil || m.Message.Prefix != prefix || m.Source.TxID == 0 {
		return 0, trace.SpanContext{}, false
	}
	carrier := propagation.MapCarrier{"traceparent": string(m.Message.Content)}
	parent = trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, carrier))
	return m.Source.TxID, parent, parent.IsValid()
}
