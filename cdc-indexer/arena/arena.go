// Package arena hands out memory that is given back all at once, to be used again. Most of what the indexer holds are the
// messages and documents of one chunk of a backlog, which have one end: the garbage collector need not look for it.
package arena

// Arena hands out memory. The zero Arena is ready for use, and a nil one leaves everything to the garbage collector. It is
// not safe for concurrent use.
type Arena struct {
	block []byte
	used  int // of the block
	extra int // bytes handed out for which the block had no room
}

// Bytes returns an empty slice, not nil, with room for n bytes, which are nobody else's until Reset.
func (a *Arena) Bytes(n int) []byte {
	if a == nil {
		return make([]byte, 0, n)
	}
	if n >= len(a.block)-a.used {
		a.extra += n
		return make([]byte, 0, n)
	}
	from := a.used
	a.used += n
	return a.block[from:from:a.used]
}

// Reset takes everything back: what was handed out must not be used any more. The block is made anew when it was too small,
// or twice as large as was needed, so that one chunk of huge messages is not remembered for ever.
func (a *Arena) Reset() {
	needed := a.used + a.extra
	if a.extra > 0 || needed < len(a.block)/2 {
		const spare = 8 // one eighth: the next chunk may be a little larger
		a.block = make([]byte, needed+needed/spare)
	}
	a.used, a.extra = 0, 0
}
