package health

import (
	"fmt"
	"strings"
)

func (j *judge) connector() []Finding {
	name := j.about.Connector
	switch {
	case name == "":
		return unnamed(PartConnector, "connector")
	case j.Connector == nil && j.errs[fromConnector] != nil:
		return []Finding{failed(PartConnector, "Kafka Connect "+j.cannotBeAsked(fromConnector),
			"Start it, or correct --connect-url. Nothing is lost as long as Postgres keeps the log: see part slot.")}
	case j.Connector == nil:
		return j.missing(PartConnector, fromConnector, "Kafka Connect")
	case !j.Connector.Exists:
		return []Finding{failed(PartConnector, fmt.Sprintf("Kafka Connect has no connector %s", name), "`connectors register` makes it.")}
	}
	return []Finding{judgeConnector(name, *j.Connector)}
}

// Running says whether the connector and all its tasks, of which there is one at least, are RUNNING.
func (c Connector) Running() bool {
	running := c.Exists && c.State == "RUNNING" && len(c.Tasks) > 0
	for _, task := range c.Tasks {
		running = running && task.State == "RUNNING"
	}
	return running
}

func judgeConnector(name string, c Connector) Finding {
	mend := fmt.Sprintf("Mend the cause, then `connectors restart %s`. The whole trace: `connectors status`.", name)
	if c.State == "FAILED" {
		return failed(PartConnector, fmt.Sprintf("connector %s FAILED%s", name, firstLine(c.Trace)), mend)
	}
	for _, task := range c.Tasks {
		if task.State == "FAILED" {
			return failed(PartConnector, fmt.Sprintf("task %d of connector %s FAILED%s", task.ID, name, firstLine(task.Trace)), mend)
		}
	}
	switch {
	case c.Running():
		return ok(PartConnector, fmt.Sprintf("%s RUNNING, %s", name, count(int64(len(c.Tasks)), "task", "tasks")))
	case c.State == "PAUSED" || c.State == "STOPPED":
		return failed(PartConnector, fmt.Sprintf("connector %s is %s: no change gets through, and Postgres keeps its log meanwhile", name, c.State),
			fmt.Sprintf("`connectors resume %s`.", name))
	default:
		states := []string{"connector " + c.State}
		for _, task := range c.Tasks {
			states = append(states, fmt.Sprintf("task %d %s", task.ID, task.State))
		}
		if len(c.Tasks) == 0 {
			states = append(states, "no task yet")
		}
		return warning(PartConnector, fmt.Sprintf("%s is not running yet: %s", name, strings.Join(states, ", ")),
			"Look again in some seconds. If it stays so, look into Kafka Connect's log.")
	}
}

// firstLine returns the first line of a trace behind a colon, nothing for no trace.
func firstLine(trace string) string {
	const enough = 300
	line, _, _ := strings.Cut(strings.TrimSpace(trace), "\n")
	if line == "" {
		return ""
	}
	if len(line) > enough {
		line = strings.ToValidUTF8(line[:enough], "") + "…"
	}
	return ": " + oneLine(line)
}
