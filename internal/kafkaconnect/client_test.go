package kafkaconnect_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"ticketing/internal/kafkaconnect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A worker is a Kafka Connect whose answers a test writes down. It records the requests.
type worker struct {
	mu       sync.Mutex
	requests []string
	answer   func(request string, count int) (status int, body string)
}

func (w *worker) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := request.Method + " " + request.URL.RequestURI()
	count := 0
	for _, earlier := range w.requests {
		if earlier == line {
			count++
		}
	}
	w.requests = append(w.requests, line)
	status, body := w.answer(line, count)
	response.WriteHeader(status)
	_, _ = response.Write([]byte(body))
}

func (w *worker) made(prefix string) (made []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, request := range w.requests {
		if strings.HasPrefix(request, prefix) {
			made = append(made, request)
		}
	}
	return made
}

func start(t *testing.T, answer func(request string, count int) (int, string)) (*worker, *kafkaconnect.Client) {
	t.Helper()
	w := &worker{answer: answer}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	client, err := kafkaconnect.New(server.URL)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return w, client
}

func status(t *testing.T, connector kafkaconnect.State, tasks ...kafkaconnect.State) string {
	t.Helper()
	s := kafkaconnect.Status{Name: "events", Connector: kafkaconnect.Part{State: connector}}
	for i, state := range tasks {
		s.Tasks = append(s.Tasks, kafkaconnect.Part{ID: i, State: state, Trace: "trace of " + string(state)})
	}
	body, err := json.Marshal(s)
	require.NoError(t, err)
	return string(body)
}

func TestNewRejectsAddress(t *testing.T) {
	for _, address := range []string{"", "localhost:8083", "ftp://localhost", "http://"} {
		_, err := kafkaconnect.New(address)
		require.ErrorContains(t, err, "address of Kafka Connect", address)
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := kafkaconnect.New(server.URL)
	require.NoError(t, err)
	_, err = client.Connectors(t.Context())
	var unreachable *kafkaconnect.UnreachableError
	require.ErrorAs(t, err, &unreachable)
	require.ErrorContains(t, err, "Kafka Connect at "+server.URL+" does not answer: ")
}

func TestAwaitReadySaysWhyItGaveUp(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := kafkaconnect.New(server.URL)
	require.NoError(t, err)
	gaveUp := errors.New("gave up")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, gaveUp)
	defer cancel()
	err = client.AwaitReady(ctx)
	require.ErrorIs(t, err, gaveUp)
	require.ErrorContains(t, err, "does not answer")
}

func TestAwaitReadyOutlastsTheStart(t *testing.T) {
	_, client := start(t, func(_ string, count int) (int, string) {
		return []int{http.StatusNotFound, http.StatusServiceUnavailable, http.StatusOK}[count], "[]"
	})
	require.NoError(t, client.AwaitReady(t.Context()))
}

func TestRebalanceIsRetried(t *testing.T) {
	w, client := start(t, func(_ string, count int) (int, string) {
		if count < 2 {
			return http.StatusConflict, `{"error_code":409,"message":"rebalance expected"}`
		}
		return http.StatusOK, "{}"
	})
	require.NoError(t, client.PutConfig(t.Context(), "events", map[string]string{"a": "b"}))
	require.Len(t, w.made("PUT /connectors/events/config"), 3)
}

// In the midst of a rebalance Connect answers some readings with 500.
func TestReadingsAreTriedAgain(t *testing.T) {
	w, client := start(t, func(_ string, count int) (int, string) {
		if count < 2 {
			return http.StatusInternalServerError, `{"error_code":500,"message":"Request cannot be completed because a rebalance is expected"}`
		}
		return http.StatusOK, `{"a":"b"}`
	})
	config, err := client.Config(t.Context(), "events")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "b"}, config)
	require.Len(t, w.made("GET /connectors/events/config"), 3)
}

