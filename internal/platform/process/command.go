//go:build linux

package process

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/secret"
)

// command is something that can be executed: every ${…} is filled in and the file exists.
type command struct {
	path string
	args []string
	dir  string
	env  []string
}

// program returns the instance's own command with the secrets that were found; the error says in words why it cannot be run.
func (l launch) program(found secret.Set) (command, error) {
	p := l.Spec.Settings.Process
	if p == nil || len(p.Command) == 0 {
		return command{}, fmt.Errorf("%s: the service has no process.command", l.ID)
	}
	return l.scope().command(p, p.Command, found)
}

// command returns words as a command with the folder and environment of p.
func (s scope) command(p *deploy.Process, words []string, found secret.Set) (c command, err error) {
	c.args, c.env = s.expandAll(words), s.environ(p.Env, found)
	if c.dir, err = filepath.Abs(cmp.Or(s.expand(p.Dir), ".")); err == nil {
		err = checkDir(c.dir)
	}
	if err != nil {
		return command{}, fmt.Errorf("%s: %w", c.args[0], err)
	}
	c.path, err = findProgram(c.args[0], c.dir, c.env)
	return c, found.Hide(err) // it quotes PATH, which may be of the server's environment
}

// findProgram returns the file that a command's first word names, as a shell in dir would find it: a word with a
// slash is a path, any other is looked for in the PATH of the environment.
func findProgram(name, dir string, environ []string) (string, error) {
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path, executable(name, path, dir)
	}
	search := ""
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, "PATH="); ok {
			search = value
		}
	}
	for _, folder := range filepath.SplitList(search) {
		if !filepath.IsAbs(folder) {
			continue // also not the empty one: the working directory is no place to find programs by accident
		}
		if path := filepath.Join(folder, name); executable(name, path, dir) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: no such program in PATH (%s); write ./%[1]s for one in %s", name, search, dir)
}

// executable says in words why a file cannot be run.
func executable(name, path, dir string) error {
	where := ""
	if !filepath.IsAbs(name) {
		where = " in " + dir
	}
	info, err := os.Stat(path)
	switch {
	case missing(err):
		return fmt.Errorf("%s: no such file or directory%s", name, where)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case info.IsDir():
		return fmt.Errorf("%s: is a folder, not a program%s", name, where)
	case unix.Access(path, unix.X_OK) != nil:
		return fmt.Errorf("%s: not executable%s; chmod +x makes it so", name, where)
	}
	return nil
}

// checkDir says in words why a folder cannot be worked in.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case missing(err):
		return fmt.Errorf("the working directory %s does not exist", dir)
	case err != nil:
		return fmt.Errorf("the working directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("the working directory %s is not a folder", dir)
	}
	return nil
}

// explain turns the errors of exec that puzzle people into words; that the file exists and may be executed is known.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return errors.New("the interpreter or loader that it names does not exist on this machine")
	case errors.Is(err, unix.ENOEXEC):
		return errors.New("it is not a program for this machine, nor a script with a #! line")
	case errors.Is(err, unix.E2BIG):
		return errors.New("its arguments and environment together are longer than Linux allows; give it less by process.env")
	}
	return err
}
