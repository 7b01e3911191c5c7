package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/naru-deploy/naru/internal/deploy"
)

// readFile reads a value from a regular file. Opening does not wait, as it would for a pipe that nobody writes to.
func readFile(path string) (f finding) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
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
	}
	f.warning = public(path, info.Mode())
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

// public is what to say of a file that every user of this machine may read; empty for others.
func public(path string, mode fs.FileMode) string {
	if mode.Perm()&0o004 == 0 {
		return ""
	}
	return fmt.Sprintf("%s may be read by every user of this machine: chmod o-r makes it less public", path)
}

// Public finds the secrets of a service that lie in files which every user of this machine may read. Files that are not here
// are none. No file is opened.
func Public(s deploy.Service) (problems []deploy.Problem) {
	env, at := s.Environment()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		info, err := os.Stat(env[name].File)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if text := public(env[name].File, info.Mode()); text != "" {
			problems = append(problems, deploy.Problem{Path: at + "." + name + ".file", Message: text})
		}
	}
	return problems
}