func TestAReadingThatNeverSucceedsEnds(t *testing.T) {
	w, client := start(t, func(string, int) (int, string) {
		return http.StatusInternalServerError, `{"error_code":500,"message":"broken"}`
	})
	_, err := client.Config(t.Context(), "events")
	require.ErrorContains(t, err, "with 500: broken")
	require.Len(t, w.made("GET"), 6)
}

func TestErrorIsNotRetried(t *testing.T) {
	w, client := start(t, func(string, int) (int, string) {
		return http.StatusInternalServerError, `{"error_code":500,"message":"no class"}`
	})
	err := client.Pause(t.Context(), "a/b")
	require.EqualError(t, err, "Kafka Connect answered PUT /connectors/a%2Fb/pause with 500: no class")
	require.Len(t, w.made("PUT"), 1)
}

func TestValidate(t *testing.T) {
	answer := `{"configs":[{"value":{"name":"name","errors":[]}},{"value":{"name":"connector.class","errors":[]}},{"value":{"name":"port","errors":["no number","too small"]}}]}`
	_, client := start(t, func(string, int) (int, string) { return http.StatusOK, answer })
	_, err := client.Validate(t.Context(), "events", map[string]string{"connector.class": "c"})
	var invalid *kafkaconnect.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.EqualError(t, err, "events: the configuration is rejected:\n  port: no number\n  port: too small")

	answer = strings.ReplaceAll(answer, `"no number","too small"`, "")
	unknown, err := client.Validate(t.Context(), "events", map[string]string{
		"connector.class": "c", "prot": "1", "port": "1", "topic.creation.default.partitions": "6",
	})
	require.NoError(t, err)
	require.Equal(t, []string{"prot"}, unknown)
}

func TestApply(t *testing.T) {
	config := map[string]string{"a": "new"}
	current := func(value string) string { return `{"name":"events","a":"` + value + `"}` }
	tests := map[string]struct {
		config   string // as Connect has it; none when empty
		status   []string
		outcome  kafkaconnect.Outcome
		requests []string // those that change something
	}{
		"created": {
			outcome: kafkaconnect.Created, requests: []string{"PUT /connectors/events/config"},
		},
		"unchanged": {
			config: current("new"), status: []string{status(t, kafkaconnect.Running, kafkaconnect.Running)},
			outcome: kafkaconnect.Unchanged,
		},
		"unchanged but paused": {
			config: current("new"), status: []string{status(t, kafkaconnect.Paused, kafkaconnect.Paused)},
			outcome: kafkaconnect.Resumed, requests: []string{"PUT /connectors/events/resume"},
		},
		"unchanged but failed": {
			config: current("new"),
			// the second one was reported before the restart
			status: []string{
				status(t, kafkaconnect.Running, kafkaconnect.Failed),
				status(t, kafkaconnect.Running, kafkaconnect.Failed),
				status(t, kafkaconnect.Running, kafkaconnect.Failed),
				status(t, kafkaconnect.Running, kafkaconnect.Restarting),
			},
			outcome: kafkaconnect.Restarted, requests: []string{"POST /connectors/events/restart?includeTasks=true&onlyFailed=true"},
		},
		// the task of the old settings is still reported when the connector is STOPPED already
		"changed": {
			config: current("old"),
			status: []string{
				status(t, kafkaconnect.Running, kafkaconnect.Running),
				status(t, kafkaconnect.Stopped, kafkaconnect.Running),
				status(t, kafkaconnect.Stopped),
			},
			outcome:  kafkaconnect.Changed,
			requests: []string{"PUT /connectors/events/stop", "PUT /connectors/events/config", "PUT /connectors/events/resume"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w, client := start(t, func(request string, count int) (int, string) {
				switch {
				case request == "GET /connectors/events/config" && test.config == "":
					return http.StatusNotFound, "{}"
				case request == "GET /connectors/events/config":
					return http.StatusOK, test.config
				case request == "GET /connectors/events/status":
					return http.StatusOK, test.status[count]
				default:
					return http.StatusOK, "{}"
				}
			})
			outcome, err := client.Apply(t.Context(), "events", config)
			require.NoError(t, err)
			require.Equal(t, test.outcome, outcome)
			require.Equal(t, test.requests, append(w.made("PUT"), w.made("POST")...))
			require.Len(t, w.made("GET /connectors/events/status"), len(test.status))
		})
	}
}

