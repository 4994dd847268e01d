package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ticketing/internal/kafkaconnect"
)

type commandLine struct {
	ConnectURL string `name:"connect-url" env:"CONNECT_URL" default:"http://localhost:8083" help:"Address of Kafka Connect's REST interface."`
	JSON       bool   `name:"json" help:"Print the result as JSON."`

	Register registerCommand `cmd:"" help:"Create or update connectors from files and wait until they run."`
	Status   statusCommand   `cmd:"" help:"Show the state of connectors and tasks; exit with 1 when one does not run."`
	Restart  restartCommand  `cmd:"" help:"Restart what has failed of connectors, and wait until they run."`
	Pause    pauseCommand    `cmd:"" help:"Pause connectors. Postgres keeps the WAL for them meanwhile."`
	Resume   resumeCommand   `cmd:"" help:"Let paused or stopped connectors work again, and wait until they run."`
	Delete   deleteCommand   `cmd:"" help:"Delete connectors. Their replication slots stay."`
}

// A limit bounds the time of a whole command, waiting included.
type limit struct {
	Timeout time.Duration `default:"2m" help:"Give up after this time, waiting for Kafka Connect to come up included."`
}

func (l limit) context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, l.Timeout, fmt.Errorf("gave up after %s (--timeout)", l.Timeout))
}

// settling is how long a connector that was just started has to stay RUNNING to be believed.
type settling struct {
	Settle time.Duration `default:"2s" help:"How long a started connector has to stay RUNNING: its first contact with the database comes after that state."`
}

type registerCommand struct {
	Files []string `arg:"" optional:"" type:"path" help:"Files of settings; a connector is named after its file. Default: connectors/events.json."`
	Name  string   `help:"Name of the connector, instead of the file's. For a single file."`
	Set   []string `sep:"none" placeholder:"SETTING=VALUE" help:"Override a setting of the file. May be repeated."`
	limit
	settling
}

// defaultFile is the connector of the pipeline, seen from the top folder of the project.
const defaultFile = "connectors/events.json"

// Run registers the files one after the other and stops at the first that does not come to run.
func (c *registerCommand) Run(ctx context.Context, client *kafkaconnect.Client, out *output) error {
	wanted, err := c.wanted()
	if err != nil {
		return &usageError{err}
	}
	ctx, cancel := c.context(ctx)
	defer cancel()
	if err := client.AwaitReady(ctx); err != nil {
		return err
	}
	results := make([]registration, 0, len(wanted))
	for _, connector := range wanted {
		result, err := c.register(ctx, client, connector)
		results = append(results, result)
		if err != nil {
			return errors.Join(out.registrations(results), err)
		}
	}
	return out.registrations(results)
}

// A wantedConnector is what a file and the flags ask for.
type wantedConnector struct {
	name   string
	config map[string]string
}

func (c *registerCommand) wanted() ([]wantedConnector, error) {
	files := c.Files
	if len(files) == 0 {
		files = []string{defaultFile}
	}
	if c.Name != "" && len(files) > 1 {
		return nil, errors.New("--name: takes a single file")
	}
	wanted := make([]wantedConnector, 0, len(files))
	for _, file := range files {
		config, err := readConfig(file)
		if err != nil {
			return nil, err
		}
		if err := override(config, c.Set); err != nil {
			return nil, err
		}
		name := c.Name
		if name == "" {
			name = connectorName(file)
		}
		wanted = append(wanted, wantedConnector{name, config})
	}
	return wanted, nil
}

func (c *registerCommand) register(ctx context.Context, client *kafkaconnect.Client, connector wantedConnector) (registration, error) {
	result := registration{Name: connector.name}
	unknown, err := client.Validate(ctx, connector.name, connector.config)
	if err != nil {
		return result.failed(err), fmt.Errorf("validate the settings: %w", err)
	}
	result.UnknownSettings = unknown
	result.Outcome, err = client.Apply(ctx, connector.name, connector.config)
	if err != nil {
		return result.failed(err), err
	}
	settle := c.Settle
	if result.Outcome == kafkaconnect.Unchanged {
		settle = 0 // it was not started just now
	}
	result.Status, err = client.AwaitRunning(ctx, connector.name, settle)
	if err != nil {
		return result.failed(err), err
	}
	return result, nil
}

