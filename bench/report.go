package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

type reportCommand struct {
	Results string `arg:"" type:"existingfile" placeholder:"FILE.json" help:"The results."`
	Report  string `placeholder:"FILE.md" help:"Where to put the report. Default: beside the results."`
}

// Run writes the report.
func (c *reportCommand) Run() error {
	results, err := readResults(c.Results)
	if err != nil {
		return err
	}
	return writeReport(results, reportPath(c.Report, c.Results))
}

// reportPath is the one that was asked for, or one beside the results.
func reportPath(asked, results string) string {
	if asked != "" {
		return asked
	}
	return strings.TrimSuffix(results, filepath.Ext(results)) + ".md"
}

// quantity is one of the values of one contestant.
type quantity struct {
	subject, which, metric string
}

// goal is what a value, or the ratio of two within each round, should be.
type goal struct {
	what       string
	value      quantity
	over       quantity // what the value is divided by; none when it has no subject
	limit      float64
	atLeast    bool // the limit is a lower one
	unexplored bool // no limit was set: it is only shown
}

// section is how a scenario is shown.
type section struct {
	scenario, title, text string
	goals                 []goal
	plots                 []string // metrics
}

// writeReport writes the page, and its plots into a folder of the same name.
func writeReport(results *Results, path string) error {
	plots := strings.TrimSuffix(path, filepath.Ext(path))
	if err := os.MkdirAll(plots, 0o755); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("write the report: %w", err)
	}
	var page strings.Builder
	page.WriteString(introduction)
	var missing []string
	for _, s := range sections {
		scenario := results.Scenarios[s.scenario]
		if scenario == nil {
			missing = append(missing, s.scenario)
			continue
		}
		scenario.write(&page, s)
		for _, metric := range s.plots {
			bars := scenario.bars(metric)
			if len(bars) == 0 {
				continue
			}
			name := s.scenario + "-" + slug(metric) + ".svg"
			if err := writePlot(filepath.Join(plots, name), s.title+": "+metric, bars); err != nil {
				return err
			}
			fmt.Fprintf(&page, "![%s: %s](%s/%s)\n\n", s.title, metric, filepath.Base(plots), name)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(&page, "Without results so far: %s.\n", strings.Join(missing, ", "))
	}
	text := strings.TrimSpace(page.String()) + "\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// slug makes a part of a file's name.
func slug(text string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		default:
			return '-'
		}
	}, text), "-")
}

func (s *Scenario) write(page *strings.Builder, about section) {
	p := func(format string, args ...any) { fmt.Fprintf(page, format, args...) }
	p("## %s\n\n%s\n\n", about.title, about.text)
	p("%s, commit %s, %s rows%s, counted rounds: %d. %s\n\n",
		s.Date.Format(time.DateOnly), s.Commit, thousands(strconv.Itoa(s.Events)), known(", envelopes of %s bytes", s.Envelope), s.Rounds, s.where())
	metrics := s.metrics()
	p("| | %s |\n|---|%s\n", strings.Join(metrics, " | "), strings.Repeat("---:|", len(metrics)))
	for _, who := range s.contestants() {
		p("| %s |", strings.TrimSpace(who.subject+" "+who.which))
		for _, metric := range metrics {
			who.metric = metric
			p(" %s |", newSpread(slices.Collect(maps.Values(s.byRound(who)))))
		}
		p("\n")
	}
	p("\n")
	for _, m := range s.Measurements {
		if m.Problem != "" {
			p("- **%s could not be measured** (round %d): %s\n", strings.TrimSpace(m.Subject+" "+m.Case), m.Round, strings.ReplaceAll(m.Problem, "|", "\\|"))
		}
	}
	s.writeGoals(p, about.goals)
}

func (s *Scenario) writeGoals(p func(string, ...any), goals []goal) {
	headed := false
	for _, g := range goals {
		got := s.achieved(g)
		if got.Count == 0 {
			continue
		}
		if !headed {
			p("\n| | median (least–most) | target | |\n|---|---:|---:|---|\n")
			headed = true
		}
		p("| %s | %s | %s | %s |\n", g.what, got, g.target(), g.verdict(got))
	}
	p("\n")
}

func (g goal) target() string {
	switch {
	case g.unexplored:
		return "–"
	case g.atLeast:
		return "≥ " + number(g.limit)
	default:
		return "≤ " + number(g.limit)
	}
}

func (g goal) verdict(got spread) string {
	switch {
	case g.unexplored:
		return ""
	case g.atLeast == (got.Median >= g.limit) || got.Median == g.limit:
		return "reached"
	default:
		return "**missed**"
	}
}

// achieved is what the rounds came to; a ratio is one of two values of the same round.
func (s *Scenario) achieved(g goal) spread {
	samples := s.byRound(g.value)
	if g.over.subject != "" {
		under := s.byRound(g.over)
		for round, value := range samples {
			if under[round] == 0 {
				delete(samples, round)
				continue
			}
			samples[round] = value / under[round]
		}
	}
	return newSpread(slices.Collect(maps.Values(samples)))
}

// byRound returns a value by the round that it was measured in.
func (s *Scenario) byRound(q quantity) map[int]float64 {
	found := map[int]float64{}
	for _, m := range s.Measurements {
		value, measured := m.Values[q.metric]
		if measured && m.Subject == q.subject && m.Case == q.which {
			found[m.Round] = value
		}
	}
	return found
}

// contestants are those that were measured, in their order.
func (s *Scenario) contestants() []quantity {
	var all []quantity
	for _, m := range s.Measurements {
		who := quantity{subject: m.Subject, which: m.Case}
		if m.Problem == "" && !slices.Contains(all, who) {
			all = append(all, who)
		}
	}
	slices.SortStableFunc(all, func(a, b quantity) int { return strings.Compare(a.subject, b.subject) })
	return all
}

func (s *Scenario) metrics() []string {
	all := map[string]bool{}
	for _, m := range s.Measurements {
		for name := range m.Values {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (s *Scenario) bars(metric string) []bar {
	var bars []bar
	for _, who := range s.contestants() {
		who.metric = metric
		if measured := newSpread(slices.Collect(maps.Values(s.byRound(who)))); measured.Count > 0 {
			bars = append(bars, bar{Name: strings.TrimSpace(who.subject + " " + who.which), spread: measured})
		}
	}
	return bars
}

// where says on what it was measured.
func (s *Scenario) where() string {
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(s.Versions)) {
		versions = append(versions, name+" "+s.Versions[name])
	}
	system := s.Machine.System
	if s.Machine.Files != "" {
		system += ", " + s.Machine.Files
	}
	return fmt.Sprintf("%d cores (%s), %.0f GiB, %s, all programs and servers on it%s. %s.",
		s.Machine.Cores, s.Machine.CPU, s.Machine.Memory, system, known("; load average before %s", s.Load), strings.Join(versions, ", "))
}

// known puts a number into a text; no text for one that was not noted.
func known(format string, x float64) string {
	if x == 0 {
		return ""
	}
	return fmt.Sprintf(format, number(x))
}
