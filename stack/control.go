package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ticketing/stack/preflight"
	"ticketing/stack/supervisor"
)

type downCommand struct{}

func (*downCommand) Run(ctx context.Context, where *scope) error {
	stopped, err := shutdown(ctx, where)
	if err == nil && !stopped {
		fmt.Println("Nothing is running.")
	}
	return err
}

// shutdown stops the stack and reports whether there was one.
func shutdown(ctx context.Context, where *scope) (bool, error) {
	client := where.client()
	err := client.Shutdown(ctx)
	if errors.Is(err, supervisor.ErrNotRunning) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	report := newProgress(os.Stdout)
	stopped := map[string]bool{}
	for {
		running, err := client.Status(ctx)
		if errors.Is(err, supervisor.ErrNotRunning) {
			report.line("everything", "stopped", "")
			return true, nil
		}
		if err != nil {
			return true, err
		}
		for _, component := range running.Components {
			if component.State == supervisor.Stopped && !stopped[component.Name] {
				stopped[component.Name] = true
				report.line(component.Name, string(component.State), "")
			}
		}
		select {
		case <-ctx.Done():
			return true, ctx.Err() //nolint:wrapcheck // the user has ended it
		case <-time.After(pollEvery):
		}
	}
}

type cleanCommand struct{}

func (*cleanCommand) Run(ctx context.Context, where *scope) error {
	if _, err := shutdown(ctx, where); err != nil {
		return err
	}
	// By name: --state may point anywhere, and downloads are kept.
	for _, name := range []string{"data", "config", supervisor.LogDir} {
		if err := os.RemoveAll(filepath.Join(where.state, name)); err != nil {
			return fmt.Errorf("remove the stack's files: %w", err)
		}
	}
	fmt.Printf("Removed data, logs and configuration from %s.\n", where.state)
	return nil
}

type statusCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *statusCommand) Run(ctx context.Context, where *scope) error {
	running, err := where.client().Status(ctx)
	if err != nil {
		return hint(err)
	}
	if c.JSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(running.Components) //nolint:wrapcheck // standard output
	}
	return printStatus(os.Stdout, running.Components)
}

func printStatus(out io.Writer, components []supervisor.Status) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "COMPONENT\tSTATE\tSINCE\tPID\tRESTARTS\tADDRESS\t")
	for _, c := range components {
		pid := ""
		if c.PID != 0 {
			pid = fmt.Sprint(c.PID)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n",
			c.Name, c.State, time.Since(c.Since).Round(time.Second), pid, c.Restarts, c.Address, firstLine(c.Error))
	}
	return table.Flush() //nolint:wrapcheck // standard output
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// oneComponent is the argument of the commands that act on one.
type oneComponent struct {
	Component string `arg:"" help:"The component's name, as in status."`
}

type (
	startCommand   struct{ oneComponent }
	stopCommand    struct{ oneComponent }
	pauseCommand   struct{ oneComponent }
	unpauseCommand struct{ oneComponent }
	killCommand    struct {
		oneComponent
		NoRestart bool `help:"Leave it stopped."`
	}
)

func (c *startCommand) Run(ctx context.Context, where *scope) error {
	return hint(where.client().Start(ctx, c.Component))
}

func (c *stopCommand) Run(ctx context.Context, where *scope) error {
	return hint(where.client().Stop(ctx, c.Component))
}

func (c *killCommand) Run(ctx context.Context, where *scope) error {
	return hint(where.client().Kill(ctx, c.Component, !c.NoRestart))
}

func (c *pauseCommand) Run(ctx context.Context, where *scope) error {
	return hint(where.client().Pause(ctx, c.Component))
}

func (c *unpauseCommand) Run(ctx context.Context, where *scope) error {
	return hint(where.client().Unpause(ctx, c.Component))
}

type envCommand struct{}

func (*envCommand) Run(ctx context.Context, where *scope) error {
	running, err := where.client().Status(ctx)
	if err != nil {
		return hint(err)
	}
	for _, variable := range slices.Sorted(maps.Keys(running.Environment)) {
		fmt.Printf("export %s='%s'\n", variable, strings.ReplaceAll(running.Environment[variable], "'", `'\''`))
	}
	return nil
}

type toolsCommand struct{}

func (*toolsCommand) Run(ctx context.Context) error {
	return preflight.Tools(ctx, os.Stdout, preflight.ForTests...)
}

func hint(err error) error {
	if errors.Is(err, supervisor.ErrNotRunning) {
		return fmt.Errorf("%w: start one with `make up`", err)
	}
	return err
}
