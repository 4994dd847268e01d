package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// shortPath returns a path of the folder's control socket that fits into a socket address, which holds 107 bytes
// however deep the checkout lies (unix(7)). It can be used until done is called.
func shortPath(dir string) (path string, done func(), err error) {
	folder, err := os.Open(dir) //nolint:gosec // the state folder
	if err != nil {
		return "", nil, fmt.Errorf("open the state folder: %w", err)
	}
	path = filepath.Join("/proc/self/fd", strconv.FormatUint(uint64(folder.Fd()), 10), socketName)
	return path, func() { _ = folder.Close() }, nil
}
