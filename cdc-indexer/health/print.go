package health

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Print writes a report for people: a line for each finding, and below it what to do.
func Print(to io.Writer, report Report, color bool) error {
	out := bufio.NewWriter(to) // Flush returns the error of any write
	width := 0
	for _, f := range report.Findings {
		width = max(width, len(f.Part))
	}
	wrong := 0
	for _, f := range report.Findings {
		_, _ = fmt.Fprintf(out, "%-*s  %s  %s\n", width, f.Part, label(f.State, color), f.Summary)
		if f.Action != "" {
			_, _ = fmt.Fprintf(out, "%s  %s\n", strings.Repeat(" ", width+2+labelWidth), f.Action)
		}
		if f.wrong() {
			wrong++
		}
	}
	if wrong == 0 {
		_, _ = fmt.Fprintln(out, "\nAll is well.")
	} else {
		_, _ = fmt.Fprintf(out, "\n%s to look at.\n", count(int64(wrong), "thing", "things"))
	}
	return out.Flush() //nolint:wrapcheck // the caller says what it was doing
}

const labelWidth = len("WARNING")

func label(state State, color bool) string {
	var word, code string
	switch state {
	case OK:
		word, code = "ok", "32"
	case Warning:
		word, code = "WARNING", "33;1"
	case Failed:
		word, code = "FAILED", "31;1"
	case Unknown:
		word, code = "unknown", "2"
	}
	word = fmt.Sprintf("%-*s", labelWidth, word)
	if !color {
		return word
	}
	return "\x1b[" + code + "m" + word + "\x1b[0m"
}
