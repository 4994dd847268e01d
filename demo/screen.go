package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"ticketing/demo/freshness"
)

// screen is where the demo shows what it does: with progress bars on a terminal, and line by line elsewhere.
type screen struct {
	out      io.Writer
	terminal bool
	// freshness is shown beside the progress.
	freshness *freshness.Recorder
}

func newScreen(out *os.File) *screen {
	return &screen{out: out, terminal: term.IsTerminal(int(out.Fd())), freshness: &freshness.Recorder{}}
}

func (s *screen) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format+"\n", args...) // nobody is there to read it when this fails
}

// progress shows how far something has come. It is safe for concurrent use.
type progress struct {
	screen *screen
	title  string
	total  int
	bar    *progressbar.ProgressBar // on a terminal

	mutex   sync.Mutex
	done    int
	began   time.Time
	printed time.Time
	tenths  int // printed so far
}

// Elsewhere than on a terminal there is a line for every tenth, but not more often than the first time says; and
// one after the second time in any case.
const (
	tenthEvery = time.Second
	lineEvery  = 5 * time.Second
)

func (s *screen) progress(title string, total int) *progress {
	p := &progress{screen: s, title: title, total: total, began: time.Now(), printed: time.Now()}
	if s.terminal && total > 0 {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(s.out), progressbar.OptionSetDescription(p.description()), progressbar.OptionSetWidth(12),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionOnCompletion(func() { s.say("") }))
	}
	return p
}

// silent is progress that is not worth showing.
func (s *screen) silent() *progress {
	return (&screen{out: io.Discard, freshness: s.freshness}).progress("", 0)
}

// description fits beside the bar into a line of 80 characters.
func (p *progress) description() string {
	summary := p.screen.freshness.Summary()
	if summary.Count == 0 {
		return p.title
	}
	return fmt.Sprintf("%s, fresh in %s (p95 %s)", p.title, short(summary.P50), short(summary.P95))
}

// add counts n more as done.
func (p *progress) add(n int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.done += n
	if p.bar != nil {
		p.bar.Describe(p.description())
		_ = p.bar.Add(n) // what cannot be shown is no reason to stop
		return
	}
	tenths, waited := 10*p.done/max(p.total, 1), time.Since(p.printed)
	if p.done == p.total || waited >= lineEvery || waited >= tenthEvery && tenths > p.tenths {
		p.tenths, p.printed = tenths, time.Now()
		p.line()
	}
}

func (p *progress) line() {
	rate := float64(p.done) / max(time.Since(p.began).Seconds(), 0.001)
	text := fmt.Sprintf("%-9s %6s of %s  %5s/s", p.title, thousands(p.done), thousands(p.total), thousands(int(rate)))
	if s := p.screen.freshness.Summary(); s.Count > 0 {
		text += fmt.Sprintf("   searchable after %s (p95 %s, max %s)", short(s.P50), short(s.P95), short(s.Max))
	}
	p.screen.say("%s", text)
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// short writes a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Second:
		return fmt.Sprintf("%d ms", (d + time.Millisecond/2).Milliseconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}
