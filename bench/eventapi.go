package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/stack/native"
	"ticketing/stack/supervisor"
)

// connections is how many write at the same time: as many as eventapi has to the database by default.
const connections = 10

// The same row, as REST takes it and as SQL.
const (
	rowJSON = `{"title":"Night of the Proms","description":"Orchestra, choir and three soloists.","category":"concert","organizer":"City Hall",
"status":"published","venue_name":"Großer Saal","city":"Wien","country":"AT","latitude":48.2007,"longitude":16.3773,"price_min":"19.90","price_max":"89.00",
"currency":"EUR","capacity":1800,"tickets_available":412,"tags":["classical","choir"],"attributes":{"seats":9007199254740993},
"starts_at":"2030-05-01T19:00:00Z","ends_at":"2030-05-01T22:00:00Z"}`
	rowSQL = `INSERT INTO public.events (title, description, category, organizer, status, venue_name, city, country, latitude, longitude, price_min, price_max, currency, capacity, tickets_available, tags, attributes, starts_at, ends_at) VALUES ('Night of the Proms', 'Orchestra, choir and three soloists.', 'concert', 'City Hall', 'published', 'Großer Saal', 'Wien', 'AT', 48.2007, 16.3773, 19.90, 89.00, 'EUR', 1800, 412, '{classical,choir}', '{"seats":9007199254740993}', '2030-05-01T19:00:00Z', '2030-05-01T22:00:00Z');
`
)

// eventAPI measures single-row creates over REST, beside pgbench that inserts the same row over as many connections.
// Kafka Connect is stopped: it would still be reading what one has written while the other writes. So this comes last.
func (s *system) eventAPI(ctx context.Context) error {
	if err := supervisor.NewClient(s.at.State).Stop(ctx, native.Connect); err != nil {
		return fmt.Errorf("stop Kafka Connect: %w", err)
	}
	return s.rounds(ctx, eventAPI,
		contestant{name: "pgbench", measure: s.pgbench},
		contestant{name: "eventapi", measure: s.creates})
}

var pgbenchRate = regexp.MustCompile(`tps = ([0-9.]+)`)

// pgbench measures the database alone.
func (s *system) pgbench(ctx context.Context) (values, error) {
	if err := onPath("pgbench"); err != nil {
		return nil, fmt.Errorf("%w: Debian's package postgresql-contrib has it", err)
	}
	file, err := s.configuration("row.sql", rowSQL)
	if err != nil {
		return nil, err
	}
	_, said, err := program{path: "pgbench", arguments: []string{
		"--no-vacuum", "--protocol=prepared", "--client=" + strconv.Itoa(connections), "--jobs=2",
		"--time=" + strconv.Itoa(s.config.Seconds), "--file=" + file, s.at.Postgres,
	}}.run(ctx)
	if err != nil {
		return nil, err
	}
	found := pgbenchRate.FindStringSubmatch(said)
	if found == nil {
		return nil, errors.New("pgbench did not tell its rate: " + said)
	}
	perSecond, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return nil, fmt.Errorf("read pgbench's rate: %w", err)
	}
	return values{creates: perSecond}, nil
}

const creates = "creates/s"

// creates measures eventapi.
func (s *system) creates(ctx context.Context) (values, error) {
	took := make([][]float64, connections)
	begun := time.Now()
	end := begun.Add(time.Duration(s.config.Seconds) * time.Second)
	writing, limited := errgroup.WithContext(ctx)
	for n := range connections {
		writing.Go(func() (err error) {
			took[n], err = s.createUntil(limited, end)
			return err
		})
	}
	if err := writing.Wait(); err != nil {
		return nil, err //nolint:wrapcheck // says what was being done
	}
	elapsed := time.Since(begun)
	all := slices.Concat(took...)
	return values{creates: float64(len(all)) / elapsed.Seconds(), "p50 ms": percentile(all, 0.5), "p99 ms": percentile(all, 0.99)}, nil
}

// createUntil creates one event after the other over one connection, and returns how long each took, in milliseconds. As
// pgbench does, it sends the same bytes again: a client of net/http takes half as much processor time as eventapi.
func (s *system) createUntil(ctx context.Context, end time.Time) ([]float64, error) {
	address, err := url.Parse(s.at.EventAPI)
	if err != nil {
		return nil, fmt.Errorf("eventapi's URL: %w", err)
	}
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(ctx, "tcp", address.Host)
	if err != nil {
		return nil, fmt.Errorf("connect to eventapi: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(end.Add(time.Minute)); err != nil {
		return nil, fmt.Errorf("connect to eventapi: %w", err)
	}
	request := fmt.Appendf(nil, "POST /events HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		address.Host, len(rowJSON), rowJSON)
	answers := bufio.NewReader(conn)
	var took []float64
	for time.Now().Before(end) && ctx.Err() == nil {
		started := time.Now()
		if err := create(conn, answers, request); err != nil {
			return nil, err
		}
		took = append(took, milliseconds(time.Since(started)))
	}
	return took, nil
}

func create(conn io.Writer, answers *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return fmt.Errorf("create an event: %w", err)
	}
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		return fmt.Errorf("create an event: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		return fmt.Errorf("create an event: %s %.300s: %w", response.Status, text, errors.Join(err))
	}
	return nil
}
