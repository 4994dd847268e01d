package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"ticketing/stack/native"
)

// undoTimeout bounds what undoes a fault, whatever the round's time.
const undoTimeout = 30 * time.Second

// quitPostgres has Postgres end at once and without a checkpoint, so that it has to recover.
func (s *system) quitPostgres(ctx context.Context, _ *rand.Rand) error {
	running, err := s.components.status(ctx)
	if err != nil {
		return err
	}
	for _, component := range running {
		if component.Name == native.Postgres && component.PID != 0 {
			if err := syscall.Kill(component.PID, syscall.SIGQUIT); err != nil {
				return fmt.Errorf("signal postgres: %w", err)
			}
			return nil
		}
	}
	return errors.New("postgres does not run")
}

// endReplication breaks the connection that Debezium streams from.
func (s *system) endReplication(ctx context.Context, _ *rand.Rand) error {
	return s.onDatabase(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active", slot)
		if err != nil {
			return fmt.Errorf("end the replication session: %w", err)
		}
		return nil
	})
}

// blockWrites puts a write block on the index for a while, as a full disk does, or a rebuild that is about to swap.
func (s *system) blockWrites(ctx context.Context, r *rand.Rand) error {
	if err := s.setWriteBlock(ctx, true); err != nil {
		return err
	}
	wait(ctx, between(r, time.Second, 8*time.Second))
	// Elasticsearch may have been away when the block was to be lifted, so this is tried until it works.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	for {
		err := s.setWriteBlock(ctx, false)
		if err == nil || !wait(ctx, time.Second) {
			return err
		}
	}
}

func (s *system) setWriteBlock(ctx context.Context, on bool) error {
	body := fmt.Sprintf(`{"index.blocks.write": %t}`, on)
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, s.at.Elasticsearch+"/"+writeAlias+"/_settings", strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("block writes: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.http.Do(request)
	if err != nil {
		return fmt.Errorf("block writes: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("block writes: Elasticsearch answers %s", response.Status)
	}
	return nil
}

// onDatabase runs something on a connection of its own.
func (s *system) onDatabase(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, undoTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.at.Postgres)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(ctx, conn)
}
