package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"ticketing/internal/metricsdoc"
	"ticketing/internal/testenv"
)

// promtool runs Prometheus' own checker. A test that finds none fails, it does not skip.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs promtool, left out by -short")
	}
	path, err := exec.LookPath("promtool")
	require.NoError(t, err, "promtool is missing: `go run ./stack tools` installs Debian's package prometheus as root")
	output, err := exec.CommandContext(testenv.Context(t, 4*time.Minute), path, args...).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func TestSettingsAndRulesAreValid(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "config", "prometheus.yml")
	promtool(t, "check", "rules", "alerts.yml")
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool(t, "test", "rules", "alerts_test.yml")
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func load(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, into), file)
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	load(t, "alerts.yml", &file)
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

func alerts(t *testing.T) []rule {
	t.Helper()
	return slices.DeleteFunc(rules(t), func(r rule) bool { return r.Alert == "" })
}

func TestEveryAlertIsTestedBothWays(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			Tests []struct {
				Alert    string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	load(t, "alerts_test.yml", &file)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, alert := range test.Tests {
			if len(alert.Expected) > 0 {
				fires[alert.Alert] = true
			} else {
				quiet[alert.Alert] = true
			}
		}
	}
	for _, alert := range alerts(t) {
		require.True(t, fires[alert.Alert], "no test lets %s fire", alert.Alert)
		require.True(t, quiet[alert.Alert], "no test keeps %s quiet", alert.Alert)
	}
}

func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()
	for _, alert := range alerts(t) {
		for _, annotation := range []string{"summary", "description", "runbook_url"} {
			require.NotEmpty(t, alert.Annotations[annotation], "%s of %s", annotation, alert.Alert)
		}
		require.Contains(t, []string{"critical", "warning"}, alert.Labels["severity"], alert.Alert)
		runbook := alert.Annotations["runbook_url"]
		require.True(t, strings.HasPrefix(runbook, "docs/runbooks/"), runbook)
		text, err := os.ReadFile(filepath.Join("..", "..", runbook))
		require.NoError(t, err, alert.Alert)
		require.Contains(t, string(text), "`"+alert.Alert+"`", "%s does not name its alert", runbook)
	}
}

type dashboard struct {
	UID    string
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		Targets    []struct {
			Expr       string
			Datasource struct{ UID string }
		}
	}
	Templating struct {
		List []struct {
			Query      struct{ Query string }
			Datasource struct{ UID string }
		}
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(text, &d), file)
		all[file] = d
	}
	return all
}

// query is what is asked of Prometheus, with where it stands.
type query struct{ where, expr string }

// shown returns the queries of all dashboards, with what Grafana puts in place of its variables.
func shown(t *testing.T) (all []query) {
	t.Helper()
	variables := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*")
	for file, d := range dashboards(t) {
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				all = append(all, query{fmt.Sprintf("%s, panel %q", file, panel.Title), variables.Replace(target.Expr)})
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

func TestDashboardsAreWhole(t *testing.T) {
	t.Parallel()
	var sources struct{ Datasources []struct{ UID string } }
	load(t, "grafana/provisioning/datasources/prometheus.yml", &sources)
	require.Len(t, sources.Datasources, 1)
	source := sources.Datasources[0].UID
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		require.NotEmpty(t, d.UID, file)
		require.False(t, uids[d.UID], "%s: uid %s is taken", file, d.UID)
		uids[d.UID] = true
		ids := map[int]bool{}
		for _, panel := range d.Panels {
			require.False(t, ids[panel.ID], "%s: id of %q is taken", file, panel.Title)
			ids[panel.ID] = true
			if panel.Type == "row" {
				continue
			}
			require.Equal(t, source, panel.Datasource.UID, "%s: %s", file, panel.Title)
			require.NotEmpty(t, panel.Targets, "%s: %s", file, panel.Title)
			for _, target := range panel.Targets {
				require.Equal(t, source, target.Datasource.UID, "%s: %s", file, panel.Title)
			}
		}
		for _, variable := range d.Templating.List {
			require.Equal(t, source, variable.Datasource.UID, file)
		}
	}
}

// As recording rules the dashboards' queries can be checked, too.
func TestQueriesOfDashboardsAreValid(t *testing.T) {
	t.Parallel()
	type recording struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var recordings []recording
	for n, q := range shown(t) {
		recordings = append(recordings, recording{fmt.Sprint("query_", n), q.expr})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboards", "rules": recordings}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "rules.yml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	promtool(t, "check", "rules", file)
}

// served returns the names under which the documented metrics are served, and those that Prometheus and the clients make.
func served(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"up": true, "process_resident_memory_bytes": true, "process_cpu_seconds_total": true}
	for _, metrics := range metricsdoc.Read(t) {
		for _, metric := range metrics {
			if metric.Type != "histogram" {
				names[metric.Name] = true
				continue
			}
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[metric.Name+suffix] = true
			}
		}
	}
	return names
}

func TestQueriesNameMetricsThatAreServed(t *testing.T) {
	t.Parallel()
	known := served(t)
	queries := shown(t)
	for _, r := range rules(t) {
		if r.Record != "" {
			known[r.Record] = true
		}
		queries = append(queries, query{"alerts.yml, " + r.Record + r.Alert, r.Expr})
	}
	for _, d := range dashboards(t) {
		for _, variable := range d.Templating.List {
			queries = append(queries, query{"variable", strings.TrimSuffix(strings.TrimPrefix(variable.Query.Query, "label_values("), ", job)")})
		}
	}
	for _, q := range queries {
		names := metricNames(q.expr)
		require.NotEmpty(t, names, "%s: %s", q.where, q.expr)
		for _, name := range names {
			require.True(t, known[name], "%s names %s, which nobody serves", q.where, name)
		}
	}
}

var (
	notNames = regexp.MustCompile(`\{(?:"[^"]*"|[^}"])*\}|\[[^\]]*\]|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	words    = regexp.MustCompile(`\b[a-zA-Z_][a-zA-Z0-9_:]*\b\s*\(?`)
	keywords = []string{"and", "or", "unless", "bool", "offset"}
)

// metricNames returns the metrics in a query: what is left without selectors, ranges, lists of labels, functions and
// keywords.
func metricNames(expr string) (names []string) {
	for _, word := range words.FindAllString(notNames.ReplaceAllString(expr, " "), -1) {
		if name := strings.TrimSpace(word); !strings.HasSuffix(name, "(") && !slices.Contains(keywords, name) {
			names = append(names, name)
		}
	}
	return names
}

func TestMetricNames(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`sum by (job) (rate(a_total{x=~"b}c.*"}[5m])) / on (job) group_left (k) d:e:f > 14.4 * 0.01`: {"a_total", "d:e:f"},
		`a unless sum(b offset 10m) or time() - c`:                                                   {"a", "b", "c"},
		`histogram_quantile(0.5, sum by (le) (x_bucket))`:                                            {"x_bucket"},
	} {
		require.Equal(t, want, metricNames(expr), expr)
	}
}
