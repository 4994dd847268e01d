package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ticketing/stack/supervisor"
)

const followEvery = 200 * time.Millisecond

type logsCommand struct {
	Component string `arg:"" optional:"" help:"Show this component's log only."`
	Follow    bool   `short:"f" help:"Go on as the logs grow."`
	Lines     int    `short:"n" default:"50" help:"How many of the last lines to show of each log."`
}

func (c *logsCommand) Run(ctx context.Context, where *scope) error {
	pattern := "*.log"
	if c.Component != "" {
		pattern = c.Component + ".log"
	}
	dir := filepath.Join(where.state, supervisor.LogDir)
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("no log %s in %s", pattern, dir)
	}
	tails := make([]*tail, len(paths))
	for i, path := range paths {
		tails[i] = &tail{path: path, out: os.Stdout}
		if len(paths) > 1 {
			tails[i].prefix = strings.TrimSuffix(filepath.Base(path), ".log") + " | "
		}
		if err := tails[i].last(c.Lines); err != nil {
			return err
		}
	}
	for c.Follow {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		for _, t := range tails {
			if err := t.more(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tail prints a log's lines as they come, each with the prefix.
type tail struct {
	path, prefix string
	out          io.Writer
	offset       int64 // behind the last whole line printed
}

// last prints the last lines there are.
func (t *tail) last(lines int) error {
	text, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	start := len(whole)
	for range lines + 1 {
		start = bytes.LastIndexByte(whole[:max(0, start)], '\n')
	}
	t.offset = int64(len(whole))
	return t.print(whole[start+1:])
}

// more prints the lines that have come since.
func (t *tail) more() error {
	file, err := os.Open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		t.offset = 0 // rotated; the next one starts with the next line
		return nil
	}
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() < t.offset {
		t.offset = 0
	}
	const atOnce = 1 << 20
	text, err := io.ReadAll(io.NewSectionReader(file, t.offset, atOnce))
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	t.offset += int64(len(whole))
	return t.print(whole)
}

func (t *tail) print(text []byte) error {
	for line := range bytes.Lines(text) {
		if _, err := fmt.Fprintf(t.out, "%s%s", t.prefix, line); err != nil {
			return err //nolint:wrapcheck // standard output
		}
	}
	return nil
}
