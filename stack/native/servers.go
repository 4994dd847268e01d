package native

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"github.com/segmentio/kafka-go"

	"ticketing/stack/kafkatopics"
	"ticketing/stack/supervisor"
)

//go:embed config
var templates embed.FS

// configure writes a file of the config folder, filled in, to the state folder.
func (s Settings) configure(name, to string) error {
	parsed, err := template.New(name).Option("missingkey=error").ParseFS(templates, "config/"+name)
	if err != nil {
		return fmt.Errorf("read the template of %s: %w", name, err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, s); err != nil {
		return fmt.Errorf("fill in %s: %w", name, err)
	}
	path := s.config(to)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // Postgres' user passes through the state folder
		return fmt.Errorf("configure: %w", err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	return nil
}

// java returns the command line of a Java program with its heap's size at start and at most.
func (s Settings) java(heap, maxHeap, classPath string, arguments ...string) []string {
	return append([]string{
		JavaTool("java"), "-Xms" + heap, "-Xmx" + maxHeap,
		"-XX:+ExitOnOutOfMemoryError", // a process that has ended is started again; one that limps is not
		"-Djava.awt.headless=true", "-Dfile.encoding=UTF-8",
		"-Dorg.slf4j.simpleLogger.logFile=System.out",
		"-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
		"-cp", classPath,
	}, arguments...)
}

// JavaTool is the path of one of the JDK's programs: JAVA_HOME's, or the one on the PATH.
func JavaTool(name string) string {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", name)
	}
	return name
}

func (s Settings) kafkaClasses() string { return filepath.Join(s.Artifacts, "kafka", "*") }

// formatKafka writes the broker's configuration, and makes its data folder a cluster of one when it is none yet.
func (s Settings) formatKafka(ctx context.Context, log io.Writer) error {
	if err := s.configure("server.properties", "server.properties"); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.Data(Kafka), "meta.properties")); err == nil {
		return nil
	}
	const clusterID = "dGlja2V0aW5nLXN0YWNrIQ" // any 16 bytes
	format := s.java("64m", "128m", s.kafkaClasses(), "kafka.tools.StorageTool",
		"format", "--standalone", "--cluster-id", clusterID, "--config", s.config("server.properties"))
	return run(ctx, log, nil, format[0], format[1:]...)
}

func (s Settings) kafkaReady(ctx context.Context) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(address(s.Ports.Kafka)), Transport: transport}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("ask Kafka for its metadata: %w", err)
	}
	if len(metadata.Brokers) == 0 {
		return errors.New("the broker has not joined its cluster yet")
	}
	return nil
}

func (s Settings) createTopics(ctx context.Context, log io.Writer) error {
	return kafkatopics.Ensure(ctx, address(s.Ports.Kafka), kafkatopics.All(), log)
}

func (s Settings) configureConnect(context.Context, io.Writer) error {
	return s.configure("connect.properties", "connect.properties")
}

func (s Settings) configureElasticsearch(context.Context, io.Writer) error {
	if err := s.configure("log4j2.properties", "elasticsearch/log4j2.properties"); err != nil {
		return err
	}
	return s.configure("elasticsearch.yml", "elasticsearch/elasticsearch.yml")
}

func (s Settings) elasticsearchCommand() []string {
	home := filepath.Join(s.Artifacts, "elasticsearch")
	return s.java("1g", "1g", filepath.Join(home, "lib", "*"),
		"-Des.path.home="+home, "-Dlog4j2.disable.jmx=true", "-Dlog4j.shutdownHookEnabled=false",
		"-Dio.netty.noUnsafe=true", "-Dio.netty.noKeySetOptimization=true",
		"ticketing.stack.Launcher", home, s.config("elasticsearch"))
}

// registerConnector has our program put the connector's file to Connect.
func (s Settings) registerConnector(ctx context.Context, log io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return run(ctx, log, nil, s.Program("connectors"), "register", "--connect-url", httpURL(s.Ports.Connect),
		filepath.Join(s.Root, "connectors", "events.json"))
}

// httpReady asks for an URL until it answers 200.
func httpReady(url string) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return fmt.Errorf("ask %s: %w", url, err)
		}
		response, err := client.Do(request)
		if err != nil {
			return err //nolint:wrapcheck // says method and URL
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 300))
			return fmt.Errorf("%s answers %s: %s", url, response.Status, bytes.TrimSpace(body))
		}
		return nil
	}
}

// run runs a command to its end, with its output in the log. The error holds the end of the output.
func run(ctx context.Context, log io.Writer, owner *supervisor.Owner, name string, arguments ...string) error {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // our own command lines
	cmd.SysProcAttr = supervisor.Attributes(owner)
	cmd.Stdout = io.MultiWriter(&output, log)
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		said := bytes.TrimSpace(output.Bytes())
		const enough = 500
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, said[max(0, len(said)-enough):])
	}
	return nil
}
