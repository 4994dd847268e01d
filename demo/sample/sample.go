// Package sample makes up events that look like those of a ticketing system: places that exist, local times, prices
// in the local currency. The same seed makes the same events.
package sample

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
	_ "time/tzdata" // the machine may have no time zones
)

// RunAttribute is the member of an event's attributes that says which run of the demo made it.
const RunAttribute = "demo_run"

// Event is what the API takes of an event.
type Event struct {
	Title            string         `json:"title"`
	Description      *string        `json:"description"`
	Category         string         `json:"category"`
	Status           string         `json:"status"`
	Organizer        string         `json:"organizer"`
	VenueName        *string        `json:"venue_name"`
	VenueAddress     *string        `json:"venue_address"`
	City             *string        `json:"city"`
	Country          *string        `json:"country"`
	Latitude         *float64       `json:"latitude"`
	Longitude        *float64       `json:"longitude"`
	StartsAt         time.Time      `json:"starts_at"`
	EndsAt           time.Time      `json:"ends_at"`
	PriceMin         *Price         `json:"price_min"`
	PriceMax         *Price         `json:"price_max"`
	Currency         *string        `json:"currency"`
	Capacity         *int           `json:"capacity"`
	TicketsAvailable *int           `json:"tickets_available"`
	Tags             []string       `json:"tags"`
	Attributes       map[string]any `json:"attributes"`
}

// Price is an amount of money in hundredths. In JSON it is a decimal string.
type Price int64

// MarshalText returns the decimal form.
func (p Price) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%02d", p/100, p%100), nil
}

// Patch is a JSON merge patch of an event.
type Patch map[string]any

// The statuses of an event.
const (
	draft     = "draft"
	published = "published"
	postponed = "postponed"
	cancelled = "cancelled"
	soldOut   = "sold_out"
)

// Generator makes events, one after the other. It is not safe for concurrent use.
type Generator struct {
	random *rand.Rand
	run    string
	from   time.Time
}

// New returns a Generator whose events take place within a year and a half from the given day on. Their attributes
// carry the name of the run.
func New(seed uint64, run string, from time.Time) *Generator {
	return &Generator{random: rand.New(rand.NewPCG(seed, 0)), run: run, from: from} //nolint:gosec // no secret is made of it
}

// Event makes the next event.
func (g *Generator) Event() Event {
	town := &cities[g.random.IntN(len(cities))]
	theme := &themes[g.random.IntN(len(themes))]
	act := pick(g, theme.acts)
	e := Event{
		Title:     g.fill(pick(g, theme.titles), act, town),
		Category:  theme.category,
		Status:    g.status(),
		Organizer: g.fill(pick(g, organizers), act, town),
		Tags:      g.tags(theme),
	}
	e.Description = new(g.description(theme, act, town))
	g.schedule(&e, theme, town)
	online := g.chance(4) && theme.online
	if online {
		e.Tags = append(e.Tags, "online")
	} else {
		g.place(&e, theme, town)
	}
	g.tickets(&e, theme)
	if !g.chance(5) {
		g.price(&e, theme, town)
	}
	e.Attributes = g.attributes(&e, act, online)
	return e
}

// chance says yes in so many percent of all cases.
func (g *Generator) chance(percent int) bool { return g.random.IntN(100) < percent }

// between returns a number from the first to the last, both included.
func (g *Generator) between(first, last int) int { return first + g.random.IntN(last-first+1) }

func pick[T any](g *Generator, from []T) T { return from[g.random.IntN(len(from))] }

// fill replaces the placeholders of a template.
func (g *Generator) fill(template, act string, town *city) string {
	return strings.NewReplacer("{act}", act, "{city}", town.name, "{n}", fmt.Sprint(g.between(2, 40))).Replace(template)
}

func (g *Generator) status() string {
	switch n := g.random.IntN(100); {
	case n < 76:
		return published
	case n < 84:
		return draft
	case n < 92:
		return soldOut
	case n < 96:
		return postponed
	default:
		return cancelled
	}
}

func (g *Generator) tags(t *theme) []string {
	tags := make([]string, 0, 4)
	for _, n := range g.random.Perm(len(t.tags))[:g.between(1, 3)] {
		tags = append(tags, t.tags[n])
	}
	return tags
}

func (g *Generator) description(t *theme, act string, town *city) string {
	sentences := []string{g.fill(pick(g, t.openings), act, town)}
	for _, n := range g.random.Perm(len(remarks))[:g.between(2, 4)] {
		sentences = append(sentences, g.fill(remarks[n], act, town))
	}
	return strings.Join(sentences, " ")
}

