package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"ticketing/internal/chromium"
	"ticketing/stack/native"
)

const minJava = 17

// Tool is a program that has to be there.
type Tool struct {
	what     string
	present  func(ctx context.Context) bool
	packages []string // Debian's; alternatives, of which the first that can be installed is
}

var (
	jdk = Tool{
		what:     fmt.Sprintf("a Java development kit, %d or newer", minJava),
		present:  func(ctx context.Context) bool { return javaVersion(ctx) >= minJava },
		packages: []string{"openjdk-17-jdk-headless", "default-jdk-headless"},
	}
	maven = Tool{what: "Maven", present: onPath("mvn"), packages: []string{"maven"}}
	xz    = Tool{what: "xz, which unpacks Postgres", present: onPath("xz"), packages: []string{"xz-utils"}}
)

// ForTests are the tools that the tests need besides: the race detector is linked by a C compiler, one suite runs a
// program from a Python environment of its own, pages are tested in a real browser, and alerts by Prometheus' own means.
var ForTests = []Tool{
	{
		what:     "a C compiler with its headers, for the race detector",
		present:  succeeds("cc", "-E", "-include", "stdlib.h", "-x", "c", os.DevNull),
		packages: []string{"gcc libc6-dev"},
	},
	{what: "Python with venv", present: succeeds("python3", "-c", "import ensurepip, venv"), packages: []string{"python3-venv"}},
	{what: "Node.js with npm, for the tests of the pages", present: everything(onPath("node"), onPath("npm")), packages: []string{"nodejs npm"}},
	{what: "Chromium, for the tests of the pages", present: hasChromium, packages: []string{"chromium"}},
	{what: "Prometheus with promtool", present: everything(onPath("prometheus"), onPath("promtool")), packages: []string{"prometheus"}},
}

// machine is where tools are installed.
type machine struct {
	root bool // we may install
	run  func(ctx context.Context, name string, arguments ...string) error
}

// Tools returns nil when all tools are there, or could be installed. Otherwise the error names the command to run.
func Tools(ctx context.Context, out io.Writer, tools ...Tool) error {
	_, err := exec.LookPath("apt-get")
	return machine{root: os.Getuid() == 0 && err == nil, run: runQuietly}.tools(ctx, out, tools)
}

func (m machine) tools(ctx context.Context, out io.Writer, tools []Tool) error {
	var missing []Tool
	for _, tool := range tools {
		if !tool.present(ctx) {
			missing = append(missing, tool)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if !m.root {
		return notInstalled(missing)
	}
	if err := m.run(ctx, "apt-get", "update", "-qq"); err != nil {
		return fmt.Errorf("update the lists of packages: %w", err)
	}
	for _, tool := range missing {
		if err := m.install(ctx, out, tool); err != nil {
			return err
		}
	}
	return nil
}

func (m machine) install(ctx context.Context, out io.Writer, tool Tool) error {
	var failed error
	for _, name := range tool.packages {
		_, _ = fmt.Fprintf(out, "installing %s (%s)\n", name, tool.what)
		err := m.run(ctx, "apt-get", append([]string{"install", "-qq", "-y", "--no-install-recommends"}, strings.Fields(name)...)...)
		if err == nil && tool.present(ctx) {
			return nil
		}
		failed = errors.Join(failed, err)
	}
	return fmt.Errorf("%s is missing and could not be installed: %w", tool.what, failed)
}

func notInstalled(missing []Tool) error {
	what, packages := make([]string, len(missing)), make([]string, len(missing))
	for i, tool := range missing {
		what[i], packages[i] = tool.what, tool.packages[0]
	}
	return fmt.Errorf("missing: %s. On Debian or Ubuntu: sudo apt-get install %s", strings.Join(what, "; "), strings.Join(packages, " "))
}

func onPath(name string) func(context.Context) bool {
	return func(context.Context) bool {
		_, err := exec.LookPath(name)
		return err == nil
	}
}

func hasChromium(context.Context) bool {
	_, found := chromium.Find()
	return found
}

func everything(present ...func(context.Context) bool) func(context.Context) bool {
	return func(ctx context.Context) bool {
		return !slices.ContainsFunc(present, func(one func(context.Context) bool) bool { return !one(ctx) })
	}
}

func succeeds(name string, arguments ...string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		return exec.CommandContext(ctx, name, arguments...).Run() == nil //nolint:gosec // the table above
	}
}

// javaVersion is the major version of the compiler, 0 without one.
func javaVersion(ctx context.Context) int {
	output, err := exec.CommandContext(ctx, native.JavaTool("javac"), "-version").CombinedOutput() //nolint:gosec // JAVA_HOME's
	if err != nil {
		return 0
	}
	return parseJavaVersion(string(output))
}

// parseJavaVersion reads "javac 17.0.15". Before Java 9 it was "javac 1.8.0_292".
func parseJavaVersion(output string) int {
	_, version, _ := strings.Cut(strings.TrimSpace(output), "javac ")
	major, _, _ := strings.Cut(version, ".")
	number, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return number
}

func runQuietly(ctx context.Context, name string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // apt-get
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, output)
	}
	return nil
}
