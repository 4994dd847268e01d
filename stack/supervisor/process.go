package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Output of a process's children may come behind its end; they are not waited for longer than this.
const outputWait = 2 * time.Second

// spawn starts the component's process in a process group of its own. The channel yields how it ended.
func spawn(ctx context.Context, c Component, output io.Writer) (*os.Process, <-chan error, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", c.Command[0], err)
	}
	// The end of ctx is a signal to stop cleanly, which the caller sends.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), c.Command[0], c.Command[1:]...) //nolint:gosec // the table says what runs
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = writer, writer
	cmd.SysProcAttr = Attributes(c.Owner)

	started, exited := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ends the process when the thread that started it ends, so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = writer.Close() // ours; the process has its own
		started <- err
		if err != nil {
			_ = reader.Close()
			return
		}
		copied := make(chan struct{})
		go func() {
			defer close(copied)
			_, _ = io.Copy(output, reader)
			_, _ = io.Copy(io.Discard, reader) // a log that cannot be written must not stop what it is about
		}()
		err = cmd.Wait()
		// Its children, if it has left any in its group, go with it.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		select {
		case <-copied:
		case <-time.After(outputWait):
		}
		_ = reader.Close()
		<-copied
		exited <- err
	}()
	if err := <-started; err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", c.Command[0], err)
	}
	return cmd.Process, exited, nil
}

// Fingerprint hashes names and contents of the files, and of the files in the folders, of paths.
func Fingerprint(paths []string) (string, error) {
	hash := sha256.New()
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error { //nolint:gosec // the table's paths
			if err != nil || entry.IsDir() {
				return err
			}
			file, err := os.Open(path) //nolint:gosec // the table's paths
			if err != nil {
				return err //nolint:wrapcheck // names the path
			}
			defer func() { _ = file.Close() }()
			_, _ = fmt.Fprintln(hash, path)
			_, err = io.Copy(hash, file)
			return err //nolint:wrapcheck // names the path
		})
		if err != nil {
			return "", fmt.Errorf("read what the component is made of: %w", err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
