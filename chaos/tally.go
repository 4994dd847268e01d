package main

import "sync"

// Count is how often something was done.
type Count struct {
	Done   int    `json:"done"`
	Failed int    `json:"failed"` // or it is not known whether it was done
	Rows   int64  `json:"rows,omitempty"`
	Error  string `json:"error,omitempty"` // of the last failure
}

// tally counts by kind. It is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	counts map[string]Count
}

// add counts one more.
func (t *tally) add(kind string, rows int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]Count{}
	}
	count := t.counts[kind]
	if err == nil {
		count.Done++
		count.Rows += rows
	} else {
		count.Failed++
		count.Error = err.Error()
	}
	t.counts[kind] = count
}

// merge adds what another tally has counted.
func merge(into map[string]Count, from map[string]Count) map[string]Count {
	if into == nil {
		into = map[string]Count{}
	}
	for kind, more := range from {
		count := into[kind]
		count.Done += more.Done
		count.Failed += more.Failed
		count.Rows += more.Rows
		if more.Error != "" {
			count.Error = more.Error
		}
		into[kind] = count
	}
	return into
}

// sum adds up all kinds.
func sum(counts map[string]Count) Count {
	var total Count
	for _, count := range counts {
		total.Done += count.Done
		total.Failed += count.Failed
		total.Rows += count.Rows
	}
	return total
}
