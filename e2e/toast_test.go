package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/internal/compare"
	"ticketing/internal/testenv"
)

// Without REPLICA IDENTITY FULL an update that leaves a large column alone does not tell its value. The message becomes a
// dead letter, and replay takes the row from the table.
func TestALargeValueThatIsInNoMessageComesFromTheTable(t *testing.T) {
	t.Parallel()
	conn := database(t)
	run(t, conn, `
		CREATE TABLE public.notes (id bigint PRIMARY KEY, title text NOT NULL, body text);
		ALTER TABLE public.notes ALTER COLUMN body SET STORAGE EXTERNAL;
		GRANT SELECT ON public.notes TO debezium, indexer;
		CREATE PUBLICATION notes FOR TABLE public.notes`)
	cleanup(t, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "DROP PUBLICATION notes; DROP TABLE public.notes")
		return err
	})
	testenv.Topics(t, 3, "note-created", "note-updated", "note-deleted")
	testenv.Topics(t, 1, "note-dlq")
	register(t, conn, "notes", "slot.name=notes", "publication.name=notes", "topic.prefix=notes", "table.include.list=public.notes",
		`transforms.route.topic.regex=[^.]+\.public\.notes`,
		"transforms.route.topic.expression=[c: 'note-created', r: 'note-created', u: 'note-updated', d: 'note-deleted'][value?.op]")
	pipeline := filepath.Join("testdata", "notes.yaml")
	startIndexer(t, pipeline)

	large := strings.Repeat("large ", 5000)
	run(t, conn, `INSERT INTO public.notes SELECT n, 'first', repeat('large ', 5000) FROM generate_series(1, 3) n`)
	waitNote := func(id, title string) {
		t.Helper()
		testenv.Eventually(t, patience, func(ctx context.Context) error {
			found, err := search(ctx, elasticsearch(t), "notes", "id", id)
			var note struct{ Title, Body string }
			if err == nil && (json.Unmarshal(found, &note) != nil || note.Title != title || note.Body != large) {
				err = fmt.Errorf("%w: %.200s", errNotYet, found)
			}
			return err
		})
	}
	waitNote("3", "first")
	run(t, conn, `UPDATE public.notes SET title = 'second' WHERE id = 1; UPDATE public.notes SET title = 'second' WHERE id = 2`)
	c := newCommands(t)
	replay := func(wantCode int, args ...string) dlqAnswer {
		t.Helper()
		var answer dlqAnswer
		c.run(t, wantCode, &answer, append([]string{"dlq"}, append(args, "--json", "--pipeline", filepath.Join("e2e", pipeline))...)...)
		return answer
	}
	testenv.Eventually(t, patience, func(context.Context) error {
		if letters := replay(0, "list", "--reason", "unavailable-value").Letters; len(letters) < 2 {
			return errNotYet
		}
		return nil
	})
	run(t, conn, `DELETE FROM public.notes WHERE id = 2`)
	outcomes := replay(0, "replay").Outcomes
	require.Equal(t, 2, outcomes["applied"]+outcomes["stale"], "%v", outcomes) // stale when the delete has come through before
	require.Positive(t, outcomes["applied"])
	require.Empty(t, replay(0, "list").Letters)
	requireTableEqual(t, compare.Options{
		DatabaseURL: testenv.Address(t, testenv.PostgresURL), Table: "public.notes", Key: []string{"id"},
		ElasticsearchURL: elasticsearch(t), Index: "notes",
	})
	waitNote("1", "second")
}
