package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"ticketing/cdc-indexer/deadletter"
	"ticketing/cdc-indexer/debezium"
	"ticketing/cdc-indexer/operations"
)

// letterOf is how a letter is told.
func letterOf(e deadletter.Entry, decoder *debezium.Decoder) operations.Letter {
	l := operations.Letter{
		ID: e.ID.String(), State: "open", Reason: e.Rejection.Reason, Detail: e.Rejection.Detail,
		Topic: e.Message.Topic, Partition: e.Message.Partition, Offset: e.Message.Offset, Time: e.Message.Time,
		FailedAt: e.FailedAt.UTC(), Key: string(e.Message.Key), Bytes: e.Size,
	}
	l.Document, _ = decoder.DocumentID(e.Message.Key) // a key that makes none is shown as it is
	if e.Resolution != nil {
		l.State, l.Outcome, l.ResolvedAt = "done", string(e.Resolution.Outcome), &e.Resolution.At
	}
	return l
}

// rowName is what people know the letter's row by.
func rowName(l operations.Letter) string {
	if l.Document != "" {
		return printable(l.Document)
	}
	return printable(l.Key)
}

// letterList prints letters while they are found.
type letterList struct {
	table   *tabwriter.Writer // for people
	json    *jsonList         // or this
	decoder *debezium.Decoder
	bar     *readingBar
	count   int
}

func newLetterList(w io.Writer, asJSON bool, decoder *debezium.Decoder, bar *readingBar) *letterList {
	l := &letterList{decoder: decoder, bar: bar}
	if asJSON {
		l.json = &jsonList{w: w, name: "letters"}
	} else {
		l.table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	}
	return l
}

// alignEvery is how many lines are held back to align their columns.
const alignEvery = 200

func (l *letterList) add(e deadletter.Entry) error {
	f := letterOf(e, l.decoder)
	if l.json != nil {
		l.count++
		return l.json.add(f)
	}
	if l.count == 0 {
		_, _ = fmt.Fprintln(l.table, "ID\tSTATE\tFAILED AT\tREASON\tMESSAGE\tKEY")
	}
	l.count++
	state := f.State
	if f.Outcome != "" {
		state += ": " + printable(f.Outcome)
	}
	_, err := fmt.Fprintf(l.table, "%s\t%s\t%s\t%s\t%s/%d:%d\t%s\n", f.ID, state, f.FailedAt.Format(time.DateTime),
		printable(f.Reason), printable(f.Topic), f.Partition, f.Offset, rowName(f))
	if err == nil && l.count%alignEvery == 0 {
		l.bar.clear()
		err = l.table.Flush()
	}
	return err //nolint:wrapcheck // names the file
}

func (l *letterList) end(counts deadletter.Counts) error {
	if l.json != nil {
		return l.json.end(struct {
			Open    int `json:"open"`
			Done    int `json:"done"`
			Foreign int `json:"other_messages"`
		}(counts))
	}
	text := fmt.Sprintf("%d open, %d done", counts.Open, counts.Done)
	if l.count > 0 {
		text = "\n" + text
	}
	if counts.Foreign > 0 {
		text += fmt.Sprintf("; left out of other pipelines: %d", counts.Foreign)
	}
	if _, err := fmt.Fprintln(l.table, text); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	return l.table.Flush() //nolint:wrapcheck // names the file
}

// jsonList prints one object: a list, item by item, and then more fields.
type jsonList struct {
	w     io.Writer
	name  string
	count int
}

func (l *jsonList) add(item any) error {
	text, err := json.Marshal(item)
	if err != nil {
		return fmt.Errorf("encode %s: %w", l.name, err)
	}
	before := ",\n"
	if l.count == 0 {
		before = "{" + strconv.Quote(l.name) + ":[\n"
	}
	l.count++
	_, err = fmt.Fprintf(l.w, "%s%s", before, text)
	return err //nolint:wrapcheck // names the file
}

// end prints the fields of an object behind the list.
func (l *jsonList) end(more any) error {
	text, err := json.Marshal(more)
	if err != nil {
		return fmt.Errorf("encode %s: %w", l.name, err)
	}
	before := "\n],"
	if l.count == 0 {
		before = "{" + strconv.Quote(l.name) + ":[],"
	}
	_, err = fmt.Fprintf(l.w, "%s%s\n", before, strings.TrimPrefix(string(text), "{"))
	return err //nolint:wrapcheck // names the file
}

// printable makes text of unknown origin fit for a line on a terminal: short, and without control characters.
func printable(text string) string {
	const most = 120
	if text == "" {
		return "-"
	}
	clipped := ""
	if len(text) > most {
		text, clipped = strings.ToValidUTF8(text[:most], ""), "…"
	}
	return plain(text) + clipped
}

// plain replaces what a terminal might obey.
func plain(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, text)
}
