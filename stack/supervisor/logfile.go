package supervisor

import (
	"fmt"
	"os"
	"sync"
)

// A log is this long at most, in bytes, and one older one is kept beside it.
const maxLog = 16 << 20

// OldSuffix is what the older log of a component has behind its name.
const OldSuffix = ".1"

// LogFile appends to a file that never grows beyond maxLog. The zero value with a Path is ready for use.
type LogFile struct {
	Path string

	mu   sync.Mutex
	file *os.File
	size int64
}

func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > maxLog {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err //nolint:wrapcheck // names the file
}

// Close closes the file. A later Write opens it again.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.close()
}

func (l *LogFile) open() error {
	file, err := os.OpenFile(l.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // as readable as the checkout
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("open log: %w", err)
	}
	l.file, l.size = file, info.Size()
	return nil
}

func (l *LogFile) rotate() error {
	if err := l.close(); err != nil {
		return err
	}
	l.size = 0
	if err := os.Rename(l.Path, l.Path+OldSuffix); err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	return nil
}

func (l *LogFile) close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err //nolint:wrapcheck // names the file
}