type statusCommand struct {
	Names []string `arg:"" optional:"" help:"Connectors. Default: all."`
	limit
}

// Run prints the states and fails when one is anything but RUNNING.
func (c *statusCommand) Run(ctx context.Context, client *kafkaconnect.Client, out *output) error {
	ctx, cancel := c.context(ctx)
	defer cancel()
	names, err := namesOrAll(ctx, client, c.Names)
	if err != nil {
		return err
	}
	statuses := make([]kafkaconnect.Status, 0, len(names))
	var idle []string
	for _, name := range names {
		status, err := client.Status(ctx, name)
		if err != nil {
			return explain(name, err)
		}
		statuses = append(statuses, status)
		if !status.Running() {
			idle = append(idle, name)
		}
	}
	if err := out.statuses(statuses); err != nil {
		return err
	}
	switch {
	case len(names) == 0:
		return errors.New("there is no connector; `connectors register` makes one")
	case len(idle) > 0:
		return fmt.Errorf("not running: %v", idle)
	default:
		return nil
	}
}

type restartCommand struct {
	Names []string `arg:"" optional:"" help:"Connectors. Default: all."`
	All   bool     `help:"Restart connectors and tasks that work, too."`
	limit
	settling
}

// Run restarts and waits until everything runs.
func (c *restartCommand) Run(ctx context.Context, client *kafkaconnect.Client, out *output) error {
	ctx, cancel := c.context(ctx)
	defer cancel()
	names, err := namesOrAll(ctx, client, c.Names)
	if err != nil {
		return err
	}
	return each(names, out, func(name string) (kafkaconnect.Status, error) {
		before, err := client.Status(ctx, name)
		if err != nil {
			return before, explain(name, err)
		}
		if !c.All && !before.Failed() {
			return before, nil
		}
		if err := client.Restart(ctx, name, !c.All); err != nil {
			return before, explain(name, err)
		}
		return client.AwaitRunning(ctx, name, c.Settle)
	})
}

type pauseCommand struct {
	Names []string `arg:"" help:"Connectors."`
	limit
}

// Run pauses and waits until every task has stopped working.
func (c *pauseCommand) Run(ctx context.Context, client *kafkaconnect.Client, out *output) error {
	ctx, cancel := c.context(ctx)
	defer cancel()
	return each(c.Names, out, func(name string) (kafkaconnect.Status, error) {
		if err := client.Pause(ctx, name); err != nil {
			return kafkaconnect.Status{Name: name}, explain(name, err)
		}
		return client.AwaitState(ctx, name, kafkaconnect.Paused)
	})
}

type resumeCommand struct {
	Names []string `arg:"" help:"Connectors."`
	limit
	settling
}

// Run resumes and waits until everything runs.
func (c *resumeCommand) Run(ctx context.Context, client *kafkaconnect.Client, out *output) error {
	ctx, cancel := c.context(ctx)
	defer cancel()
	return each(c.Names, out, func(name string) (kafkaconnect.Status, error) {
		if err := client.Resume(ctx, name); err != nil {
			return kafkaconnect.Status{Name: name}, explain(name, err)
		}
		return client.AwaitRunning(ctx, name, c.Settle)
	})
}

// namesOrAll returns the names given, or those of all connectors.
func namesOrAll(ctx context.Context, client *kafkaconnect.Client, names []string) ([]string, error) {
	if len(names) > 0 {
		return names, nil
	}
	all, err := client.Connectors(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the connectors: %w", err)
	}
	slices.Sort(all)
	return all, nil
}

// each acts on all names, prints where that led, and fails when one of them failed.
func each(names []string, out *output, act func(name string) (kafkaconnect.Status, error)) error {
	statuses := make([]kafkaconnect.Status, 0, len(names))
	var failures []error
	for _, name := range names {
		status, err := act(name)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		statuses = append(statuses, status)
	}
	return errors.Join(append([]error{out.statuses(statuses)}, failures...)...)
}

// explain says in the user's words that there is no connector of that name.
func explain(name string, err error) error {
	if errors.Is(err, kafkaconnect.ErrNotFound) {
		return fmt.Errorf("there is no connector %q: %w; `connectors status` lists them", name, kafkaconnect.ErrNotFound)
	}
	return fmt.Errorf("%s: %w", name, err)
}
