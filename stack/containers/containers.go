// Package containers replaces the servers of the native table by containers of the images that docker-compose.yml
// names, with dockertest. The suites that run beside the one run beside the other.
package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"

	"ticketing/stack/native"
	"ticketing/stack/supervisor"
)

const (
	readyWithin = 3 * time.Minute
	probeEvery  = 200 * time.Millisecond
	// Containers whose owner was killed end by themselves.
	expireSeconds = 3600
	// imageStep is the name of the step that builds the Connect image.
	imageStep = "connect-image"
)

// Stack runs containers in a network of their own.
type Stack struct {
	settings native.Settings
	services map[string]service
	pool     *dockertest.Pool
	network  *dockertest.Network

	mu      sync.Mutex
	running []*dockertest.Resource
}

// service is what is used of a service in the compose file.
type service struct {
	Image       string
	Command     []string
	Environment map[string]string
	Build       struct{ Context, Dockerfile string }
}

// New connects to the Docker engine. The settings' ports are those that the containers are published on.
func New(ctx context.Context, settings native.Settings) (*Stack, error) {
	services, err := readCompose(settings)
	if err != nil {
		return nil, err
	}
	pool, err := dockertest.NewPool("")
	if err != nil {
		return nil, fmt.Errorf("find the Docker engine: %w", err)
	}
	if err := pool.Client.PingWithContext(ctx); err != nil {
		return nil, fmt.Errorf("no Docker engine answers: %w", err)
	}
	network, err := pool.CreateNetwork(filepath.Base(settings.State))
	if err != nil {
		return nil, fmt.Errorf("create a network: %w", err)
	}
	return &Stack{settings: settings, services: services, pool: pool, network: network}, nil
}

// Close removes the containers and their network.
func (s *Stack) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for _, resource := range s.running {
		if err := s.pool.Purge(resource); err != nil {
			failed = errors.Join(failed, fmt.Errorf("remove container %s: %w", resource.Container.Name, err))
		}
	}
	s.running = nil
	if err := s.pool.RemoveNetwork(s.network); err != nil {
		failed = errors.Join(failed, fmt.Errorf("remove the network: %w", err))
	}
	return failed
}

// ports are those that the servers listen on in their containers.
func (s *Stack) ports() map[string]struct{ inside, outside int } {
	return map[string]struct{ inside, outside int }{
		native.Postgres:      {5432, s.settings.Ports.Postgres},
		native.Kafka:         {9092, s.settings.Ports.Kafka},
		native.Connect:       {8083, s.settings.Ports.Connect},
		native.Elasticsearch: {9200, s.settings.Ports.Elasticsearch},
	}
}

// Table returns the native table with a step that starts a container in place of each server. Our own programs stay
// processes.
func (s *Stack) Table(table []supervisor.Component) []supervisor.Component {
	var replaced []supervisor.Component
	for _, c := range table {
		if _, ok := s.ports()[c.Name]; ok {
			c = supervisor.Component{Name: c.Name, After: c.After, Address: c.Address, Step: s.start(c.Name, c.Ready)}
		}
		if c.Name == native.Connect {
			c.After = append(slices.Clip(c.After), imageStep)
			replaced = append(replaced, supervisor.Component{Name: imageStep, Step: s.build})
		}
		replaced = append(replaced, c)
	}
	return replaced
}

