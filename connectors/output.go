package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"ticketing/internal/kafkaconnect"
)

// output prints results for people, or as one JSON document.
type output struct {
	stdout io.Writer
	stdin  io.Reader
	json   bool
}

// A registration is what became of one file.
type registration struct {
	Name            string                    `json:"name"`
	Outcome         kafkaconnect.Outcome      `json:"outcome,omitempty"`
	Status          kafkaconnect.Status       `json:"status"`
	UnknownSettings []string                  `json:"unknown_settings,omitempty"`
	InvalidSettings []kafkaconnect.FieldError `json:"invalid_settings,omitempty"`
	Error           string                    `json:"error,omitempty"`
}

// failed returns the registration with the error in it, for the JSON document.
func (r registration) failed(err error) registration {
	r.Error = err.Error()
	var invalid *kafkaconnect.InvalidError
	if errors.As(err, &invalid) {
		r.InvalidSettings = invalid.Fields
	}
	return r
}

func (o *output) registrations(results []registration) error {
	if o.json {
		return o.document(results)
	}
	for _, result := range results {
		for _, setting := range result.UnknownSettings {
			if err := o.printf("%s: warning: neither Kafka Connect nor the plugin knows the setting %s\n", result.Name, setting); err != nil {
				return err
			}
		}
		if result.Error != "" {
			continue // the error itself goes to stderr
		}
		if err := o.printf("%s: %s: %s\n", result.Name, result.Outcome, result.Status); err != nil {
			return err
		}
	}
	return nil
}

func (o *output) statuses(statuses []kafkaconnect.Status) error {
	if o.json {
		return o.document(statuses)
	}
	if len(statuses) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "CONNECTOR\tPART\tSTATE\tWORKER") // Flush returns the error of any write
	for _, status := range statuses {
		_, _ = fmt.Fprintf(table, "%s\tconnector\t%s\t%s\n", status.Name, status.Connector.State, status.Connector.WorkerID)
		for _, task := range status.Tasks {
			_, _ = fmt.Fprintf(table, "%s\ttask %d\t%s\t%s\n", status.Name, task.ID, task.State, task.WorkerID)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return o.traces(statuses)
}

func (o *output) traces(statuses []kafkaconnect.Status) error {
	for _, status := range statuses {
		for _, part := range append([]kafkaconnect.Part{status.Connector}, status.Tasks...) {
			if part.Trace == "" {
				continue
			}
			if err := o.printf("\n%s:\n%s\n", status.Name, strings.TrimSpace(part.Trace)); err != nil {
				return err
			}
		}
	}
	return nil
}

// A deletion is what was deleted, and what was not.
type deletion struct {
	Name           string `json:"name"`
	Slot           string `json:"remaining_slot,omitempty"`
	OffsetsDeleted bool   `json:"offsets_deleted"`
}

func (o *output) deletion(d deletion) error {
	if o.json {
		return o.document(d)
	}
	text := fmt.Sprintf("%s: deleted\n", d.Name)
	if d.Slot != "" {
		text += fmt.Sprintf("Its replication slot stays, and Postgres keeps all WAL from here on for it. Unless the connector comes\n"+
			"back soon, drop it as a superuser:\n\n    SELECT pg_drop_replication_slot('%s');\n\n", d.Slot)
		if !d.OffsetsDeleted {
			text += "Kafka Connect still knows how far it had read. A connector of the same name that finds no slot for that\n" +
				"position is missing changes: use --offsets when you mean to drop the slot.\n"
		}
	}
	return o.printf("%s", text)
}

func (o *output) document(value any) error {
	encoder := json.NewEncoder(o.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (o *output) printf(format string, values ...any) error {
	if _, err := fmt.Fprintf(o.stdout, format, values...); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
