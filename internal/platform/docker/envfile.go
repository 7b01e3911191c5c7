package docker

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const maxEnvFile = 1 << 20 // bytes

// readEnvFile reads lines of NAME=value, as the docker command does: the value is taken as it stands, quotes included; a NAME
// alone has the server's own value, if it has one. Errors name the line and never the value. An empty path has no variables.
func readEnvFile(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxEnvFile) { // a pipe would make everybody wait
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, maxEnvFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w; make it on the machine that naru serves on, or correct the path", err)
	}
	env := make(map[string]string)
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		number++
		line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, given := strings.Cut(line, "=")
		switch {
		case !variableName.MatchString(name):
			return nil, fmt.Errorf("%s:%d: %q is no name for an environment variable; write NAME=value", path, number, name)
		case name == "PORT" || strings.HasPrefix(name, "NARU_"):
			return nil, fmt.Errorf("%s:%d: %s is set by naru for each instance; choose another name", path, number, name)
		case strings.ContainsRune(value, 0):
			return nil, fmt.Errorf("%s:%d: the value holds a NUL character, which no program can be given", path, number)
		}
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		env[name] = value
	}
	return env, nil
}