// schedule chooses a day and an hour at which such an event begins there.
func (g *Generator) schedule(e *Event, t *theme, town *city) {
	zone, err := time.LoadLocation(town.zone)
	if err != nil { // they are compiled in, see the import
		panic(err)
	}
	day := g.from.AddDate(0, 0, g.between(3, 540))
	hour := g.between(t.firstHour, t.lastHour)
	e.StartsAt = time.Date(day.Year(), day.Month(), day.Day(), hour, 15*g.random.IntN(4), 0, 0, zone)
	e.EndsAt = e.StartsAt.Add(time.Duration(g.between(t.shortest, t.longest)) * 15 * time.Minute)
}

// place chooses a venue within a few kilometres of the city's centre.
func (g *Generator) place(e *Event, t *theme, town *city) {
	const degree = 111.2 // kilometres from one degree of latitude to the next
	north, east := g.random.NormFloat64()*1.5, g.random.NormFloat64()*1.5
	e.VenueName = new(g.fill(pick(g, t.venues), "", town))
	e.VenueAddress = new(fmt.Sprintf("%s %d, %s", pick(g, town.streets), g.between(1, 180), town.name))
	e.City, e.Country = &town.name, &town.country
	e.Latitude = new(round(town.latitude + north/degree))
	e.Longitude = new(round(town.longitude + east/degree/math.Cos(town.latitude*math.Pi/180)))
}

// round keeps six digits behind the point, about ten centimetres.
func round(degrees float64) float64 { return math.Round(degrees*1e6) / 1e6 }

func (g *Generator) tickets(e *Event, t *theme) {
	capacity := g.between(t.smallest/10, t.largest/10) * 10
	available := capacity
	switch e.Status {
	case draft:
	case soldOut:
		available = 0
	default:
		available = 1 + g.random.IntN(capacity)
	}
	e.Capacity, e.TicketsAvailable = &capacity, &available
}

// price chooses prices as they look in the local currency: whole yen, 49.90 francs.
func (g *Generator) price(e *Event, t *theme, town *city) {
	cheapest := g.amount(float64(g.between(t.cheapest, t.dearest)), town)
	dearest := g.amount(float64(g.between(t.cheapest, t.dearest))*2, town)
	if dearest < cheapest {
		cheapest, dearest = dearest, cheapest
	}
	e.PriceMin, e.PriceMax, e.Currency = &cheapest, &dearest, &town.currency
}

// amount turns euros into the local currency.
func (g *Generator) amount(euros float64, town *city) Price {
	units := int64(math.Round(euros * town.perEuro))
	if town.perEuro >= 10 { // prices in small units are round ones
		return Price(max(units/10, 1) * 10 * 100)
	}
	return Price(units*100) + pick(g, []Price{0, 50, 90, 99})
}

// attributes are what an organizer keeps beside the columns: nested, and with a number that no float64 can hold.
func (g *Generator) attributes(e *Event, act string, online bool) map[string]any {
	attributes := map[string]any{
		RunAttribute: g.run,
		"age_min":    pick(g, []int{0, 0, 0, 6, 12, 16, 18}),
		"ledger_no":  json.Number(fmt.Sprintf("9007199254%09d", g.random.IntN(1_000_000_000))),
		"accessibility": map[string]any{
			"wheelchair": g.chance(85), "hearing_loop": g.chance(40), "languages": pick(g, languages),
		},
	}
	if g.chance(70) {
		attributes["lineup"] = []any{
			map[string]any{"name": act, "headliner": true, "minutes": g.between(4, 9) * 15},
			map[string]any{"name": pick(g, supports), "headliner": false, "minutes": g.between(2, 3) * 15},
		}
	}
	if e.PriceMin != nil {
		attributes["booking"] = map[string]any{
			"fee":         json.Number(fmt.Sprintf("%d.%02d", g.between(0, 4), g.random.IntN(100))),
			"max_tickets": g.between(2, 12),
			"zones": []any{
				map[string]any{"name": "A", "price": *e.PriceMax, "rows": g.between(4, 20)},
				map[string]any{"name": "B", "price": *e.PriceMin, "rows": g.between(4, 40)},
			},
		}
	}
	if online {
		attributes["stream"] = map[string]any{"quality": pick(g, []string{"720p", "1080p", "2160p"}), "recorded": g.chance(50)}
	}
	return attributes
}
