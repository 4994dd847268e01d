package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"ticketing/internal/kafkaconnect"
)

type deleteCommand struct {
	Names   []string `arg:"" help:"Connectors."`
	Yes     bool     `help:"Do not ask."`
	Offsets bool     `help:"Also forget how far the connector had read, so that one of the same name starts with a snapshot. Needed before its slot is dropped."`
	limit
}

// Run deletes, after asking, and says what stays in Postgres.
func (c *deleteCommand) Run(ctx context.Context, client *kafkaconnect.Client, out *output) error {
	ctx, cancel := c.context(ctx)
	defer cancel()
	for _, name := range c.Names {
		config, err := client.Config(ctx, name)
		if err != nil {
			return explain(name, err)
		}
		if err := c.confirm(name, out); err != nil {
			return err
		}
		if err := c.delete(ctx, client, name); err != nil {
			return err
		}
		if err := out.deletion(deletion{Name: name, Slot: config["slot.name"], OffsetsDeleted: c.Offsets}); err != nil {
			return err
		}
	}
	return nil
}

func (c *deleteCommand) confirm(name string, out *output) error {
	if c.Yes {
		return nil
	}
	if err := out.printf("Delete connector %s? Changes of its tables stop flowing. Type yes: ", name); err != nil {
		return err
	}
	answer, err := bufio.NewReader(out.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(answer) != "yes" {
		return fmt.Errorf("%s: not deleted: not confirmed (--yes does not ask)", name)
	}
	return nil
}

func (c *deleteCommand) delete(ctx context.Context, client *kafkaconnect.Client, name string) error {
	if c.Offsets {
		if err := deleteOffsets(ctx, client, name); err != nil {
			return fmt.Errorf("%s: forget its offsets: %w", name, err)
		}
	}
	if err := client.Delete(ctx, name); err != nil {
		return explain(name, err)
	}
	return nil
}

// deleteOffsets stops the connector first: Connect refuses to touch the offsets of one that works.
func deleteOffsets(ctx context.Context, client *kafkaconnect.Client, name string) error {
	if err := client.Stop(ctx, name); err != nil {
		return err
	}
	if _, err := client.AwaitState(ctx, name, kafkaconnect.Stopped); err != nil {
		return err
	}
	return client.DeleteOffsets(ctx, name)
}
