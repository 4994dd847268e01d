package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ticketing/stack/supervisor"

	initsql "ticketing/init-sql"
)

const (
	nobody              = 65534   // on every Linux
	codeInvalidPassword = "28P01" // Postgres, appendix A
)

func (s Settings) postgresCommand() []string {
	settings := []string{
		"unix_socket_directories=", // a socket's path holds 107 bytes, and a checkout may lie deep
		"wal_level=logical",
		"max_wal_senders=16",
		"max_replication_slots=16",
		// A connector that never comes back must not fill the disk. It is then lost, and said to be.
		"max_slot_wal_keep_size=4GB",
		"max_connections=200",
		"shared_buffers=128MB",
		"timezone=UTC", "log_timezone=UTC",
	}
	command := make([]string, 0, 7+2*len(settings))
	command = append(command, s.postgresProgram("postgres"),
		"-D", s.Data(Postgres), "-h", Host, "-p", strconv.Itoa(s.Ports.Postgres))
	for _, setting := range settings {
		command = append(command, "-c", setting)
	}
	return command
}

// postgresOwner is whom root runs Postgres as, which refuses to be run by root.
func (s Settings) postgresOwner() *supervisor.Owner {
	if os.Getuid() != 0 {
		return nil
	}
	// A checkout in root's home is closed to everyone else. Postgres is then run by root, under another name.
	return &supervisor.Owner{UID: nobody, GID: nobody, InName: closed(s.State) || closed(s.Artifacts)}
}

// postgresProgram is the path of one of Postgres' programs.
func (s Settings) postgresProgram(name string) string {
	return filepath.Join(s.Artifacts, "postgres", "bin", name)
}

// closed reports whether a folder on the path keeps other users out.
func closed(path string) bool {
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o001 == 0 {
			return true
		}
	}
	return false
}

// initPostgres makes the cluster when there is none.
func (s Settings) initPostgres(ctx context.Context, log io.Writer) error {
	data := s.Data(Postgres)
	owner := s.postgresOwner()
	if exists(data) {
		// root may have come by another name, or in another way, before
		return giveTo(owner, data)
	}
	// Made aside, so that what an interrupted initdb leaves is never taken for a cluster.
	fresh, passwordFile := data+".new", data+".password"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(data), 0o755); err != nil { //nolint:gosec // Postgres' user passes through
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := os.WriteFile(passwordFile, []byte(s.Passwords.Postgres), 0o600); err != nil {
		return fmt.Errorf("hand over the password: %w", err)
	}
	defer func() { _ = os.Remove(passwordFile) }()
	if err := errors.Join(giveTo(owner, fresh), giveTo(owner, passwordFile)); err != nil {
		return err
	}
	err := run(ctx, log, owner, s.postgresProgram("initdb"),
		"-D", fresh, "-U", "postgres", "--pwfile="+passwordFile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, data); err != nil {
		return fmt.Errorf("put the cluster in place: %w", err)
	}
	return nil
}

// giveTo makes the owner own a file, or a folder with all that is in it.
func giveTo(owner *supervisor.Owner, path string) error {
	if owner == nil {
		return nil
	}
	uid, gid := owner.HostIDs()
	err := filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, gid)) //nolint:gosec // the folder is closed to others
	})
	if err != nil {
		return fmt.Errorf("give %s to Postgres: %w", path, err)
	}
	return nil
}

func (s Settings) postgresReady(ctx context.Context) error {
	conn, err := s.connectPostgres(ctx, "postgres")
	if err != nil {
		return err
	}
	_ = conn.Close(ctx)
	return nil
}

func (s Settings) connectPostgres(ctx context.Context, database string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, s.databaseURL("postgres", s.Passwords.Postgres, database))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == codeInvalidPassword {
		return nil, fmt.Errorf("POSTGRES_PASSWORD is not the one that the data was made with: use that one, or remove the data with `make clean` (%w)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return conn, nil
}

// applySchema makes the database and brings it to what init-sql says.
func (s Settings) applySchema(ctx context.Context, _ io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.createDatabase(ctx); err != nil {
		return err
	}
	script, err := initsql.SQL()
	if err != nil {
		return fmt.Errorf("read init-sql: %w", err)
	}
	conn, err := s.connectPostgres(ctx, Database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for role, password := range map[string]string{
		"eventapi": s.Passwords.EventAPI, "debezium": s.Passwords.Debezium, "indexer": s.Passwords.Indexer,
	} {
		if _, err := conn.Exec(ctx, "SELECT set_config($1, $2, false)", "ticketing."+role+"_password", password); err != nil {
			return fmt.Errorf("hand over the password of %s: %w", role, err)
		}
	}
	if _, err := conn.Exec(ctx, script); err != nil {
		return fmt.Errorf("run init-sql: %w", err)
	}
	return nil
}

func (s Settings) createDatabase(ctx context.Context) error {
	conn, err := s.connectPostgres(ctx, "postgres")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", Database).Scan(&exists); err != nil {
		return fmt.Errorf("look for the database: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{Database}.Sanitize()); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return nil
}
