package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// readFile reads a value from a regular file. Opening does not wait, as it would for a pipe that nobody writes to.
func readFile(path string) (f finding) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.fault = fmt.Sprintf("%s does not exist on the machine that naru serves on: make it, or correct the path", path)
		return f
	case errors.Is(err, fs.ErrPermission):
		f.fault = fmt.Sprintf("%s may not be read by the user that naru serve runs as: let that user own it, with mode 0400", path)
		return f
	case err != nil:
		f.fault = err.Error()
		return f
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		f.fault = err.Error()
		return f
	case !info.Mode().IsRegular():
		f.fault = fmt.Sprintf("%s is no regular file: name one that holds the value", path)
		return f
	case info.Mode().Perm()&0o004 != 0:
		f.warning = fmt.Sprintf("%s may be read by every user of this machine: chmod o-r makes it less public", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, longest+1))
	if err != nil {
		f.fault = fmt.Sprintf("%s cannot be read: %v", path, err)
		return f
	}
	f.value = trimmed(string(text))
	return f
}

// trimmed is a text without one line break at its end, which editors and echo leave there; a second one is meant.
func trimmed(text string) string {
	if rest, found := strings.CutSuffix(text, "\n"); found {
		return strings.TrimSuffix(rest, "\r")
	}
	return text
}

// Public reports whether every user of this machine may read the file; false for one that is not there.
func Public(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}
