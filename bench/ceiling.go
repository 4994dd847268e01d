package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"
)

// corpus is the documents of an index that the indexer has made, as bulk requests in memory: with their versions, in the
// order in which they were written, as many in a request as the indexer had.
type corpus struct {
	documents int
	requests  [][]byte
	index     []byte // the body that creates such an index
}

// ceilingWorkers is how many requests are under way at the same time.
const ceilingWorkers = 2

// ensureCorpus lets the indexer make an index, and reads it.
func (s *system) ensureCorpus(ctx context.Context) error {
	if s.corpus != nil {
		return nil
	}
	i, measured, err := s.caughtUp(ctx, s.config.Events, nil)
	if err != nil {
		return err
	}
	if s.corpus, err = s.capture(ctx, i, s.config.Events, int(measured[batchWidth])); err != nil {
		return err
	}
	return s.es.remove(ctx, i.name)
}

// capture reads the index into memory.
func (s *system) capture(ctx context.Context, i indexer, documents, width int) (*corpus, error) {
	c := &corpus{}
	var err error
	if c.index, err = s.es.likeness(ctx, i.writeAlias()); err != nil {
		return nil, err
	}
	const page = 2000
	answer, err := s.es.call(ctx, http.MethodPost, "/"+i.writeAlias()+"/_search?scroll=1m",
		fmt.Appendf(nil, `{"size":%d,"sort":["_doc"],"version":true}`, page))
	var request []byte
	inRequest := 0
	for ; err == nil; answer, err = s.nextPage(ctx, answer) {
		hits := gjson.GetBytes(answer, "hits.hits").Array()
		if len(hits) == 0 {
			break
		}
		for _, hit := range hits {
			request = fmt.Appendf(request, "{\"index\":{\"_id\":%s,\"version\":%s,\"version_type\":\"external\"}}\n%s\n",
				hit.Get("_id").Raw, hit.Get("_version").Raw, hit.Get("_source").Raw)
			c.documents++
			if inRequest++; inRequest >= width {
				c.requests, request, inRequest = append(c.requests, bytes.Clone(request)), request[:0], 0
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if inRequest > 0 {
		c.requests = append(c.requests, bytes.Clone(request))
	}
	if c.documents != documents {
		return nil, fmt.Errorf("read %d of %d documents into memory", c.documents, documents)
	}
	return c, nil
}

func (s *system) nextPage(ctx context.Context, answer []byte) ([]byte, error) {
	return s.es.call(ctx, http.MethodPost, "/_search/scroll",
		fmt.Appendf(nil, `{"scroll":"1m","scroll_id":%s}`, gjson.GetBytes(answer, "_scroll_id").Raw))
}

// ceiling measures what can at best be had: the same requests from memory.
func (s *system) ceiling(ctx context.Context) (values, error) {
	const index = "bench-ceiling"
	if _, err := s.es.call(ctx, http.MethodPut, "/"+index, s.corpus.index); err != nil {
		return nil, err
	}
	before, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := s.send(ctx, index, s.corpus.requests); err != nil {
		return nil, err
	}
	took := time.Since(begun)
	after, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	measured := work(s.corpus.documents, took, usage{}, after-before)
	delete(measured, cpu) // there is no process of its own
	delete(measured, memory)
	if err := s.es.check(ctx, index, s.corpus.documents); err != nil {
		return nil, err
	}
	return measured, s.es.remove(ctx, index)
}

// send carries out the bulk requests.
func (s *system) send(ctx context.Context, index string, requests [][]byte) error {
	sending, ctx := errgroup.WithContext(ctx)
	sending.SetLimit(ceilingWorkers)
	for _, request := range requests {
		sending.Go(func() error {
			answer, err := s.es.call(ctx, http.MethodPost, "/"+index+"/_bulk?filter_path=items.*.error,items.*.status", request)
			if err == nil && gjson.GetBytes(answer, "items.#.index.error").Get("#").Int() > 0 {
				err = fmt.Errorf("a document was refused: %.300s", answer)
			}
			return err
		})
	}
	return sending.Wait() //nolint:wrapcheck // says what was being done
}
