package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ticketing/internal/testenv"
)

var (
	reindexSeed = flag.Uint64("reindex.seed", 0, "when TestReindexKilled kills; 0: at random")
	killedRows  = flag.Int("reindex.killed.rows", 3000, "rows of the builds that TestReindexKilled kills")
)

// A build that dies at any moment takes nothing with it: searches go on, and another process resumes or removes it.
func TestReindexKilled(t *testing.T) {
	seed := *reindexSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-reindex.seed=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := newCommands(t)
	tidy(t, c)
	kept := preload(t, *killedRows)
	writes := startWrites(t)

	phases := []string{"snapshot", "copy", "count", "tombstones", "catch-up"}
	random.Shuffle(len(phases), func(i, j int) { phases[i], phases[j] = phases[j], phases[i] })
	for kill, step := range []struct{ held, resume bool }{{false, true}, {true, false}, {false, true}, {false, false}, {true, true}} {
		before := requireLive(t)
		if step.held {
			killWhileHeld(t, c)
		} else {
			killInPhase(t, c, phases[0], time.Duration(random.Int64N(int64(copyTime())*2/3)))
			phases = phases[1:]
		}
		kept.requireFound(t, len(kept.ids))
		if live := requireLive(t); live != before {
			t.Logf("kill %d: it was through already, %s is live", kill, live)
		}
		recoverBuild(t, c, step.resume)
		kept.requireFound(t, len(kept.ids))
		id := create(t, newEvent("after the kill"))
		waitTitle(t, id, "after the kill")
		writes.wait(t, 20)
	}
	finish(t, writes)
}

// recoverBuild resumes or aborts the build that a killed process has left.
func recoverBuild(t *testing.T, c commands, resume bool) {
	t.Helper()
	builds, err := indices(testenv.Context(t, patience), t, "events-build-*")
	require.NoError(t, err)
	if len(builds) == 0 {
		return
	}
	before := requireLive(t)
	if resume {
		c.run(t, 0, nil, "reindex", "--resume", "--force")
		require.Equal(t, builds[0], requireLive(t), "the build that was resumed")
	} else {
		c.run(t, 0, nil, "reindex", "--abort", "--force")
		require.Equal(t, before, requireLive(t))
	}
	t.Logf("recovered build %s of %s, resumed: %t", builds[0], before, resume)
	require.False(t, blocked(testenv.Context(t, patience), t, requireLive(t)))
	left, err := indices(testenv.Context(t, patience), t, "events-build-*")
	require.NoError(t, err)
	require.Empty(t, left)
}

// killInPhase kills a reindex some time after a phase has begun.
func killInPhase(t *testing.T, c commands, phase string, after time.Duration) {
	t.Helper()
	process := startReindex(t, c)
	testenv.Eventually(t, commandPatience, func(context.Context) error {
		if !process.in(phase) && !process.over() {
			return errNotYet
		}
		return nil
	})
	delay := time.NewTimer(after)
	defer delay.Stop()
	<-delay.C
	process.kill()
	t.Logf("killed %s after the beginning of phase %s", after, phase)
}

// killWhileHeld kills a reindex while writes to the live index are blocked. That is a fraction of a second, so it takes
// several attempts at times.
func killWhileHeld(t *testing.T, c commands) {
	t.Helper()
	const attempts = 20
	for attempt := range attempts {
		live := requireLive(t)
		process := startReindex(t, c)
		ctx := testenv.Context(t, commandPatience)
		for !process.over() && !blocked(ctx, t, live) {
			require.NoError(t, ctx.Err())
		}
		process.kill()
		if requireLive(t) == live && blocked(ctx, t, live) {
			t.Logf("killed while writes to %s were held back, at attempt %d", live, attempt+1)
			return
		}
		recoverBuild(t, c, true)
	}
	t.Fatalf("the reindex was never caught holding writes back in %d attempts", attempts)
}

func blocked(ctx context.Context, t *testing.T, index string) bool {
	status, answer, err := call(ctx, http.MethodGet, elasticsearch(t)+"/"+index+"/_settings/index.blocks.write", nil, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", answer)
	return strings.Contains(string(answer), `"write":"true"`)
}

// building is a reindex under way.
type building struct {
	command *exec.Cmd
	ended   chan struct{}

	mu     sync.Mutex
	phases []string // that have begun
}

// copyRate is rows a second, low enough for a build to be met while it copies.
func copyRate() int { return min(*killedRows*4/3, 20_000) }

func copyTime() time.Duration {
	return time.Second * time.Duration(*killedRows) / time.Duration(copyRate())
}

func startReindex(t *testing.T, c commands) *building {
	t.Helper()
	b := &building{command: c.command(t.Context(), t, "reindex", "--throttle", strconv.Itoa(copyRate())), ended: make(chan struct{})}
	stderr, err := b.command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, b.command.Start())
	go func() {
		defer close(b.ended)
		b.listen(stderr)
		_ = b.command.Wait() // it was killed, or the test will find what it has done
	}()
	t.Cleanup(b.kill)
	return b
}

func (b *building) listen(log io.Reader) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Phase string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Phase != "" {
			b.mu.Lock()
			b.phases = append(b.phases, line.Phase)
			b.mu.Unlock()
		}
	}
}

func (b *building) in(phase string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.phases, phase)
}

func (b *building) over() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// kill ends it with SIGKILL, and returns when it is gone.
func (b *building) kill() {
	_ = b.command.Process.Kill() // it may have ended by itself
	<-b.ended
}