func TestApplyResumesAfterARefusal(t *testing.T) {
	w, client := start(t, func(request string, _ int) (int, string) {
		switch request {
		case "GET /connectors/events/status":
			return http.StatusOK, status(t, kafkaconnect.Stopped)
		case "PUT /connectors/events/config":
			return http.StatusBadRequest, `{"message":"refused"}`
		default:
			return http.StatusOK, `{"a":"old"}`
		}
	})
	_, err := client.Apply(t.Context(), "events", map[string]string{"a": "new"})
	require.ErrorContains(t, err, "goes on with its old settings")
	require.ErrorContains(t, err, "refused")
	require.Len(t, w.made("PUT /connectors/events/resume"), 1)
}

func TestAwaitRunning(t *testing.T) {
	states := []struct {
		code int
		body string
	}{
		{http.StatusNotFound, "{}"}, // no worker has reported on it yet
		{http.StatusOK, status(t, kafkaconnect.Unassigned)},
		{http.StatusOK, status(t, kafkaconnect.Running)},
		{http.StatusOK, status(t, kafkaconnect.Running, kafkaconnect.Unassigned)},
		{http.StatusOK, status(t, kafkaconnect.Running, kafkaconnect.Running)},
	}
	_, client := start(t, func(_ string, count int) (int, string) {
		state := states[min(count, len(states)-1)]
		return state.code, state.body
	})
	now, err := client.AwaitRunning(t.Context(), "events", 0)
	require.NoError(t, err)
	require.Equal(t, "connector RUNNING, task 0 RUNNING", now.String())
}

func TestAwaitRunningFailsOnAFailedTask(t *testing.T) {
	_, client := start(t, func(_ string, count int) (int, string) {
		if count == 0 { // RUNNING for a moment: the settling time is what shows the failure
			return http.StatusOK, status(t, kafkaconnect.Running, kafkaconnect.Running)
		}
		return http.StatusOK, status(t, kafkaconnect.Running, kafkaconnect.Failed)
	})
	now, err := client.AwaitRunning(t.Context(), "events", time.Minute)
	var failed *kafkaconnect.FailedError
	require.ErrorAs(t, err, &failed)
	require.EqualError(t, err, "events: connector RUNNING, task 0 FAILED\ntrace of FAILED")
	require.True(t, now.Failed())
}

func TestAwaitNamesTheLastState(t *testing.T) {
	_, client := start(t, func(string, int) (int, string) {
		return http.StatusOK, status(t, kafkaconnect.Running)
	})
	gaveUp := errors.New("gave up")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, gaveUp)
	defer cancel()
	_, err := client.AwaitRunning(ctx, "events", 0)
	require.ErrorIs(t, err, gaveUp)
	require.ErrorContains(t, err, "events: connector RUNNING, no task yet")
}

func TestDeletedWhileAwaited(t *testing.T) {
	_, client := start(t, func(_ string, count int) (int, string) {
		if count > 0 {
			return http.StatusNotFound, "{}"
		}
		return http.StatusOK, status(t, kafkaconnect.Running)
	})
	_, err := client.AwaitRunning(t.Context(), "events", 0)
	require.ErrorIs(t, err, kafkaconnect.ErrNotFound)
}

func TestDeleteWaitsForTheEnd(t *testing.T) {
	w, client := start(t, func(request string, count int) (int, string) {
		if strings.HasPrefix(request, "GET") && count > 1 {
			return http.StatusNotFound, "{}"
		}
		return http.StatusOK, status(t, kafkaconnect.Running, kafkaconnect.Running)
	})
	require.NoError(t, client.Delete(t.Context(), "events"))
	require.Len(t, w.made("GET /connectors/events/status"), 3)
}
