package main

import (
	"context"
	"fmt"
	"os"

	"ticketing/cdc-indexer/operations"
	"ticketing/cdc-indexer/reindex"
)

// Work returns what a job is to do: what the command of its kind does. The commands read the pipeline file and the index's
// definition anew, since a reindex is most often for a changed mapping.
func (o *operator) Work(task operations.Task) (operations.Work, error) {
	if o.run.Watch.DatabaseURL == "" {
		return nil, &operations.SettingError{Setting: "--database-url (CDC_INDEXER_DATABASE_URL)"}
	}
	switch task.Kind {
	case operations.KindVerify:
		return o.verifying(task.Repair)
	case operations.KindRollback:
		command := &reindexRollbackCommand{buildFlags: o.buildFlags()}
		return o.building(command, &command.buildFlags, func(ctx context.Context, w *workshop) (any, error) {
			return command.rollBack(ctx, w)
		})
	case operations.KindReindex, operations.KindResume, operations.KindAbort:
		command := &reindexBuildCommand{
			buildFlags: o.buildFlags(), Resume: task.Kind == operations.KindResume, Abort: task.Kind == operations.KindAbort,
		}
		return o.building(command, &command.buildFlags, func(ctx context.Context, w *workshop) (any, error) {
			command.Force = command.Force || task.Kind != operations.KindReindex && begunHere(ctx, w.reindexer)
			if command.Abort {
				return command.abort(ctx, w)
			}
			return command.build(ctx, w)
		})
	default:
		return nil, fmt.Errorf("there are no jobs of kind %s", task.Kind)
	}
}

// begunHere says whether it was this process that began the build under way. As it runs one job at a time, that one has
// ended, although its last sign of life may be a moment ago.
func begunHere(ctx context.Context, builds *reindex.Reindexer) bool {
	_, state, err := builds.Status(ctx)
	if err != nil {
		return false // whoever takes the build over will say so
	}
	host, err := os.Hostname()
	return err == nil && state.Host == host && state.PID == os.Getpid()
}

func (o *operator) database() databaseFlags {
	return databaseFlags{DatabaseURL: o.run.Watch.DatabaseURL}
}

func (o *operator) buildFlags() buildFlags {
	return buildFlags{
		pipelineFlags: o.run.pipelineFlags, kafkaFlags: o.run.kafkaFlags, databaseFlags: o.database(), Elasticsearch: o.run.Elasticsearch,
	}
}

// building returns a job that builds an index, or cleans up after one that did.
func (o *operator) building(command any, flags *buildFlags, build func(context.Context, *workshop) (any, error)) (operations.Work, error) {
	if err := withDefaults(command); err != nil {
		return nil, err
	}
	return func(ctx context.Context, progress operations.Progress) (any, error) {
		w, err := flags.open(ctx, o.logger)
		if err != nil {
			return nil, err
		}
		defer w.close()
		w.reindexer.Progress = func(phase reindex.Phase, done int64) {
			total := int64(0)
			if phase == reindex.PhaseCopy {
				total = w.rows
			}
			progress(string(phase), done, total)
		}
		return build(ctx, w)
	}, nil
}

// verifying returns a job that compares, and mends if it is to repair.
func (o *operator) verifying(repair bool) (operations.Work, error) {
	command := &verifyCommand{
		pipelineFlags: o.run.pipelineFlags, kafkaFlags: o.run.kafkaFlags, databaseFlags: o.database(), Elasticsearch: o.run.Elasticsearch,
		Repair: repair,
	}
	if err := withDefaults(command); err != nil {
		return nil, err
	}
	return func(ctx context.Context, progress operations.Progress) (any, error) {
		i, err := command.open(ctx, o.logger)
		if err != nil {
			return nil, err
		}
		defer i.close()
		rows, err := i.table.EstimateRows(ctx)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", i.pipeline.Table, err)
		}
		const phase = "compare"
		progress(phase, 0, rows)
		i.verifier.Progress = func(done int64) { progress(phase, done, rows) }
		return i.verify(ctx)
	}, nil
}
