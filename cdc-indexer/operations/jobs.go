package operations

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is what a job does.
type Kind string

// The kinds of jobs: what the commands of these names do.
const (
	KindReindex  Kind = "reindex"
	KindResume   Kind = "resume" // a reindex or rollback that was interrupted
	KindAbort    Kind = "abort"  // remove one that was interrupted
	KindRollback Kind = "rollback"
	KindVerify   Kind = "verify"
)

// Task says what a job is to do.
type Task struct {
	Kind   Kind
	Repair bool // of a verify: mend what differs
}

// Progress is told how far a job is: of total things done are done, in this phase. A total of 0 is not known. It may be
// called from several goroutines.
type Progress func(phase string, done, total int64)

// Work does what a job is for. Its result is what the command prints with --json.
type Work func(ctx context.Context, progress Progress) (result any, err error)

// State is how a job is.
type State string

// The states of a job.
const (
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Job is what is told of a job.
type Job struct {
	ID        string     `json:"id"`
	Kind      Kind       `json:"kind" enum:"reindex,resume,abort,rollback,verify"`
	Repair    bool       `json:"repair,omitempty" doc:"Of a verify: it mends what differs"`
	State     State      `json:"state" enum:"running,done,failed,cancelled"`
	Phase     string     `json:"phase" doc:"What it is at, or was at when it ended"`
	Done      int64      `json:"done" doc:"Rows, changes or deletes done in this phase"`
	Total     int64      `json:"total,omitempty" doc:"About how many there are; absent when that is not known"`
	Rate      float64    `json:"rate_per_second" doc:"Of this phase, on average"`
	ETA       *float64   `json:"eta_seconds,omitempty" doc:"Until the end of this phase; absent when that is not known"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Error     string     `json:"error,omitempty" doc:"Why it failed or was cancelled, and what to do"`
	Result    any        `json:"result,omitempty" doc:"What the command of its kind prints with --json"`
}

// A BusyError says that a job is running.
type BusyError struct{ Job Job }

func (e *BusyError) Error() string {
	return fmt.Sprintf("a job is running: %s %s, since %s; wait for its end, or cancel it", e.Job.Kind, e.Job.ID, e.Job.StartedAt.Format(time.RFC3339))
}

// ErrStopping says that the program is about to end.
var ErrStopping = errors.New("the indexer is shutting down")

// ErrEnded says that there is nothing left to cancel.
var ErrEnded = errors.New("the job has ended")

var errCancelled = errors.New("cancelled by the operator")

const (
	// keptJobs is how many jobs are remembered.
	keptJobs = 20
	// stopWithin is how long a job may take to end when the program stops. A reindex that holds writes back gives them
	// back in that time.
	stopWithin = 15 * time.Second
)

// Jobs runs one job at a time: two that write to the index at the same time would be in each other's way, and a
// database would feel both. Run owns them.
type Jobs struct {
	ended  *prometheus.CounterVec
	logger *slog.Logger
	queue  chan *job

	mu      sync.Mutex
	history []*job // the newest first; only that one may be running
	stopped bool
}

// job is a Job and what else is known of it. The lock of Jobs guards it.
type job struct {
	Job
	work   Work
	phase  time.Time // when the phase began
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// NewJobs returns Jobs that export how they ended.
func NewJobs(registry prometheus.Registerer, logger *slog.Logger) *Jobs {
	j := &Jobs{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cdc_indexer_jobs_ended_total", Help: "Jobs of the operations API that have ended, by what became of them: done, failed or cancelled.",
		}, []string{"kind", "outcome"}),
		logger: logger, queue: make(chan *job, 1),
	}
	registry.MustRegister(j.ended)
	return j
}

// Run carries out the jobs until ctx ends. Then it cancels the one that runs and waits for it, but not for ever.
func (j *Jobs) Run(ctx context.Context) {
	for {
		select {
		case next := <-j.queue:
			j.carryOut(ctx, next)
		case <-ctx.Done():
			j.stop()
			return
		}
	}
}

// stop refuses jobs from now on, and ends the one that was accepted and not begun.
func (j *Jobs) stop() {
	j.mu.Lock()
	j.stopped = true
	j.mu.Unlock()
	select {
	case next := <-j.queue:
		j.end(next, nil, ErrStopping)
	default:
	}
}

// carryOut returns when the job has ended, or did not end in time when the program stops.
func (j *Jobs) carryOut(ctx context.Context, next *job) {
	stop := context.AfterFunc(ctx, func() { next.cancel(ErrStopping) })
	defer stop()
	j.logger.InfoContext(ctx, "job begins", "job", next.ID, "kind", next.Kind)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		result, err := next.work(next.ctx, func(phase string, done, total int64) { j.progress(next, phase, done, total) })
		j.end(next, result, err)
	}()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		j.logger.ErrorContext(ctx, "job did not end in time", "job", next.ID, "kind", next.Kind, "within", stopWithin.String())
	}
}

func (j *Jobs) progress(of *job, phase string, done, total int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if phase != of.Phase {
		of.Phase, of.phase, of.Done = phase, time.Now(), 0
	}
	// Several goroutines tell, not always in the order in which they counted. An estimated total may be too low.
	of.Done = max(of.Done, done)
	of.Total = total
	if total > 0 {
		of.Total = max(total, of.Done)
	}
}

// end notes what became of a job.
func (j *Jobs) end(of *job, result any, err error) {
	j.mu.Lock()
	now := time.Now().UTC()
	of.EndedAt, of.State = &now, Done
	if cause := context.Cause(of.ctx); err != nil {
		of.State, of.Error = Failed, err.Error()
		if cause != nil || errors.Is(err, ErrStopping) {
			of.State = Cancelled
		}
		if cause != nil && !errors.Is(err, cause) {
			of.Error = fmt.Sprintf("%v: %v", cause, err)
		}
	} else {
		of.Result = result
	}
	of.cancel(nil)
	j.ended.WithLabelValues(string(of.Kind), string(of.State)).Inc()
	told := of.Job
	j.mu.Unlock()
	j.logger.Info("job ended", "job", told.ID, "kind", told.Kind, "outcome", told.State, "took", now.Sub(told.StartedAt).String(), "error", told.Error)
}

// Start accepts a job, unless one is running: then it returns a *BusyError.
func (j *Jobs) Start(ctx context.Context, task Task, work Work) (Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		return Job{}, ErrStopping
	}
	if len(j.history) > 0 && j.history[0].State == Running {
		return Job{}, &BusyError{j.history[0].told()}
	}
	next := &job{
		Job:  Job{ID: strings.ToLower(rand.Text()[:10]), Kind: task.Kind, Repair: task.Repair, State: Running, Phase: "begin", StartedAt: time.Now().UTC()},
		work: work, phase: time.Now(),
	}
	next.ctx, next.cancel = context.WithCancelCause(context.WithoutCancel(ctx)) // it outlives the request
	j.history = slices.Insert(j.history, 0, next)
	j.history = j.history[:min(len(j.history), keptJobs)]
	j.queue <- next // has room: nothing else runs
	return next.told(), nil
}

// Cancel asks a job to end.
func (j *Jobs) Cancel(id string) (Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	found, err := j.find(id)
	if err != nil {
		return Job{}, err
	}
	if found.State != Running {
		return Job{}, fmt.Errorf("%w: %s %s is %s", ErrEnded, found.Kind, id, found.State)
	}
	found.cancel(errCancelled)
	return found.told(), nil
}

// Get returns one job.
func (j *Jobs) Get(id string) (Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	found, err := j.find(id)
	if err != nil {
		return Job{}, err
	}
	return found.told(), nil
}

// List returns the jobs that are remembered, the newest first.
func (j *Jobs) List() []Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := make([]Job, len(j.history))
	for n, of := range j.history {
		list[n] = of.told()
	}
	return list
}

func (j *Jobs) find(id string) (*job, error) {
	at := slices.IndexFunc(j.history, func(of *job) bool { return of.ID == id })
	if at < 0 {
		return nil, fmt.Errorf("job %s: %w: this process remembers its last %d jobs", id, ErrNotFound, keptJobs)
	}
	return j.history[at], nil
}

// told adds what the clock says.
func (j *job) told() Job {
	told := j.Job
	until := time.Now()
	if told.EndedAt != nil {
		until = *told.EndedAt
	}
	if took := until.Sub(j.phase).Seconds(); took > 0 {
		told.Rate = float64(told.Done) / took
	}
	if told.State == Running && told.Total > 0 && told.Rate > 0 {
		left := float64(told.Total-told.Done) / told.Rate
		told.ETA = &left
	}
	return told
}
