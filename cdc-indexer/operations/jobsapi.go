package operations

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ticketing/internal/rest"
)

func (a *API) registerJobs() {
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/jobs", OperationID: "list-jobs", Summary: "The jobs of this process, the newest first",
		Description: "The last 20 are remembered until the process ends.",
	}, a.listJobs)
	register(a, huma.Operation{
		Method: http.MethodGet, Path: "/api/jobs/{id}", OperationID: "get-job", Summary: "One job",
		Errors: []int{http.StatusNotFound},
	}, a.getJob)
	register(a, change(huma.Operation{
		Method: http.MethodPost, Path: "/api/jobs", OperationID: "start-job", Summary: "Start a job",
		Description: "One at a time runs in each process; 409 says which. It does what the command of its kind does with its defaults. " +
			"A reindex that is cancelled is left as it is: resume goes on with it and abort removes it.",
		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusConflict},
	}), a.startJob)
	register(a, change(huma.Operation{
		Method: http.MethodDelete, Path: "/api/jobs/{id}", OperationID: "cancel-job", Summary: "Cancel a job",
		Description:   "It ends a little later.",
		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}), a.cancelJob)
}

// Jobs are those that are remembered.
type jobList struct {
	Items []Job `json:"items" nullable:"false"`
}

func (a *API) listJobs(context.Context, *struct{}) (*answer[jobList], error) {
	return &answer[jobList]{jobList{a.jobs.List()}}, nil
}

type jobInput struct {
	ID string `path:"id" maxLength:"40"`
}

func (a *API) getJob(_ context.Context, in *jobInput) (*answer[Job], error) {
	job, err := a.jobs.Get(in.ID)
	return &answer[Job]{job}, err
}

type startInput struct {
	Body struct {
		Kind   Kind `json:"kind" enum:"reindex,resume,abort,rollback,verify"`
		Repair bool `json:"repair,omitempty" nullable:"true" doc:"Of a verify: mend what differs"`
	}
}

type startAnswer struct {
	Location string `header:"Location"`
	Body     Job
}

func (a *API) startJob(ctx context.Context, in *startInput) (*startAnswer, error) {
	task := Task{Kind: in.Body.Kind, Repair: in.Body.Repair}
	if task.Repair && task.Kind != KindVerify {
		return nil, rest.Unprocessable(rest.At("body.repair", "only a verify repairs"))
	}
	work, err := a.pipeline.Work(task)
	if err != nil {
		return nil, err
	}
	job, err := a.jobs.Start(ctx, task, work)
	if busy := (*BusyError)(nil); errors.As(err, &busy) {
		return nil, rest.NewProblem(http.StatusConflict, busy.Error())
	}
	return &startAnswer{Location: "/api/jobs/" + job.ID, Body: job}, err
}

func (a *API) cancelJob(_ context.Context, in *jobInput) (*answer[Job], error) {
	job, err := a.jobs.Cancel(in.ID)
	if errors.Is(err, ErrEnded) {
		return nil, rest.NewProblem(http.StatusConflict, err.Error())
	}
	return &answer[Job]{job}, err
}
