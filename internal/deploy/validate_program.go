package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// validateProgram wants exactly one way to run the program.
func (s Service) validateProgram(p *problems) {
	switch {
	case s.Process == nil && s.Docker == nil:
		p.add("process", "is missing: it says which program runs, such as process: {command: [./server, --listen, \"127.0.0.1:${PORT}\"]}, or docker: {image: \"server:${VERSION}\", port: 8080} for containers")
	case s.Process != nil && s.Docker != nil:
		p.add("docker", "stands beside process: keep the one that the program is run by")
	}
	if s.Process != nil {
		s.validateProcess(p)
	}
	if s.Docker != nil {
		s.validateDocker(p)
	}
}

func (s Service) validateProcess(p *problems) {
	p.command("process.command", s.Process.Command)
	p.variables("process.env", s.Process.Env)
	for _, use := range s.Process.texts() {
		if strings.Contains(use.text, "${ARTIFACT}") && s.Process.Artifact == "" {
			p.add(use.path, "uses ${ARTIFACT}, and there is no process.artifact that it could name")
		}
	}
	s.portless(p, s.Process.texts())
	p.exposed([]filled{{"process.dir", s.Process.Dir}, {"process.artifact", s.Process.Artifact}})
}

// portless finds the uses of a port that a worker does not have.
func (s Service) portless(p *problems, uses []filled) {
	for _, use := range uses {
		if strings.Contains(use.text, "${PORT}") && s.Worker() {
			p.add(use.path, "uses ${PORT}, and a worker (port: none) is given no port")
		}
	}
}

// filled is a text of the program's settings in which placeholders are filled in.
type filled struct{ path, text string }

func (p Process) texts() []filled {
	uses := []filled{{"process.dir", p.Dir}, {"process.artifact", p.Artifact}}
	return append(uses, filledIn("process", p.Command, p.Env)...)
}

// filledIn lists the words of a command and the values of an environment.
func filledIn(at string, command []string, env map[string]Variable) (uses []filled) {
	for i, word := range command {
		uses = append(uses, filled{fmt.Sprintf("%s.command[%d]", at, i), word})
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		uses = append(uses, filled{at + ".env." + name, env[name].Text})
	}
	return uses
}
