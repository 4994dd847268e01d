// Package idempotency is what the HTTP side and the store agree on about requests that must not happen twice.
package idempotency

import "errors"

// ErrKeyReused is the answer to a key that came with another request before.
var ErrKeyReused = errors.New("the idempotency key was used for another request")

// Request is a request that names a key.
type Request struct {
	Key  string
	Hash []byte // of everything that makes two requests the same
}

// Answer is what a request was answered with, to be given again when it comes again.
type Answer struct {
	Status   int
	Headers  map[string]string
	Body     []byte
	Replayed bool // this is the answer to an earlier request
}
