package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	initsql "ticketing/init-sql"
)

const (
	pgsyncVersion  = "7.3.0"
	pgsyncDatabase = "bench_pgsync"
	pgsyncIndex    = "bench-pgsync"
)

func (s *system) pgsyncProgram(name string) string {
	path, err := filepath.Abs(filepath.Join(s.config.Root, ".stack", "bench", "pgsync", "bin", name))
	if err != nil {
		return name
	}
	return path
}

func (s *system) pgsyncMissing() error {
	if !exists(s.pgsyncProgram("pgsync")) {
		return errors.New("pgsync is not in .stack/bench/pgsync, a Python environment")
	}
	return onPath("redis-server")
}

func (s *system) installPgsync(ctx context.Context) error {
	if onPath("redis-server") != nil {
		if err := installPackages("redis-server", "python3-venv")(ctx); err != nil {
			return err
		}
	}
	environment := filepath.Dir(filepath.Dir(s.pgsyncProgram("pgsync")))
	if err := runQuietly(ctx, "", "python3", "-m", "venv", environment); err != nil {
		return err
	}
	return runQuietly(ctx, "", s.pgsyncProgram("pip"), "install", "-q", "pgsync=="+pgsyncVersion)
}

// pgsyncSchema is pgsync's file of what to put into which index.
const pgsyncSchema = `[{"database": "` + pgsyncDatabase + `", "index": "` + pgsyncIndex + `", "nodes": {"table": "events", "columns": [
 "id", "title", "description", "category", "status", "organizer", "venue_name", "venue_address", "city", "country", "latitude", "longitude",
 "starts_at", "ends_at", "price_min", "price_max", "currency", "capacity", "tickets_available", "tags", "attributes", "version", "created_at", "updated_at"]}}]`

// pgsync measures pgsync's first load. It reads rows and not events, so it has a database of its own with the same rows:
// its triggers must not be in the others' way.
func (s *system) pgsync(ctx context.Context) (_ values, err error) {
	environment, err := s.pgsyncEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	file, err := s.configuration("pgsync.json", pgsyncSchema)
	if err != nil {
		return nil, err
	}
	redis, err := program{path: "redis-server", arguments: []string{
		"--bind", "127.0.0.1", "--port", valueOf(environment, "REDIS_PORT"), "--save", "", "--appendonly", "no", "--dir", s.dir,
	}}.start(ctx)
	if err != nil {
		return nil, err
	}
	defer redis.kill()
	if err := s.peerIndex(ctx, pgsyncIndex); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.es.remove(ctx, pgsyncIndex)) }()
	bootstrap := program{path: s.pgsyncProgram("bootstrap"), arguments: []string{"-c", file}, environment: environment, dir: s.dir}
	if _, _, err := bootstrap.run(ctx); err != nil {
		return nil, err
	}
	before, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	load := program{path: s.pgsyncProgram("pgsync"), arguments: []string{"-c", file}, environment: environment, dir: s.dir}
	used, said, err := load.run(ctx) // ends by itself when the first load is done
	if err != nil {
		return nil, err
	}
	after, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.es.check(ctx, pgsyncIndex, s.config.Events); err != nil {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	bootstrap.arguments = append(bootstrap.arguments, "--teardown")
	if _, _, err := bootstrap.run(ctx); err != nil {
		return nil, err
	}
	return work(s.config.Events, time.Duration(used.Seconds*float64(time.Second)), used, after-before), removeCheckpoints(s.dir)
}

// removeCheckpoints lets pgsync begin anew.
func removeCheckpoints(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, ".*"+pgsyncIndex+"*"))
	for _, path := range found {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// pgsyncEnvironment makes the database when there is none yet.
func (s *system) pgsyncEnvironment(ctx context.Context) ([]string, error) {
	database, err := url.Parse(s.at.Postgres)
	if err != nil {
		return nil, fmt.Errorf("address of Postgres: %w", err)
	}
	if err := s.pgsyncRows(ctx, *database); err != nil {
		return nil, err
	}
	redis, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, redisPort, _ := net.SplitHostPort(redis)
	server, err := url.Parse(s.at.Elasticsearch)
	if err != nil {
		return nil, fmt.Errorf("address of Elasticsearch: %w", err)
	}
	password, _ := database.User.Password()
	return []string{
		"PG_HOST=" + database.Hostname(), "PG_PORT=" + database.Port(), "PG_USER=" + database.User.Username(), "PG_PASSWORD=" + password,
		"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + redisPort, "ELASTICSEARCH=true", "ELASTICSEARCH_HOST=" + server.Hostname(),
		"ELASTICSEARCH_PORT=" + server.Port(), "ELASTICSEARCH_TIMEOUT=60", "ELASTICSEARCH_STREAMING_BULK=false",
		"CHECKPOINT_PATH=" + s.dir, "GENERAL_LOGGING_LEVEL=ERROR",
	}, nil
}

func valueOf(environment []string, name string) string {
	for _, variable := range environment {
		if value, found := strings.CutPrefix(variable, name+"="); found {
			return value
		}
	}
	return ""
}

func (s *system) pgsyncRows(ctx context.Context, database url.URL) error {
	if s.pgsyncReady {
		return nil
	}
	if _, err := s.backlog.database.Exec(ctx, "CREATE DATABASE "+pgsyncDatabase); err != nil {
		return fmt.Errorf("make pgsync's database: %w", err)
	}
	database.Path = "/" + pgsyncDatabase
	conn, err := pgx.Connect(ctx, database.String())
	if err != nil {
		return fmt.Errorf("connect to pgsync's database: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	script, err := initsql.SQL()
	if err != nil {
		return fmt.Errorf("read init-sql: %w", err)
	}
	for _, role := range []string{"eventapi", "debezium", "indexer"} {
		password := os.Getenv(strings.ToUpper(role) + "_DB_PASSWORD") // as the stack has set it
		if _, err := conn.Exec(ctx, "SELECT set_config($1, $2, false)", "ticketing."+role+"_password", password); err != nil {
			return fmt.Errorf("name the password of %s: %w", role, err)
		}
	}
	if _, err := conn.Exec(ctx, script); err != nil {
		return fmt.Errorf("make pgsync's table: %w", err)
	}
	samples := newSamples()
	for left := s.config.Events; left > 0; left -= 1000 {
		if err := insertSamples(ctx, conn, samples, min(left, 1000), 0); err != nil {
			return err
		}
	}
	s.pgsyncReady = true
	return nil
}
