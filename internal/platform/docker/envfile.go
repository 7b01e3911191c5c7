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
// alone has the server's own value, if it has one. Errors name the line by its number and repeat nothing of it: where a value of
// several lines was pasted in, such as a key, its second line looks like a name. An empty path has no variables.
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
			return nil, fmt.Errorf("%s:%d: is no NAME=value line; a value of several lines belongs into env: {NAME: {file: …}}", path, number)
		case name == "PORT" || strings.HasPrefix(name, "NARU_"):
			return nil, fmt.Errorf("%s:%d: PORT and NARU_… are set by naru for each instance; choose another name", path, number)
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
