package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"ticketing/internal/compare"
)

// samples is how many keys and differences of each sort a comparison names.
const samples = 10

// Report is what a run was and found.
type Report struct {
	Seed      uint64           `json:"seed"`
	Asked     string           `json:"asked"` // the duration that was asked for
	Started   time.Time        `json:"started"`
	Seconds   float64          `json:"seconds"`
	Machine   Machine          `json:"machine"`
	Indexers  int              `json:"indexers"`
	Passed    bool             `json:"passed"`
	Beginning Comparison       `json:"beginning"`
	Rounds    []*Round         `json:"rounds"`
	Faults    map[string]Count `json:"faults"`
	Writes    map[string]Count `json:"writes"`

	RowsCompared      int `json:"rows_compared"` // in all rounds
	DocumentsCompared int `json:"documents_compared"`
	Differences       int `json:"differences"`
	DeadLetters       int `json:"dead_letters"`
	ConnectorRestarts int `json:"connector_restarts"`
}

// Machine is where it ran.
type Machine struct {
	Cores  int    `json:"cores"`
	System string `json:"system"`
	Go     string `json:"go"`
}

// Round is what happened in one round.
type Round struct {
	Number            int              `json:"number"`
	WritingSeconds    float64          `json:"writing_seconds"`
	HealingSeconds    float64          `json:"healing_seconds"`
	CatchUpSeconds    float64          `json:"catch_up_seconds"` // comparing included
	Faults            map[string]Count `json:"faults"`
	Writes            map[string]Count `json:"writes"`
	Comparison        Comparison       `json:"comparison"`
	Evidence          []string         `json:"evidence,omitempty"` // of the rows that differ: their messages and documents
	DeadLetters       int              `json:"dead_letters"`       // found, of the bad messages sent so far
	ConnectorRestarts []string         `json:"connector_restarts"` // why
	Warnings          []string         `json:"warnings"`           // of the indexers
	Problems          []string         `json:"problems"`           // why the round failed, beside differences
}

// Comparison is what was found when table and index were compared.
type Comparison struct {
	Rows      int      `json:"rows"`
	Documents int      `json:"documents"`
	Missing   int      `json:"missing"`   // rows without a document
	Extra     int      `json:"extra"`     // documents without a row
	Differing int      `json:"differing"` // documents with another value than the row's
	Samples   []string `json:"samples,omitempty"`
}

func newComparison(r compare.Report) Comparison {
	c := Comparison{Rows: r.Rows, Documents: r.Documents, Missing: r.Missing, Extra: r.Extra, Differing: r.Differing}
	if !r.Equal() {
		lines := strings.Split(r.String(), "\n")
		for _, line := range lines[1:] {
			c.Samples = append(c.Samples, strings.TrimSpace(line))
		}
	}
	return c
}

func (c Comparison) differences() int { return c.Missing + c.Extra + c.Differing }

func (c Comparison) say() string {
	text := fmt.Sprintf("%d rows, %d documents: %d missing, %d extra, %d differing", c.Rows, c.Documents, c.Missing, c.Extra, c.Differing)
	for _, sample := range c.Samples {
		text += "\n    " + sample
	}
	return text
}

func (r *Round) failed() bool { return r.Comparison.differences() > 0 || len(r.Problems) > 0 }

func newReport(config Config) *Report {
	return &Report{
		Seed: config.Seed, Asked: config.Duration.String(), Started: time.Now().UTC().Truncate(time.Second), Indexers: config.Indexers + 1,
		Machine: Machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()},
	}
}

// add adds a round to the totals.
func (r *Report) add(round *Round) {
	r.Rounds = append(r.Rounds, round)
	r.Faults, r.Writes = merge(r.Faults, round.Faults), merge(r.Writes, round.Writes)
	r.RowsCompared += round.Comparison.Rows
	r.DocumentsCompared += round.Comparison.Documents
	r.Differences += round.Comparison.differences()
	r.DeadLetters = round.DeadLetters
	r.ConnectorRestarts += len(round.ConnectorRestarts)
	r.Passed = !round.failed()
	r.Seconds = time.Since(r.Started).Seconds()
}

// finish says how it went, writes the report's files, and returns errRoundFailed when it went wrong.
func (r *Report) finish(config Config, out io.Writer) error {
	if config.Report != "" {
		if err := r.write(config.Report); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(out, "report:", config.Report)
	}
	if r.Passed {
		_, _ = fmt.Fprintf(out, "EQUAL after each of %d rounds, with %d writes (%d rows) and %d faults\n",
			len(r.Rounds), sum(r.Writes).Done, sum(r.Writes).Rows, sum(r.Faults).Done)
		return nil
	}
	_, _ = fmt.Fprintf(out, "FAILED in round %d. The components' logs are kept; the same choices again: make chaos SEED=%d DURATION=%s\n",
		len(r.Rounds), r.Seed, r.Asked)
	return errRoundFailed
}

// write writes the report to a file.md, and as JSON to the file.json beside it.
func (r *Report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	const mode = 0o644
	if err := os.WriteFile(strings.TrimSuffix(path, ".md")+".json", append(text, '\n'), mode); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := os.WriteFile(path, []byte(r.Markdown()), mode); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
