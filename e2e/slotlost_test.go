package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

// What happens while there is no slot is in no message: neither changes, since a row that a new snapshot reads counts
// as older than any document, nor deletes. The runbook's steps bring it into the index.
func TestSlotLost(t *testing.T) {
	c, connectors := newCommands(t), program(t, "connectors")
	conn := database(t)
	kept := preload(t, 40)
	requireEqual(t)
	connect := func(ctx context.Context, args ...string) (string, error) {
		command := exec.CommandContext(ctx, connectors, args...)
		command.Dir = root(t) // for the connector's file
		command.Env = append(os.Environ(), "CONNECT_URL="+testenv.Address(t, testenv.ConnectURL))
		output, err := command.CombinedOutput()
		return string(output), err
	}
	anew := func(ctx context.Context) error {
		if output, err := connect(ctx, "delete", "events", "--offsets", "--yes"); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		if err := dropSlot(ctx, conn, "events"); err != nil {
			return err
		}
		if output, err := connect(ctx, "register"); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	}
	cleanup(t, func(ctx context.Context) error {
		if !t.Failed() {
			return nil
		}
		_, _ = connect(ctx, "register") // so that there is something to delete
		if err := anew(ctx); err != nil {
			return err
		}
		return c.command(ctx, t, "verify", "--repair").Run()
	})

	loseSlot(t, conn)
	changed, deleted := kept.ids[:10], kept.ids[10:20]
	run(t, conn, fmt.Sprintf(`
		UPDATE public.events SET title = 'changed in the gap' WHERE id = ANY ('{%s}');
		DELETE FROM public.events WHERE id = ANY ('{%s}')`, strings.Join(changed, ","), strings.Join(deleted, ",")))
	added := create(t, newEvent("made in the gap"))
	setConnector(t, "resume")
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		output, err := connect(ctx, "status")
		if err == nil || !strings.Contains(output, "no longer available on the server") {
			return fmt.Errorf("%w: the connector does not say what is wrong: %s", errNotYet, output)
		}
		return nil
	})

	var found verified
	c.run(t, 1, &found, "verify", "--json")
	require.Contains(t, found.Behind, "the replication slot is missing or lost", "nobody waits for what cannot come")
	require.NoError(t, anew(testenv.Context(t, 3*time.Minute)))
	found = verified{}
	c.run(t, 1, &found, "verify", "--json", "--samples", "100")
	require.Empty(t, found.Behind)
	require.Equal(t, []int{0, 10, 0, 10, 0}, []int{found.Missing, found.Stale, found.Differing, found.Orphaned, found.Ahead})
	require.ElementsMatch(t, changed, found.keys("stale"))
	require.ElementsMatch(t, deleted, found.keys("orphaned"))
	c.run(t, 0, &found, "verify", "--repair", "--json")
	require.Equal(t, 20, found.Repaired)
	requireEqual(t)
	waitTitle(t, changed[0], "changed in the gap")
	waitGone(t, deleted[0])
	waitTitle(t, added, "made in the gap")

	// and from then on as before
	patch(t, changed[0], object{"title": "changed after the gap"})
	waitTitle(t, changed[0], "changed after the gap")
	remove(t, changed[1])
	waitGone(t, changed[1])
	requireEqual(t)
}

// loseSlot stops the connector and drops its slot.
func loseSlot(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	setConnector(t, "stop")
	require.NoError(t, dropSlot(testenv.Context(t, patience), conn, "events"))
}

func setConnector(t *testing.T, action string) {
	t.Helper()
	status, body, err := call(testenv.Context(t, patience), http.MethodPut, testenv.Address(t, testenv.ConnectURL)+"/connectors/events/"+action, nil, nil)
	require.NoError(t, err)
	require.Contains(t, []int{http.StatusAccepted, http.StatusNoContent}, status, "%s", body)
}
