package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// linkFaults are those of the network between our own indexers and the servers.
func (s *system) linkFaults() []fault {
	kinds := []struct {
		name    string
		weight  int
		longest time.Duration
		toxics  func(r *rand.Rand) []toxic
	}{
		{"slow network", 2, 10 * time.Second, func(r *rand.Rand) []toxic {
			delay := map[string]int64{"latency": 100 + r.Int64N(1500), "jitter": r.Int64N(100)}
			return []toxic{newToxic("latency", upstream, delay), newToxic("latency", downstream, delay)}
		}},
		{"narrow network", 2, 10 * time.Second, func(r *rand.Rand) []toxic {
			rate := map[string]int64{"rate": 10 + r.Int64N(90)} // KB/s
			return []toxic{newToxic("bandwidth", upstream, rate), newToxic("bandwidth", downstream, rate)}
		}},
		{"connections reset", 3, 6 * time.Second, func(r *rand.Rand) []toxic {
			return []toxic{newToxic("reset_peer", downstream, map[string]int64{"timeout": r.Int64N(300)})}
		}},
		// Nothing passes and nobody is told, until the connection ends.
		{"half-open connections", 3, 14 * time.Second, func(*rand.Rand) []toxic {
			return []toxic{newToxic("timeout", upstream, nil), newToxic("timeout", downstream, nil)}
		}},
		// The server has done what it was asked to, and the one who asked does not know.
		{"lost answers", 4, 10 * time.Second, func(r *rand.Rand) []toxic {
			return []toxic{newToxic("timeout", downstream, map[string]int64{"timeout": 200 + r.Int64N(2000)})}
		}},
		{"answers cut short", 3, 10 * time.Second, func(r *rand.Rand) []toxic {
			return []toxic{newToxic("limit_data", downstream, map[string]int64{"bytes": 1 + r.Int64N(5000)})}
		}},
	}
	var table []fault
	for _, to := range s.links.each() {
		for _, kind := range kinds {
			table = append(table, fault{kind.name, kind.weight, []string{to.name}, func(ctx context.Context, r *rand.Rand) error {
				if err := to.behave(ctx, kind.toxics(r)...); err != nil {
					return err
				}
				wait(ctx, between(r, time.Second, kind.longest))
				undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
				defer cancel()
				return to.behave(undo)
			}})
		}
	}
	return table
}
