package sample

import (
	"maps"
	"time"
)

// Patch makes a small change to an event: tickets sold, another price, another status, another time.
func (g *Generator) Patch(e Event) Patch {
	switch n := g.random.IntN(100); {
	case n < 50:
		return g.sell(e)
	case n < 70 && e.PriceMin != nil:
		raised := *e.PriceMax + *e.PriceMax/10
		return Patch{"price_max": raised}
	case n < 80:
		return Patch{"status": cancelled, "attributes": map[string]any{"refund": map[string]any{"percent": 100, "days": g.between(7, 30)}}}
	case n < 90:
		later := time.Duration(g.between(1, 8)) * 7 * 24 * time.Hour
		return Patch{"status": postponed, "starts_at": e.StartsAt.Add(later), "ends_at": e.EndsAt.Add(later)}
	default:
		return Patch{"tags": append([]string{pick(g, []string{"last-minute", "recommended", "new-date"})}, e.Tags...)}
	}
}

func (g *Generator) sell(e Event) Patch {
	left := g.random.IntN(*e.TicketsAvailable + 1)
	if left == 0 {
		return Patch{"tickets_available": 0, "status": soldOut}
	}
	return Patch{"tickets_available": left}
}

// Revise makes an event anew, as somebody does who has filled in the whole form again.
func (g *Generator) Revise(e Event) Event {
	e.Title += " (new programme)"
	e.Description = new(*e.Description + " " + pick(g, corrections))
	e.Status = published
	more := *e.Capacity + g.between(1, 20)*10
	left := 1 + g.random.IntN(more)
	e.Capacity, e.TicketsAvailable = &more, &left
	e.Attributes = maps.Clone(e.Attributes)
	e.Attributes["revised"] = true
	return e
}
