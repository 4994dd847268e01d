package kafkaconnect

import (
	"fmt"
	"strings"
)

// A State is what a worker reports of a connector or a task.
type State string

// The states of Kafka Connect.
const (
	Running    State = "RUNNING"
	Paused     State = "PAUSED"
	Stopped    State = "STOPPED"
	Failed     State = "FAILED"
	Unassigned State = "UNASSIGNED"
	Restarting State = "RESTARTING"
)

// A Part is a connector itself or one of its tasks.
type Part struct {
	ID       int    `json:"id"`
	State    State  `json:"state"`
	WorkerID string `json:"worker_id"`
	Trace    string `json:"trace,omitempty"` // a Java stack trace, when FAILED
}

// A Status is a connector with all its tasks.
type Status struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Connector Part   `json:"connector"`
	Tasks     []Part `json:"tasks"`
}

// Running says whether the connector and each of its tasks, of which there is at least one, are RUNNING.
func (s Status) Running() bool {
	if s.Connector.State != Running || len(s.Tasks) == 0 {
		return false
	}
	for _, task := range s.Tasks {
		if task.State != Running {
			return false
		}
	}
	return true
}

// Failed says whether the connector or a task is FAILED: Connect does not bring it back by itself.
func (s Status) Failed() bool {
	if s.Connector.State == Failed {
		return true
	}
	for _, task := range s.Tasks {
		if task.State == Failed {
			return true
		}
	}
	return false
}

// String returns the states in one line.
func (s Status) String() string {
	if len(s.Tasks) == 0 {
		return fmt.Sprintf("connector %s, no task yet", s.Connector.State)
	}
	var line strings.Builder
	fmt.Fprintf(&line, "connector %s", s.Connector.State)
	for _, task := range s.Tasks {
		fmt.Fprintf(&line, ", task %d %s", task.ID, task.State)
	}
	return line.String()
}

// A FailedError says that a connector or one of its tasks is FAILED. Its text ends with the traces.
type FailedError struct{ Status Status }

func (e *FailedError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s", e.Status.Name, e.Status)
	for _, part := range append([]Part{e.Status.Connector}, e.Status.Tasks...) {
		if part.State == Failed {
			fmt.Fprintf(&text, "\n%s", strings.TrimSpace(part.Trace))
		}
	}
	return text.String()
}
