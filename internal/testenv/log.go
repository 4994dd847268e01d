package testenv

import (
	"bytes"
	"sync"
)

// Log is a program's log that a test may read while it is written. The zero value is empty.
type Log struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// Write appends to the log.
func (l *Log) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(text)
}

// String returns what was written so far.
func (l *Log) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}