// build builds the Connect image from connectors/Dockerfile.
func (s *Stack) build(ctx context.Context, log io.Writer) error {
	connect := s.services[native.Connect]
	err := s.pool.Client.BuildImage(docker.BuildImageOptions{
		Context: ctx, Name: connect.Image, Dockerfile: connect.Build.Dockerfile,
		ContextDir: filepath.Join(s.settings.Root, connect.Build.Context), OutputStream: log,
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", connect.Image, err)
	}
	return nil
}

// start returns a step that starts a server's container and waits until it is ready.
func (s *Stack) start(name string, ready func(context.Context) error) func(context.Context, io.Writer) error {
	return func(ctx context.Context, log io.Writer) error {
		resource, err := s.run(name)
		if err != nil {
			return fmt.Errorf("start a container of %s: %w", s.services[name].Image, err)
		}
		if err := wait(ctx, ready); err != nil {
			s.copyLog(ctx, resource, log)
			return err
		}
		return nil
	}
}

func (s *Stack) run(name string) (*dockertest.Resource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	service, port := s.services[name], s.ports()[name]
	repository, tag, _ := strings.Cut(service.Image, ":")
	inside := strconv.Itoa(port.inside) + "/tcp"
	environment := make([]string, 0, len(service.Environment))
	for variable, value := range service.Environment {
		environment = append(environment, variable+"="+value)
	}
	containerName := filepath.Base(s.settings.State) + "-" + name
	if err := s.pool.RemoveContainerByName(containerName); err != nil { // of a try before
		return nil, fmt.Errorf("remove the container before: %w", err)
	}
	resource, err := s.pool.RunWithOptions(&dockertest.RunOptions{
		Name: containerName, Repository: repository, Tag: tag, Cmd: service.Command, Env: environment,
		ExposedPorts: []string{inside},
		PortBindings: map[docker.Port][]docker.PortBinding{
			docker.Port(inside): {{HostIP: native.Host, HostPort: strconv.Itoa(port.outside)}},
		},
		Networks: []*dockertest.Network{s.network},
	}, func(host *docker.HostConfig) { host.PublishAllPorts = false })
	if err != nil {
		return nil, err //nolint:wrapcheck // start says what for
	}
	s.running = append(s.running, resource)
	if err := resource.Expire(expireSeconds); err != nil {
		return nil, err //nolint:wrapcheck // start says what for
	}
	return resource, s.alias(resource, name)
}

// alias lets the other containers find this one by the service's name, as in compose. dockertest joins a network
// without one.
func (s *Stack) alias(resource *dockertest.Resource, name string) error {
	if err := resource.DisconnectFromNetwork(s.network); err != nil {
		return err //nolint:wrapcheck // start says what for
	}
	return s.pool.Client.ConnectNetwork(s.network.Network.ID, docker.NetworkConnectionOptions{ //nolint:wrapcheck // start says what for
		Container: resource.Container.ID, EndpointConfig: &docker.EndpointConfig{Aliases: []string{name}},
	})
}

func (s *Stack) copyLog(ctx context.Context, resource *dockertest.Resource, log io.Writer) {
	// Only to say more of a failure that is reported already.
	_ = s.pool.Client.Logs(docker.LogsOptions{
		Context: context.WithoutCancel(ctx), Container: resource.Container.ID,
		OutputStream: log, ErrorStream: log, Stdout: true, Stderr: true, Tail: "200",
	})
}

func wait(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", readyWithin, err)
		}
	}
}

// readCompose reads the services with the settings' ports and passwords filled in.
func readCompose(settings native.Settings) (map[string]service, error) {
	text, err := os.ReadFile(filepath.Join(settings.Root, "docker-compose.yml"))
	if err != nil {
		return nil, fmt.Errorf("read the images: %w", err)
	}
	variables := settings.Environment()
	for _, port := range settings.Ports.Each() {
		variables[port.Variable] = strconv.Itoa(*port.Value)
	}
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal([]byte(interpolate(string(text), variables)), &file); err != nil {
		return nil, fmt.Errorf("read docker-compose.yml: %w", err)
	}
	return file.Services, nil
}

// interpolate fills in ${NAME:-default}, which is the only form that the compose file uses.
func interpolate(text string, variables map[string]string) string {
	return os.Expand(text, func(expression string) string {
		name, otherwise, _ := strings.Cut(expression, ":-")
		if value := variables[name]; value != "" {
			return value
		}
		return otherwise
	})
}
