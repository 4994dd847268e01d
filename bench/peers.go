package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is another program that does the same work, in its best configuration that we know.
type peer struct {
	name string
	// missing says what is not installed; nil when all is there.
	missing func() error
	install func(context.Context) error
	measure func(context.Context) (values, error)
}

func (s *system) peers() []peer {
	return []peer{
		{"least pipe", func() error { return nil }, nil, s.leastPipe},
		{"bento", s.bentoMissing, s.installBento, s.bento},
		{"rsyslog", rsyslogMissing, installPackages("rsyslog", "rsyslog-kafka", "rsyslog-elasticsearch"), s.rsyslog},
		{"pgsync", s.pgsyncMissing, s.installPgsync, s.pgsync},
	}
}

// contestants returns the peers. One that is not there, and cannot or must not be installed, says so when its turn comes.
func (s *system) peerContestants(ctx context.Context) []contestant {
	var all []contestant
	for _, p := range s.peers() {
		measure := p.measure
		if err := s.ensure(ctx, p); err != nil {
			measure = func(context.Context) (values, error) { return nil, err }
		}
		all = append(all, contestant{name: p.name, peer: true, measure: measure})
	}
	return all
}

func (s *system) ensure(ctx context.Context, p peer) error {
	missing := p.missing()
	if missing == nil {
		return nil
	}
	if !s.config.Install {
		return fmt.Errorf("not installed, and --install was not given: %w", missing)
	}
	fmt.Printf("installing %s\n", p.name)
	if err := p.install(ctx); err != nil {
		return fmt.Errorf("cannot be installed: %w", err)
	}
	return p.missing()
}

// installPackages installs Debian packages. Nothing is started: the programs run with configurations of ours only.
func installPackages(names ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		if os.Getuid() != 0 {
			return fmt.Errorf("only root can install: apt-get install %s", strings.Join(names, " "))
		}
		if err := runQuietly(ctx, "", "apt-get", "update", "-qq"); err != nil {
			return err
		}
		return runQuietly(ctx, "", "apt-get", append([]string{"install", "-qq", "-y", "--no-install-recommends"}, names...)...)
	}
}

// noServices keeps Debian's packages from starting what they install.
var noServices = []string{"DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"}

func runQuietly(ctx context.Context, dir, name string, arguments ...string) error {
	command := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // installers
	command.Dir = dir
	command.Env = append(os.Environ(), noServices...)
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command.Args, " "), err, text)
	}
	return nil
}

// peerIndex makes an index like ours for a peer. Its documents have no bookkeeping, which costs it nothing then.
func (s *system) peerIndex(ctx context.Context, name string) error {
	_, err := s.es.call(ctx, http.MethodPut, "/"+name, s.corpus.index)
	return err
}

// textIndex is peerIndex for one that leaves a jsonb column the text that Debezium makes of it.
func (s *system) textIndex(ctx context.Context, name string) error {
	const object, text = `"attributes":{"type":"flattened","ignore_above":8191}`, `"attributes":{"type":"keyword","ignore_above":8191}`
	_, err := s.es.call(ctx, http.MethodPut, "/"+name, bytes.Replace(s.corpus.index, []byte(object), []byte(text), 1))
	return err
}

// run measures a program from its start until the index has all documents. It is stopped then.
func (s *system) runPeer(ctx context.Context, p program, index string) (_ values, err error) {
	before, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	r, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer r.kill()
	done, err := s.es.awaitIndexed(ctx, index, s.config.Events, r.alive)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, r.output.String())
	}
	after, err := s.es.cpu(ctx)
	if err != nil {
		return nil, err
	}
	used, err := r.stop()
	if err != nil {
		return nil, err
	}
	return work(s.config.Events, done.Sub(r.started), used, after-before), s.es.check(ctx, index, s.config.Events)
}

// configuration writes a configuration file.
func (s *system) configuration(name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}

// group is a name that no consumer group has yet.
func (s *system) group() string {
	return fmt.Sprintf("bench-peer-%03d", s.named.Add(1))
}

var errNoProgram = errors.New("there is no such program")

func onPath(names ...string) error {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s: %w", name, errNoProgram)
		}
	}
	return nil
}
