package debezium

import "ticketing/cdc-indexer/change"

// DocumentID makes the _id of a row's document of a message's key. Its error is a *change.Rejection.
func (d *Decoder) DocumentID(key []byte) (string, error) { return d.documentID(key) }

// DecodeEdited returns the change of a message that a person has corrected. edited is a whole envelope, or only the
// row as it stands in an envelope's "after"; the rest is the message's then.
//
// The change has the order of the message, whatever edited says, so that it loses against any newer one. Only of a
// message that does not tell its order is that of the edited envelope taken.
func (d *Decoder) DecodeEdited(key, value, edited []byte) (change.Change, error) {
	var e, original envelope
	if err := e.parse(edited); err != nil {
		return change.Change{}, err
	}
	order, orderErr := d.orderOf(&original, value)
	if isEnvelope(&e) {
		c, err := d.decode(nil, key, &e)
		if err == nil && orderErr == nil {
			c.Order = order
		}
		return c, err
	}
	if orderErr != nil {
		return change.Change{}, reject(ReasonOrder, "the message does not tell its place in the log, so that a whole envelope is needed and not the row alone: %v", orderErr)
	}
	if original.op.text() == "d" {
		return change.Change{}, reject(ReasonOperation, "the message is a delete and has no row to correct")
	}
	original.after.parse(&scanner{text: edited}) // it is valid: it has been read before
	return d.decode(nil, key, &original)
}

// isEnvelope tells an envelope from a row, which may have columns of these names: no column's value is an object.
func isEnvelope(e *envelope) bool { return e.op.isString() && e.source.found }

// orderOf parses a message and returns its order.
func (d *Decoder) orderOf(e *envelope, value []byte) (change.Order, error) {
	if err := e.parse(value); err != nil {
		return change.Order{}, err
	}
	_, read, err := operation(e.op)
	if err != nil {
		return change.Order{}, err
	}
	return d.order(e.source, read)
}
