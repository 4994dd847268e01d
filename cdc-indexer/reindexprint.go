package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"ticketing/cdc-indexer/elastic"
	"ticketing/cdc-indexer/reindex"
)

// plan is what --dry-run prints.
type plan struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows_estimated"`
	Live     string `json:"live_index"`
	New      string `json:"new_index"`
	Building string `json:"build_in_the_way,omitempty"`
	Seconds  int64  `json:"seconds_estimated"`
}

// assumedRate is what a copy does on two cores that Elasticsearch shares, in rows a second.
const assumedRate = 10_000

func (c *reindexBuildCommand) plan(ctx context.Context, w *workshop) error {
	p := plan{Table: w.pipeline.Table, Rows: w.rows, New: c.Index, Seconds: estimate(w.rows, c.Throttle)}
	var err error
	if p.Live, err = w.builder.Live(ctx); err != nil {
		return err
	}
	if p.New == "" {
		if p.New, err = w.builder.NextIndex(ctx); err != nil {
			return err
		}
	}
	build, _, err := w.reindexer.Status(ctx)
	switch {
	case err == nil:
		p.Building = build.Index
	case !errors.Is(err, elastic.ErrNoBuild):
		return err
	}
	text := fmt.Sprintf("Table %s, about %s rows: copied into the new index %s, which then takes the place of %s.\nAbout %s at %s rows a second; nothing was done.\n",
		p.Table, thousands(p.Rows), p.New, p.Live, time.Duration(p.Seconds)*time.Second, thousands(int64(rate(c.Throttle))))
	if p.Building != "" {
		text += fmt.Sprintf("In the way: an unfinished build, %s. `reindex --resume` goes on with it and `reindex --abort` removes it.\n", p.Building)
	}
	return printResult(os.Stdout, c.JSON, p, text)
}

func rate(throttle float64) float64 {
	if throttle > 0 {
		return min(throttle, assumedRate)
	}
	return assumedRate
}

func estimate(rows int64, throttle float64) int64 { return int64(float64(rows)/rate(throttle)) + 1 }

func printBuild(out io.Writer, asJSON bool, r reindex.Result) error {
	text := fmt.Sprintf("%s is live now, with %s documents; %s had %s.\n", r.Index, thousands(r.Documents), r.Old, thousands(r.OldDocuments))
	text += fmt.Sprintf("%s rows copied, %s changes caught up with, %s deletes taken over. %s in all; indexers were held back for %s.\n",
		thousands(r.Rows), thousands(r.Changes), thousands(r.Tombstones), r.Duration.Round(100*time.Millisecond), r.WritePause.Round(time.Millisecond))
	if r.Rejected > 0 {
		text += fmt.Sprintf("The new index cannot hold %s of the documents: they are missing.\n", thousands(r.Rejected))
	}
	if r.OldDeleted {
		text += fmt.Sprintf("%s is deleted.\n", r.Old)
	} else {
		text += fmt.Sprintf("%s is kept: `cdc-indexer reindex rollback` goes back to it, and deleting it gives its space back.\n", r.Old)
	}
	return printResult(out, asJSON, r, text)
}

// printResult prints the value as JSON, or the text.
func printResult(out io.Writer, asJSON bool, value any, text string) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// thousands writes a number with commas.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// buildProgress shows a bar on a terminal, and lines in the log otherwise.
type buildProgress struct {
	log   *slog.Logger
	total int64
	bar   *progressbar.ProgressBar

	mu    sync.Mutex
	phase reindex.Phase
	told  time.Time
}

// tellEvery is how often the log hears of a phase that goes on.
const tellEvery = 5 * time.Second

func newBuildProgress(out *os.File, total int64, log *slog.Logger) *buildProgress {
	p := &buildProgress{log: log, total: total}
	if term.IsTerminal(int(out.Fd())) {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(out), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *buildProgress) progress(phase reindex.Phase, done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	begun := phase != p.phase
	p.phase = phase
	if p.bar != nil {
		if begun {
			p.bar.Describe(string(phase))
		}
		if phase == reindex.PhaseCopy {
			_ = p.bar.Set64(min(done, p.total)) // what cannot be shown is no reason to stop
		}
		return
	}
	if begun || time.Since(p.told) >= tellEvery {
		p.told = time.Now()
		p.log.Info("reindex", "phase", phase, "done", done, "rows_estimated", p.total)
	}
}

func (p *buildProgress) close() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
