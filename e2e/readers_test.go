package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// history is rows that change, come and go, and readers that follow them by searches. What a reader has seen of a row
// it must never see older: a version stays or rises, and a row that is gone stays gone.
type history struct {
	t      *testing.T
	kept   rows // never deleted: each search for one of them must find it, and each count all
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex
	others   []string // rows that come and go; those that are gone are among them
	writes   int
	searches int
	failures int
}

const (
	readers     = 4
	searchPause = 5 * time.Millisecond
)

// startHistory changes the first few of the rows, and others that it makes, and lets readers search for them.
func startHistory(t *testing.T, kept rows) *history {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &history{t: t, kept: kept, cancel: cancel}
	h.work.Go(func() { h.write(ctx, rand.New(rand.NewPCG(2, 0))) })
	for n := range uint64(readers) {
		h.work.Go(func() { h.read(ctx, rand.New(rand.NewPCG(3, n))) })
	}
	t.Cleanup(h.stop)
	return h
}

func (h *history) stop() {
	h.cancel()
	h.work.Wait()
}

// fail counts what went wrong, and tells the first few.
func (h *history) fail(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	const most = 10
	if h.failures++; h.failures <= most {
		h.t.Errorf(format, args...)
	}
}

// changed is how many of the kept rows are changed and followed.
const changed = 50

func (h *history) write(ctx context.Context, random *rand.Rand) {
	merge := http.Header{"Content-Type": {"application/merge-patch+json"}}
	var alive []string
	for n := 0; ctx.Err() == nil; n++ {
		var status, want int
		var body []byte
		var err error
		switch choice := random.IntN(10); {
		case choice < 6:
			id := h.kept.ids[random.IntN(min(changed, len(h.kept.ids)))]
			want = http.StatusOK
			status, body, err = call(ctx, http.MethodPatch, eventAPI(h.t)+"/events/"+id, merge, object{"title": fmt.Sprint("kept ", n)})
		case choice < 8 || len(alive) == 0:
			want = http.StatusCreated
			status, body, err = call(ctx, http.MethodPost, eventAPI(h.t)+"/events", nil, newEvent(fmt.Sprint("comes and goes ", n)))
			var created struct{ ID string }
			if status == want && json.Unmarshal(body, &created) == nil {
				alive = append(alive, created.ID)
				h.follow(created.ID)
			}
		default:
			want = http.StatusNoContent
			status, body, err = call(ctx, http.MethodDelete, eventAPI(h.t)+"/events/"+alive[0], nil, nil)
			alive = alive[1:]
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil || status != want {
			h.fail("write failed: status %d, want %d: %v %s", status, want, err, body)
			return
		}
		h.mu.Lock()
		h.writes++
		h.mu.Unlock()
	}
}

// follow has the readers look for a row. They follow the last few only, so that they look often enough.
func (h *history) follow(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	const most = 50
	h.others = append(h.others, id)
	h.others = h.others[max(0, len(h.others)-most):]
}

func (h *history) pick(random *rand.Rand) (id string, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.others) > 0 && random.IntN(2) == 0 {
		return h.others[random.IntN(len(h.others))], false
	}
	return h.kept.ids[random.IntN(min(changed, len(h.kept.ids)))], true
}

func (h *history) read(ctx context.Context, random *rand.Rand) {
	seen := map[string]int64{} // version by id
	tick := time.NewTicker(searchPause)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		const countEvery = 20
		if n%countEvery == 0 {
			h.countAll(ctx)
		}
		id, kept := h.pick(random)
		found, err := search(ctx, elasticsearch(h.t), "events", "id", id)
		if ctx.Err() != nil {
			return
		}
		h.mu.Lock()
		h.searches++
		h.mu.Unlock()
		if err != nil {
			h.fail("search failed: %v", err)
			continue
		}
		h.compare(seen, id, kept, found)
	}
}

func (h *history) countAll(ctx context.Context) {
	found, err := h.kept.count(ctx, h.t)
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	h.searches++
	h.mu.Unlock()
	if err != nil || found != len(h.kept.ids) {
		h.fail("a count found %d of %d rows: %v", found, len(h.kept.ids), err)
	}
}

// gone is the version of a row that was seen and then was not.
const gone = math.MaxInt64

func (h *history) compare(seen map[string]int64, id string, kept bool, found json.RawMessage) {
	if found == nil {
		if kept {
			h.fail("row %s exists, and a search did not find it", id)
		} else if seen[id] > 0 {
			seen[id] = gone
		}
		return
	}
	var document struct{ Version int64 }
	if err := json.Unmarshal(found, &document); err != nil {
		h.fail("document of %s: %v", id, err)
		return
	}
	switch last := seen[id]; {
	case last == gone:
		h.fail("row %s was gone and is back, at version %d", id, document.Version)
	case document.Version < last:
		h.fail("row %s went back in time: version %d after %d", id, document.Version, last)
	}
	seen[id] = document.Version
}
