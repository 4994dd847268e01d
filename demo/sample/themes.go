package sample

// theme is a category of events with what its events are made of. Templates hold {act}, {city} and {n}, a number.
type theme struct {
	category                             string
	titles, acts, venues, openings, tags []string
	firstHour, lastHour                  int // of the local day, at which it may begin
	shortest, longest                    int // quarters of an hour
	smallest, largest                    int // people
	cheapest, dearest                    int // euros
	online                               bool
}

var themes = []theme{
	{
		category: "concert",
		titles:   []string{"{act}: live in {city}", "{act} and friends", "An evening with {act}", "{act}, the anniversary tour"},
		acts:     []string{"The Paper Lanterns", "Marble Coast", "Ida Holm Trio", "Los Farolitos", "Velvet Arcade", "North of Tuesday", "Orquesta Aurora", "Static Bloom", "The Long Weekend"},
		venues:   []string{"{city} Arena", "Old Customs House", "Lighthouse Club", "The Foundry", "Riverside Hall"},
		openings: []string{"{act} come to {city} with a new record and a full band.", "After two sold-out years, {act} play {city} again."},
		tags:     []string{"live", "rock", "indie", "pop", "open-air", "electronic"}, firstHour: 18, lastHour: 21, shortest: 6, longest: 16, smallest: 200, largest: 18000, cheapest: 18, dearest: 95,
	},
	{
		category: "classical",
		titles:   []string{"{act}: symphony no. {n}", "{act} plays {city}", "Sunday matinee with the {act}"},
		acts:     []string{"City Philharmonic", "Camerata Nova", "Quartetto Levante", "Chamber Players of the North", "Baroque Collective"},
		venues:   []string{"{city} Concert Hall", "Conservatory", "St Martin's Church", "Opera House"},
		openings: []string{"The {act} opens its season in {city}.", "The {act} plays works that have not been heard in {city} for {n} years."},
		tags:     []string{"orchestra", "chamber-music", "piano", "choir"}, firstHour: 11, lastHour: 20, shortest: 6, longest: 12, smallest: 150, largest: 2400, cheapest: 15, dearest: 80, online: true,
	},
	{
		category: "theatre",
		titles:   []string{"{act}", "{act}: a new staging", "{act} (premiere)"},
		acts:     []string{"The Cartographer's Daughter", "A House of Rain", "Twelve Chairs", "The Last Tram", "Letters to Nobody", "The Orchard Thief"},
		venues:   []string{"{city} Playhouse", "Little Theatre", "Stage on the Canal", "Warehouse 9"},
		openings: []string{"{act} is a comedy about people who should have talked sooner.", "In {act}, a family returns to the house it sold {n} years ago."},
		tags:     []string{"drama", "comedy", "premiere", "surtitles"}, firstHour: 17, lastHour: 20, shortest: 6, longest: 14, smallest: 60, largest: 1200, cheapest: 12, dearest: 60,
	},
	{
		category: "comedy",
		titles:   []string{"{act}: {n} minutes late", "{act} tries new jokes", "{act} at the {city} Comedy Night"},
		acts:     []string{"Nora Blum", "Teddy Okafor", "The Understudies", "Mika Laine", "Sol & Pepe"},
		venues:   []string{"Basement Club", "The Laughing Goose", "{city} Playhouse"},
		openings: []string{"{act} has been on the road for {n} weeks and has a lot to say about it.", "An hour of new material from {act}, before anyone else hears it."},
		tags:     []string{"stand-up", "improv", "open-mic"}, firstHour: 19, lastHour: 22, shortest: 4, longest: 8, smallest: 40, largest: 900, cheapest: 8, dearest: 35, online: true,
	},
	{
		category: "football",
		titles:   []string{"{city} United – {act}", "{city} Rovers – {act}, matchday {n}", "Cup: {city} Athletic – {act}"},
		acts:     []string{"Harbour City", "Northern Stars", "Real Montaña", "Sporting Delta", "Olympia 09"},
		venues:   []string{"{city} Stadium", "Park Ground", "Northern Road"},
		openings: []string{"{city} receive {act}, who have not lost in {n} matches.", "The season's most awaited match: {act} come to {city}."},
		tags:     []string{"league", "cup", "derby", "family-stand"}, firstHour: 13, lastHour: 21, shortest: 8, longest: 9, smallest: 4000, largest: 60000, cheapest: 14, dearest: 70,
	},
	{
		category: "basketball",
		titles:   []string{"{city} Giants vs {act}", "{city} Giants vs {act}: game {n}"},
		acts:     []string{"Bay Comets", "Steel Hawks", "Lakeside Foxes", "Metro Kings"},
		venues:   []string{"{city} Arena", "Sports Palace"},
		openings: []string{"The Giants need this one: {act} are {n} points ahead in the table."},
		tags:     []string{"league", "play-off", "derby"}, firstHour: 15, lastHour: 20, shortest: 8, longest: 10, smallest: 1500, largest: 16000, cheapest: 12, dearest: 60,
	},
	{
		category: "conference",
		titles:   []string{"{act} {city}", "{act} {city}, edition {n}", "{act} Days {city}"},
		acts:     []string{"DataStream Summit", "Cloud Native Forum", "FrontendConf", "Open Source Congress", "Security Week"},
		venues:   []string{"{city} Congress Centre", "Expo Hall {n}", "University of {city}"},
		openings: []string{"{act} brings practitioners to {city}: {n} talks and no sales pitch.", "Talks, workshops and a long hallway track at {act}."},
		tags:     []string{"technology", "workshops", "networking", "data", "open-source"}, firstHour: 8, lastHour: 10, shortest: 28, longest: 190, smallest: 120, largest: 6000, cheapest: 90, dearest: 700, online: true,
	},
	{
		category: "exhibition",
		titles:   []string{"{act}", "{act}: {n} works", "{act}, guided tour"},
		acts:     []string{"Light on Water", "Machines that Dream", "Maps of the Unknown", "Women of the Bauhaus", "Small Gods"},
		venues:   []string{"{city} Museum of Art", "Gallery on the Square", "Natural History Museum"},
		openings: []string{"{act} shows {n} works, many of them for the first time in {city}."},
		tags:     []string{"art", "photography", "guided-tour", "history"}, firstHour: 10, lastHour: 17, shortest: 4, longest: 10, smallest: 20, largest: 400, cheapest: 5, dearest: 24,
	},
	{
		category: "festival",
		titles:   []string{"{act} {city}", "{act} {city} no. {n}"},
		acts:     []string{"Night Market", "Summer Sounds", "Wine & Cheese Days", "Lantern Festival", "Short Film Nights", "Street Food Weekend"},
		venues:   []string{"{city} City Park", "Harbour Quay", "Fairground", "Castle Meadow"},
		openings: []string{"For {n} years {act} has turned {city} upside down for a weekend.", "{n} stages and stalls: {act} is back in {city}."},
		tags:     []string{"open-air", "food", "family", "weekend", "film"}, firstHour: 11, lastHour: 18, shortest: 20, longest: 240, smallest: 500, largest: 30000, cheapest: 10, dearest: 120,
	},
	{
		category: "workshop",
		titles:   []string{"{act} for beginners", "{act}: a day's course", "{act} in {n} easy steps"},
		acts:     []string{"Bookbinding", "Sourdough", "Analogue photography", "Ceramics", "Beekeeping", "Screen printing"},
		venues:   []string{"Makers' Loft", "Community Centre", "Studio {n}"},
		openings: []string{"{act}, taught in a small group by people who do it for a living.", "Bring an apron: after this course {act} will hold no secrets."},
		tags:     []string{"hands-on", "beginners", "small-group"}, firstHour: 9, lastHour: 17, shortest: 8, longest: 28, smallest: 10, largest: 40, cheapest: 25, dearest: 140, online: true,
	},
}

var organizers = []string{
	"{city} Live", "Lakeside Arts", "Blue Door Productions", "Cultural Office of {city}", "Tandem Events", "Nightjar Agency", "Association of Friends of {city}",
}

var supports = []string{"Paper Kites Club", "Juno & the Tide", "DJ Marzipan", "The Interns", "Ola Brandt"}

var languages = [][]string{{"en"}, {"en", "fr"}, {"de"}, {"es", "en"}, {}}

// remarks are what any description may go on with.
var remarks = []string{
	"Doors open an hour before the start.",
	"There is no seating plan: come early.",
	"Public transport is included in the ticket.",
	"Children under 6 come in free of charge.",
	"The bar is open before the start and during the break.",
	"Bags larger than A4 have to stay in the cloakroom.",
	"Tickets are personal and can be resold at face value.",
	"The venue is {n} minutes on foot from the central station of {city}.",
	"Part of the proceeds goes to music schools in {city}.",
	"It may rain: the event takes place in any weather.",
	"The evening will be recorded; ask for a seat out of view if you mind.",
	"Last time it was sold out within {n} hours.",
}

var corrections = []string{
	"The programme has changed.", "More seats have been added.", "Please note the new entrance on the north side.",
}
