package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"ticketing/stack/supervisor"
)

// architectures maps Go's names to those in the names of the Postgres artifacts.
var architectures = map[string]string{"amd64": "amd64", "arm64": "arm64v8"}

// Fetch has Maven fetch what stack/maven declares, lays it out under dir and returns the folder. What is there
// already is not fetched again; a changed declaration gets a folder of its own, so a stack in use keeps its files.
// It calls begin before it fetches.
func Fetch(ctx context.Context, root, dir string, begin func()) (string, error) {
	declaration := filepath.Join(root, "stack", "maven")
	fingerprint, err := supervisor.Fingerprint([]string{declaration})
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, fingerprint[:12])
	if exists(target) {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Postgres' user reads its binaries here
		return "", fmt.Errorf("make the artifacts' folder: %w", err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(target) { // another one has fetched it meanwhile
		return target, nil
	}
	begin()
	unfinished := target + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", fmt.Errorf("remove unfinished artifacts: %w", err)
	}
	err = run(ctx, io.Discard, nil, "mvn", "--batch-mode", "--quiet", "--file", declaration,
		"-Dout="+unfinished, "-Dpostgres.arch="+architectures[runtime.GOARCH], "package")
	if err != nil {
		return "", fmt.Errorf("fetch the artifacts that stack/maven declares: %w", err)
	}
	if err := layOut(ctx, unfinished); err != nil {
		return "", err
	}
	if err := os.Rename(unfinished, target); err != nil {
		return "", fmt.Errorf("put the artifacts in place: %w", err)
	}
	return target, nil
}

// layOut unpacks what Maven does not, and describes the modules to Elasticsearch.
func layOut(ctx context.Context, dir string) error {
	archives := filepath.Join(dir, "archives")
	for _, archive := range []struct {
		pattern, to string
		options     []string
	}{
		{"postgres-*.txz", "postgres", nil},
		{"debezium-connector-postgres-*.tar.gz", "plugins/debezium-connector-postgres", []string{"--strip-components=1"}},
		// beside the connector, since both must share a class loader
		{"debezium-scripting-*.tar.gz", "plugins/debezium-connector-postgres", []string{"--strip-components=1"}},
	} {
		path, err := only(filepath.Join(archives, archive.pattern))
		if err != nil {
			return err
		}
		to := filepath.Join(dir, archive.to)
		if err := os.MkdirAll(to, 0o755); err != nil { //nolint:gosec // see above
			return fmt.Errorf("unpack %s: %w", path, err)
		}
		if err := run(ctx, io.Discard, nil, "tar", append(archive.options, "--no-same-owner", "-C", to, "-xf", path)...); err != nil {
			return fmt.Errorf("unpack %s: %w", path, err)
		}
	}
	if err := os.RemoveAll(archives); err != nil {
		return fmt.Errorf("remove the archives: %w", err)
	}
	return describeModules(filepath.Join(dir, "elasticsearch"))
}

// describeModules writes the file by which Elasticsearch knows a plugin. Its version has to be the server's own.
func describeModules(home string) error {
	const core = "elasticsearch-core-"
	jar, err := only(filepath.Join(home, "lib", core+"*.jar"))
	if err != nil {
		return err
	}
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(jar), core), ".jar")
	for name, class := range map[string]string{
		"transport-netty4": "org.elasticsearch.transport.netty4.Netty4Plugin",
		"root":             "ticketing.stack.RootPlugin",
	} {
		text := fmt.Sprintf("name=%s\ndescription=%s\nversion=%s\nelasticsearch.version=%s\njava.version=17\nclassname=%s\n",
			name, name, version, version, class)
		path := filepath.Join(home, "modules", name, "plugin-descriptor.properties")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("describe the module %s: %w", name, err)
		}
	}
	return nil
}

func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("want one file %s, found %d", pattern, len(found))
	}
	return found[0], nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// lockFolder waits until no other process fetches into the folder.
func lockFolder(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return nil, fmt.Errorf("lock the artifacts: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock the artifacts: %w", err)
	}
	return func() { _ = file.Close() }, nil
}
