package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Results is all that was measured, by what was measured.
type Results struct {
	Scenarios map[string]*Scenario `json:"scenarios"`
}

// Scenario is one kind of work, measured in several rounds.
type Scenario struct {
	Date         time.Time         `json:"date"`
	Commit       string            `json:"commit"`
	Machine      Machine           `json:"machine"`
	Load         float64           `json:"load_average"` // of the minute before, the stack's start included
	Versions     map[string]string `json:"versions"`
	Rounds       int               `json:"rounds"`
	Events       int               `json:"events"`
	Envelope     float64           `json:"envelope_bytes"` // on average
	Measurements []Measurement     `json:"measurements"`
}

// Measurement is what one contestant did in one round.
type Measurement struct {
	Subject string `json:"subject"`
	Case    string `json:"case,omitempty"`
	Round   int    `json:"round"`
	Values  values `json:"values,omitempty"`
	Problem string `json:"problem,omitempty"` // why there are no values
}

// String shows the values in a line.
func (v values) String() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(&text, "%s %s; ", number(v[name]), name)
	}
	return text.String()
}

// readResults returns what is there already, or nothing.
func readResults(path string) (*Results, error) {
	r := &Results{Scenarios: map[string]*Scenario{}}
	text, err := os.ReadFile(path) //nolint:gosec // the user says which
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read results %s: %w", path, err)
	}
	return r, nil
}

func (s *Scenario) add(c contestant, round int, v values) {
	for name := range v {
		v[name] = round3(v[name])
	}
	s.Measurements = append(s.Measurements, Measurement{Subject: c.name, Case: c.which, Round: round, Values: v})
}

func (s *Scenario) fail(c contestant, round int, err error) {
	const enough = 400
	problem := strings.Join(strings.Fields(err.Error()), " ")
	if len(problem) > enough {
		problem = problem[:enough] + "…"
	}
	s.Measurements = append(s.Measurements, Measurement{Subject: c.name, Case: c.which, Round: round, Problem: problem})
}

// write puts the results into their file, one measurement a line.
func (r *Results) write(config *runCommand) error {
	if err := os.MkdirAll(filepath.Dir(config.Results), 0o750); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	if err := os.WriteFile(config.Results, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}
