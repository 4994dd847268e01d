// Package chromium finds the browser that pages are tested with.
package chromium

import (
	"os"
	"os/exec"
)

// Find returns the browser's path: what the environment's CHROMIUM says, or the first of the usual names that is there.
func Find() (string, bool) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, true
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}
