package health

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang is a server that takes connections and says nothing.
func hang[T any](ctx context.Context) (T, error) { //nolint:unparam // a source has an answer too
	<-ctx.Done()
	return *new(T), ctx.Err()
}

func answer[T any](value T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return value, nil }
}

// However many are down, all are asked at the same time: the whole takes as long as one may.
func TestLookIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		start := time.Now()
		facts := Look(t.Context(), Sources{
			Database: hang[Database], Connector: hang[Connector], Kafka: hang[Kafka], Index: hang[Index],
			Indexer:     answer(Indexer{Ready: true}),
			DeadLetters: func(context.Context) (DeadLetters, error) { return DeadLetters{}, refused },
		}, 4*time.Second)
		require.Equal(t, 4*time.Second, time.Since(start))
		require.Equal(t, &Indexer{Ready: true}, facts.Indexer, "what answers is known")
		require.Nil(t, facts.Database)
		require.Nil(t, facts.Verify)
		require.Equal(t, map[source]error{
			fromDatabase: errNoAnswer, fromConnector: errNoAnswer, fromKafka: errNoAnswer, fromIndex: errNoAnswer, fromDeadLetters: refused,
		}, facts.errs)
	})
}
