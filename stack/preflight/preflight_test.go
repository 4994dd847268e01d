package preflight

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ticketing/stack/native"
)

func TestPlatform(t *testing.T) {
	t.Parallel()
	require.NoError(t, platform("linux", "amd64"))
	require.NoError(t, platform("linux", "arm64"))
	require.ErrorContains(t, platform("darwin", "arm64"), "STACK=docker")
	require.Error(t, platform("linux", "386"))
}

func TestMemory(t *testing.T) {
	t.Parallel()
	require.NoError(t, memory("MemTotal: 9000000 kB\nMemAvailable:    4194304 kB\n"))
	require.NoError(t, memory("no such line"))
	require.EqualError(t, memory("MemTotal: 9000000 kB\nMemAvailable:    2097152 kB\n"),
		"2.0 GiB of memory are available, and the stack needs 4: stop something else")
}

func TestDiskOfAFolderThatDoesNotExistYet(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() + "/not/yet"
	require.NoError(t, disk(folder, 1))
	require.ErrorContains(t, disk(folder, 1<<62), "make room")
}

func TestJavaVersion(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]int{
		"javac 17.0.15\n": 17,
		"javac 21":        21,
		"javac 1.8.0_292": 1,
		"Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njavac 25.0.1": 25,
		"command not found": 0,
	} {
		require.Equal(t, want, parseJavaVersion(output), output)
	}
}

// A machine where packages can be installed, or not.
type fakeMachine struct {
	installed, offers []string
	commands          []string
}

func (f *fakeMachine) has(name string) func(context.Context) bool {
	return func(context.Context) bool { return strings.Contains(strings.Join(f.installed, " "), name) }
}

func (f *fakeMachine) run(_ context.Context, name string, arguments ...string) error {
	command := name + " " + strings.Join(arguments, " ")
	f.commands = append(f.commands, command)
	if arguments[0] != "install" {
		return nil
	}
	wanted := arguments[len(arguments)-1]
	for _, offered := range f.offers {
		if offered == wanted {
			f.installed = append(f.installed, wanted)
			return nil
		}
	}
	return errors.New("unable to locate package " + wanted)
}

func TestToolsAreInstalledByRoot(t *testing.T) {
	t.Parallel()
	fake := &fakeMachine{installed: []string{"xz"}, offers: []string{"default-jdk-headless", "maven"}}
	tools := []Tool{
		{what: "Java", present: fake.has("jdk"), packages: []string{"openjdk-17-jdk-headless", "default-jdk-headless"}},
		{what: "Maven", present: fake.has("maven"), packages: []string{"maven"}},
		{what: "xz", present: fake.has("xz"), packages: []string{"xz-utils"}},
	}
	var said strings.Builder
	require.NoError(t, machine{root: true, run: fake.run}.tools(t.Context(), &said, tools))
	require.Equal(t, []string{"xz", "default-jdk-headless", "maven"}, fake.installed)
	require.Contains(t, said.String(), "installing maven (Maven)")
	require.NotContains(t, strings.Join(fake.commands, "\n"), "xz-utils")

	// nothing to do, so nothing is run
	fake.commands = nil
	require.NoError(t, machine{root: true, run: fake.run}.tools(t.Context(), io.Discard, tools))
	require.Empty(t, fake.commands)
}

func TestToolsThatCannotBeInstalledAreNamed(t *testing.T) {
	t.Parallel()
	fake := &fakeMachine{}
	tools := []Tool{
		{what: "Java", present: fake.has("jdk"), packages: []string{"openjdk-17-jdk-headless", "default-jdk-headless"}},
		{what: "Maven", present: fake.has("maven"), packages: []string{"maven"}},
	}
	err := machine{root: false, run: fake.run}.tools(t.Context(), io.Discard, tools)
	require.EqualError(t, err, "missing: Java; Maven. On Debian or Ubuntu: sudo apt-get install openjdk-17-jdk-headless maven")
	require.Empty(t, fake.commands)

	err = machine{root: true, run: fake.run}.tools(t.Context(), io.Discard, tools)
	require.ErrorContains(t, err, "Java is missing and could not be installed")
	require.ErrorContains(t, err, "default-jdk-headless")
}

func TestPortInUseIsNamedWithItsVariableAndItsProcess(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", native.Host+":0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	taken := listener.Addr().(*net.TCPAddr).Port

	free, err := native.FreePorts()
	require.NoError(t, err)
	require.NoError(t, Ports(free.Each()))

	free.Kafka = taken
	err = Ports(free.Each())
	require.ErrorContains(t, err, "KAFKA_PORT")
	require.ErrorContains(t, err, "by preflight.test (process ")
	require.NotContains(t, err.Error(), "POSTGRES_PORT")
}
