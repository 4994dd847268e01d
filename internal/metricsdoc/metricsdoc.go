// Package metricsdoc keeps docs/metrics.md right: tests compare its tables with what the programs register, and with
// what dashboards and alerts ask for.
package metricsdoc

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// Metric is a row of the tables.
type Metric struct {
	Name, Type, Labels, Meaning string
}

func (m Metric) String() string {
	return strings.Join([]string{"", " `" + m.Name + "` ", " " + m.Type + " ", " " + m.Labels + " ", " " + m.Meaning + " ", ""}, "|")
}

var row = regexp.MustCompile("^\\| `([a-z0-9_]+)` \\| (\\w+) \\| (.*?) ?\\| (.*) \\|$")

// Read returns the metrics by the programs that they belong to: the headings of docs/metrics.md.
func Read(t testing.TB) map[string][]Metric {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "metrics.md"))
	require.NoError(t, err)
	metrics, program := map[string][]Metric{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if heading, found := strings.CutPrefix(line, "## "); found {
			program = strings.Trim(heading, "`")
		} else if cells := row.FindStringSubmatch(line); cells != nil {
			metrics[program] = append(metrics[program], Metric{cells[1], cells[2], cells[3], cells[4]})
		}
	}
	return metrics
}

// RequireDocumented fails the test unless the registry's metrics are what docs/metrics.md says of the program, and are
// named as Prometheus' conventions want it. Vectors show up when they have a child: see Filled.
func RequireDocumented(t testing.TB, program string, registry *prometheus.Registry) {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Equal(t, text(Read(t)[program]), text(Of(families)), "docs/metrics.md, section %s", program)

	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func text(metrics []Metric) string {
	lines := make([]string, len(metrics))
	for n, metric := range metrics {
		lines[n] = metric.String()
	}
	return strings.Join(lines, "\n")
}

// Family is a metric as it is gathered or read.
type Family = dto.MetricFamily

// Of returns what was gathered from a program, or read from its /metrics, as rows sorted by name. Those of the Go
// runtime, the process and the handler of /metrics are left out.
func Of(families []*Family) []Metric {
	var metrics []Metric
	for _, family := range families {
		if len(family.GetMetric()) == 0 || foreign.MatchString(family.GetName()) {
			continue
		}
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		metrics = append(metrics, Metric{
			family.GetName(), strings.ToLower(family.GetType().String()), strings.Join(labels, ", "), family.GetHelp(),
		})
	}
	slices.SortFunc(metrics, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return metrics
}

var foreign = regexp.MustCompile(`^(go|process|promhttp)_`)

// Filled returns a Registerer that gives every vector a child, so that it is gathered although nothing was counted.
func Filled(registry prometheus.Registerer) prometheus.Registerer { return filled{registry} }

type filled struct{ prometheus.Registerer }

// Register registers the collector and fills it.
func (f filled) Register(c prometheus.Collector) error {
	fill(c)
	return f.Registerer.Register(c) //nolint:wrapcheck // it only passes through
}

// MustRegister registers the collectors and fills them.
func (f filled) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		fill(c)
	}
	f.Registerer.MustRegister(collectors...)
}

// fill tries one number of labels after the other: a vector does not tell how many it has.
func fill(c prometheus.Collector) {
	const most = 5
	for n := range most {
		values := slices.Repeat([]string{"x"}, n)
		var err error
		switch vector := c.(type) {
		case *prometheus.CounterVec:
			_, err = vector.GetMetricWithLabelValues(values...)
		case *prometheus.GaugeVec:
			_, err = vector.GetMetricWithLabelValues(values...)
		case *prometheus.HistogramVec:
			_, err = vector.GetMetricWithLabelValues(values...)
		}
		if err == nil {
			return
		}
	}
}

// root is the checkout's folder: the nearest one above the test with a go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, dir, parent, "no go.mod above the test")
		dir = parent
	}
}
