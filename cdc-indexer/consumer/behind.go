package consumer

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// behind keeps the lag of one partition: what is in the log and not yet in the index.
type behind struct {
	lag prometheus.Gauge

	mu        sync.Mutex
	committed int64 // the first offset that is not in the index yet
	end       int64 // the offset that the next message to be written will get
}

// done notes that all before offset is in the index, or lost.
func (b *behind) done(offset int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.committed = offset
	b.show()
}

// written notes the end of the log.
func (b *behind) written(end int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = end
	b.show()
}

func (b *behind) show() { b.lag.Set(float64(max(b.end-b.committed, 0))) }
