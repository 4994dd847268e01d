package consumer

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Status is what a Consumer says of itself.
type Status struct {
	// Joined says whether the process is a member of its group; a member may have no partition.
	Joined     bool      `json:"joined"`
	Generation int32     `json:"generation"`
	Partitions []int     `json:"partitions"`
	AppliedAt  time.Time `json:"applied_at,omitzero"` // when a batch was last applied
	// Warnings are things that passed and need a person: they stay until the process ends.
	Warnings []string `json:"warnings,omitempty"`
	// Trouble is why it does not get on right now, nil when it does.
	Trouble error `json:"-"`
}

type status struct {
	mu       sync.Mutex
	current  Status
	troubles map[string]error // by what has them: one partition may be stuck while others get on
}

// Status returns the present state.
func (c *Consumer) Status() Status {
	c.status.mu.Lock()
	defer c.status.mu.Unlock()
	now := c.status.current
	for _, source := range slices.Sorted(maps.Keys(c.status.troubles)) {
		now.Trouble = errors.Join(now.Trouble, c.status.troubles[source])
	}
	if !now.Joined && now.Trouble == nil {
		now.Trouble = errors.New("joining the consumer group")
	}
	return now
}

func (s *status) joined(generation int32, partitions []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Joined, s.current.Generation, s.current.Partitions = true, generation, partitions
	s.troubles = map[string]error{}
}

// trouble notes what keeps a source from getting on; nil says that it does.
func (s *status) trouble(source string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.troubles, source)
		return
	}
	if s.troubles == nil {
		s.troubles = map[string]error{}
	}
	s.troubles[source] = err
}

func (s *status) progressed(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.AppliedAt = at
}

// maxWarnings bounds what is kept; more of the same kind say nothing new.
const maxWarnings = 20

func (s *status) warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.current.Warnings) < maxWarnings {
		s.current.Warnings = append(s.current.Warnings, text)
	}
}
