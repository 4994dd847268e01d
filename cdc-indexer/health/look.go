package health

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Sources are where facts come from. One that is nil is not asked.
type Sources struct {
	Database    func(context.Context) (Database, error)
	Connector   func(context.Context) (Connector, error)
	Kafka       func(context.Context) (Kafka, error)
	Indexer     func(context.Context) (Indexer, error)
	Index       func(context.Context) (Index, error)
	DeadLetters func(context.Context) (DeadLetters, error)
	Verify      func(context.Context) (Verify, error)
}

// source names one of the Sources.
type source string

const (
	fromDatabase    source = "postgres"
	fromConnector   source = "kafka connect"
	fromKafka       source = "kafka"
	fromIndexer     source = "indexer"
	fromIndex       source = "elasticsearch"
	fromDeadLetters source = "dead letters"
	fromVerify      source = "verify"
)

// Look asks all sources at the same time and gives each the same limit to answer in, so that one that is down does
// not keep the others' answers.
func Look(ctx context.Context, s Sources, limit time.Duration) Facts {
	l := looking{facts: Facts{At: time.Now(), errs: map[source]error{}}, limit: limit}
	ask(ctx, &l, fromDatabase, s.Database, &l.facts.Database)
	ask(ctx, &l, fromConnector, s.Connector, &l.facts.Connector)
	ask(ctx, &l, fromKafka, s.Kafka, &l.facts.Kafka)
	ask(ctx, &l, fromIndexer, s.Indexer, &l.facts.Indexer)
	ask(ctx, &l, fromIndex, s.Index, &l.facts.Index)
	ask(ctx, &l, fromDeadLetters, s.DeadLetters, &l.facts.DeadLetters)
	ask(ctx, &l, fromVerify, s.Verify, &l.facts.Verify)
	l.asked.Wait()
	return l.facts
}

type looking struct {
	limit time.Duration
	asked sync.WaitGroup
	mu    sync.Mutex
	facts Facts
}

// errNoAnswer is in place of the many ways to say that the time is up.
var errNoAnswer = errors.New("no answer in time")

func ask[T any](ctx context.Context, l *looking, from source, question func(context.Context) (T, error), answer **T) {
	if question == nil {
		return
	}
	l.asked.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, l.limit)
		defer cancel()
		said, err := question(ctx)
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case err == nil:
			*answer = &said
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
			l.facts.errs[from] = errNoAnswer
		default:
			l.facts.errs[from] = err
		}
	})
}
