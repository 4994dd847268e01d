package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"ticketing/internal/metricsdoc"
	"ticketing/internal/testenv"
)

// watched are the programs that serve metrics, by the headings of docs/metrics.md.
func watched(t *testing.T) map[string]string {
	t.Helper()
	c := newCommands(t)
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	inBackground(t, c.command(t.Context(), t, "verify", "--interval", "1s", "--wait-pipeline", "20s", "--listen", address))
	return map[string]string{
		"eventapi": eventAPI(t), "eventsearch": eventSearch(t), "cdc-indexer run": indexerURL(t), "cdc-indexer verify --interval": "http://" + address,
	}
}

// Prometheus itself, with the settings and rules of deploy/monitoring, watches the running system: it reaches the programs,
// the rules make sense of what they serve, and each panel of the dashboards shows something. What they serve is
// documented.
func TestPrometheusWatchesTheSystem(t *testing.T) {
	programs := watched(t)
	server := startPrometheus(t, map[string]string{
		"eventapi:8080": programs["eventapi"], "eventsearch:8081": programs["eventsearch"],
		"cdc-indexer:8082": programs["cdc-indexer run"], "verify:8084": programs["cdc-indexer verify --interval"],
	})
	for _, job := range []string{"eventapi", "eventsearch", "cdc-indexer", "verify"} {
		server.await(t, fmt.Sprintf("up{job=%q} == 1", job))
	}
	for n := range 20 {
		title := fmt.Sprint("watched ", n)
		id := create(t, newEvent(title))
		waitTitle(t, id, title)
		status, body, err := call(t.Context(), http.MethodGet, programs["eventapi"]+"/events/"+id, nil, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%s", body)
	}
	server.await(t, `job:cdc_indexer_freshness_slow:ratio_rate5m{job="cdc-indexer"} >= 0`)
	server.await(t, `cdc_indexer_slot_safe_wal_bytes > 0`)
	server.await(t, `cdc_indexer_verify_last_success_timestamp_seconds > 0`)
	server.requireRulesWork(t)
	for _, expr := range panelQueries(t) {
		server.await(t, expr)
	}
	for program, address := range programs {
		requireServedIsDocumented(t, program, address)
	}
	t.Logf("share of slow batches: %s", server.await(t, `job:cdc_indexer_freshness_slow:ratio_rate5m`))
	t.Logf("p95 until searchable, seconds: %s",
		server.await(t, `histogram_quantile(0.95, sum by (le) (rate(cdc_indexer_commit_to_searchable_seconds_bucket[5m])))`))
}

type prometheusServer struct{ url string }

// startPrometheus runs Prometheus with the real settings, but for where the programs are and how often it looks.
func startPrometheus(t *testing.T, targets map[string]string) prometheusServer {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	require.NoError(t, err, "prometheus is missing: `go run ./stack tools` installs Debian's package as root")
	folder := filepath.Join(root(t), "deploy", "monitoring")
	settings, err := os.ReadFile(filepath.Join(folder, "prometheus.yml"))
	require.NoError(t, err)
	replace := []string{
		"interval: 15s", "interval: 1s", "scrape_timeout: 10s", "scrape_timeout: 1s", "[alerts.yml]", "[" + filepath.Join(folder, "alerts.yml") + "]",
	}
	for target, address := range targets {
		replace = append(replace, target, strings.TrimPrefix(address, "http://"))
	}
	for n := 0; n < len(replace); n += 2 {
		require.Contains(t, string(settings), replace[n])
	}
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(string(settings))), 0o600))

	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	inBackground(t, exec.CommandContext(t.Context(), program, "--config.file", file, "--storage.tsdb.path", t.TempDir(), "--web.listen-address", address))
	server := prometheusServer{"http://" + address}
	testenv.Eventually(t, patience, func(ctx context.Context) error {
		status, body, err := call(ctx, http.MethodGet, server.url+"/-/ready", nil, nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%w: %s", errNotYet, body)
		}
		return err
	})
	return server
}

// query returns what an expression evaluates to now.
func (s prometheusServer) query(ctx context.Context, expr string) (model.Vector, error) {
	status, body, err := call(ctx, http.MethodGet, s.url+"/api/v1/query?query="+url.QueryEscape(expr), nil, nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", status, body)
	}
	var answer struct{ Data struct{ Result model.Vector } }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	return answer.Data.Result, nil
}

// await waits until an expression evaluates to something, and returns that.
func (s prometheusServer) await(t *testing.T, expr string) (found model.Vector) {
	t.Helper()
	testenv.Eventually(t, patience, func(ctx context.Context) (err error) {
		if found, err = s.query(ctx, expr); err == nil && len(found) == 0 {
			err = errNotYet
		}
		if err != nil {
			return fmt.Errorf("%s: %w", expr, err)
		}
		return nil
	})
	return found
}

// requireRulesWork looks at what has become of each rule's last evaluation.
func (s prometheusServer) requireRulesWork(t *testing.T) {
	t.Helper()
	_, body, err := call(t.Context(), http.MethodGet, s.url+"/api/v1/rules", nil, nil)
	require.NoError(t, err)
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	count := 0
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			count++
			require.Equal(t, "ok", rule.Health, "%s: %s", rule.Name, rule.LastError)
		}
	}
	require.Positive(t, count)
	t.Logf("%d rules evaluated", count)
}

// mayBeEmpty are the queries that give nothing where nothing went wrong.
var mayBeEmpty = regexp.MustCompile(`dead_letters|status=~`)

// panelQueries returns what the dashboards ask for, with Grafana's variables filled in.
func panelQueries(t *testing.T) (queries []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "deploy", "monitoring", "dashboards", "*.json"))
	require.NoError(t, err)
	variables := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var dashboard struct {
			Panels []struct{ Targets []struct{ Expr string } }
		}
		require.NoError(t, json.Unmarshal(text, &dashboard), file)
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				if !mayBeEmpty.MatchString(target.Expr) {
					queries = append(queries, variables.Replace(target.Expr))
				}
			}
		}
	}
	require.NotEmpty(t, queries)
	t.Logf("%d queries of panels", len(queries))
	return queries
}

func requireServedIsDocumented(t *testing.T, program, address string) {
	t.Helper()
	_, body, err := call(t.Context(), http.MethodGet, address+"/metrics", nil, nil)
	require.NoError(t, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(body)))
	require.NoError(t, err)
	documented := metricsdoc.Read(t)[program]
	for _, family := range families {
		for _, served := range metricsdoc.Of([]*metricsdoc.Family{family}) {
			require.Contains(t, documented, served, program)
		}
	}
}
