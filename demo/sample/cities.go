package sample

// city is a place with what belongs to it. Coordinates are those of its centre.
type city struct {
	name, country, currency, zone string
	latitude, longitude           float64
	perEuro                       float64 // about how much of the currency one euro is
	streets                       []string
}

var cities = []city{
	{"Amsterdam", "NL", "EUR", "Europe/Amsterdam", 52.3728, 4.8936, 1, []string{"Prinsengracht", "Damrak", "Overtoom"}},
	{"Athens", "GR", "EUR", "Europe/Athens", 37.9838, 23.7275, 1, []string{"Ermou", "Stadiou", "Athinas"}},
	{"Barcelona", "ES", "EUR", "Europe/Madrid", 41.3874, 2.1686, 1, []string{"Carrer de Mallorca", "Avinguda Diagonal", "La Rambla"}},
	{"Berlin", "DE", "EUR", "Europe/Berlin", 52.52, 13.405, 1, []string{"Torstraße", "Karl-Marx-Allee", "Kurfürstendamm"}},
	{"Brussels", "BE", "EUR", "Europe/Brussels", 50.8467, 4.3525, 1, []string{"Rue Neuve", "Boulevard Anspach", "Avenue Louise"}},
	{"Buenos Aires", "AR", "ARS", "America/Argentina/Buenos_Aires", -34.6037, -58.3816, 1500, []string{"Avenida Corrientes", "Calle Florida", "Avenida de Mayo"}},
	{"Cape Town", "ZA", "ZAR", "Africa/Johannesburg", -33.9249, 18.4241, 20, []string{"Long Street", "Kloof Street", "Bree Street"}},
	{"Chicago", "US", "USD", "America/Chicago", 41.8781, -87.6298, 1.1, []string{"N State Street", "W Randolph Street", "S Michigan Avenue"}},
	{"Copenhagen", "DK", "DKK", "Europe/Copenhagen", 55.6761, 12.5683, 7.5, []string{"Vesterbrogade", "Strøget", "Nørrebrogade"}},
	{"Dublin", "IE", "EUR", "Europe/Dublin", 53.3498, -6.2603, 1, []string{"O'Connell Street", "Dame Street", "Camden Street"}},
	{"Edinburgh", "GB", "GBP", "Europe/London", 55.9533, -3.1883, 0.85, []string{"Royal Mile", "George Street", "Leith Walk"}},
	{"Geneva", "CH", "CHF", "Europe/Zurich", 46.2044, 6.1432, 0.95, []string{"Rue du Rhône", "Quai du Mont-Blanc", "Rue de Lausanne"}},
	{"Helsinki", "FI", "EUR", "Europe/Helsinki", 60.1699, 24.9384, 1, []string{"Mannerheimintie", "Aleksanterinkatu", "Hämeentie"}},
	{"Istanbul", "TR", "TRY", "Europe/Istanbul", 41.0082, 28.9784, 45, []string{"İstiklal Caddesi", "Bağdat Caddesi", "Divan Yolu"}},
	{"Kraków", "PL", "PLN", "Europe/Warsaw", 50.0614, 19.9366, 4.3, []string{"ulica Floriańska", "ulica Grodzka", "ulica Dietla"}},
	{"Lagos", "NG", "NGN", "Africa/Lagos", 6.4541, 3.3947, 1700, []string{"Broad Street", "Marina Road", "Awolowo Road"}},
	{"Lisbon", "PT", "EUR", "Europe/Lisbon", 38.7223, -9.1393, 1, []string{"Rua Augusta", "Avenida da Liberdade", "Rua do Carmo"}},
	{"London", "GB", "GBP", "Europe/London", 51.5074, -0.1278, 0.85, []string{"Shaftesbury Avenue", "Camden High Street", "Strand"}},
	{"Lyon", "FR", "EUR", "Europe/Paris", 45.764, 4.8357, 1, []string{"Rue de la République", "Cours Lafayette", "Quai Saint-Antoine"}},
	{"Madrid", "ES", "EUR", "Europe/Madrid", 40.4168, -3.7038, 1, []string{"Gran Vía", "Calle de Alcalá", "Paseo del Prado"}},
	{"Melbourne", "AU", "AUD", "Australia/Melbourne", -37.8136, 144.9631, 1.7, []string{"Swanston Street", "Flinders Lane", "Brunswick Street"}},
	{"Mexico City", "MX", "MXN", "America/Mexico_City", 19.4326, -99.1332, 21, []string{"Paseo de la Reforma", "Avenida Insurgentes", "Calle Madero"}},
	{"Milan", "IT", "EUR", "Europe/Rome", 45.4642, 9.19, 1, []string{"Via Torino", "Corso Buenos Aires", "Via Dante"}},
	{"Montréal", "CA", "CAD", "America/Toronto", 45.5019, -73.5674, 1.5, []string{"Rue Sainte-Catherine", "Boulevard Saint-Laurent", "Avenue du Mont-Royal"}},
	{"Mumbai", "IN", "INR", "Asia/Kolkata", 19.076, 72.8777, 95, []string{"Marine Drive", "Linking Road", "Colaba Causeway"}},
	{"Nairobi", "KE", "KES", "Africa/Nairobi", -1.2921, 36.8219, 140, []string{"Kenyatta Avenue", "Moi Avenue", "Ngong Road"}},
	{"New York", "US", "USD", "America/New_York", 40.7128, -74.006, 1.1, []string{"Broadway", "W 42nd Street", "Bedford Avenue"}},
	{"Oslo", "NO", "NOK", "Europe/Oslo", 59.9139, 10.7522, 11.7, []string{"Karl Johans gate", "Torggata", "Bygdøy allé"}},
	{"Paris", "FR", "EUR", "Europe/Paris", 48.8566, 2.3522, 1, []string{"Rue de Rivoli", "Boulevard Voltaire", "Quai de la Loire"}},
	{"Prague", "CZ", "CZK", "Europe/Prague", 50.0755, 14.4378, 25, []string{"Vinohradská", "Národní", "Pařížská"}},
	{"Reykjavík", "IS", "ISK", "Atlantic/Reykjavik", 64.1466, -21.9426, 145, []string{"Laugavegur", "Skólavörðustígur", "Hverfisgata"}},
	{"Rome", "IT", "EUR", "Europe/Rome", 41.9028, 12.4964, 1, []string{"Via del Corso", "Via Nazionale", "Viale Trastevere"}},
	{"São Paulo", "BR", "BRL", "America/Sao_Paulo", -23.5505, -46.6333, 6, []string{"Avenida Paulista", "Rua Augusta", "Rua Oscar Freire"}},
	{"Seoul", "KR", "KRW", "Asia/Seoul", 37.5665, 126.978, 1600, []string{"Sejong-daero", "Itaewon-ro", "Teheran-ro"}},
	{"Singapore", "SG", "SGD", "Asia/Singapore", 1.3521, 103.8198, 1.5, []string{"Orchard Road", "Raffles Avenue", "Beach Road"}},
	{"Stockholm", "SE", "SEK", "Europe/Stockholm", 59.3293, 18.0686, 11.3, []string{"Drottninggatan", "Götgatan", "Sveavägen"}},
	{"Sydney", "AU", "AUD", "Australia/Sydney", -33.8688, 151.2093, 1.7, []string{"George Street", "Oxford Street", "King Street"}},
	{"Tokyo", "JP", "JPY", "Asia/Tokyo", 35.6762, 139.6503, 170, []string{"Aoyama-dōri", "Meiji-dōri", "Chūō-dōri"}},
	{"Toronto", "CA", "CAD", "America/Toronto", 43.6532, -79.3832, 1.5, []string{"Queen Street West", "Yonge Street", "Bloor Street"}},
	{"Vienna", "AT", "EUR", "Europe/Vienna", 48.2082, 16.3738, 1, []string{"Mariahilfer Straße", "Kärntner Straße", "Praterstraße"}},
	{"Zürich", "CH", "CHF", "Europe/Zurich", 47.3769, 8.5417, 0.95, []string{"Bahnhofstrasse", "Langstrasse", "Limmatquai"}},
}
