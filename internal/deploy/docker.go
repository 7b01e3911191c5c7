package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Docker is a program that runs in containers of an image, on the Docker engine of this machine.
type Docker struct {
	Image      string              `json:"image" jsonschema_description:"Image, such as chat:${VERSION}. It is resolved once, at deploy: the revision keeps that very image when the tag moves."`
	Port       int                 `json:"port,omitempty" jsonschema_description:"Port that the program listens on in its container. naru publishes it on 127.0.0.1 at a free port of server.ports." jsonschema:"minimum=1,maximum=65535"`
	Command    []string            `json:"command,omitempty" jsonschema_description:"Arguments in place of the image's CMD. ${VERSION}, ${PORT}, ${REVISION} and ${INSTANCE} are filled in per instance."`
	Env        map[string]Variable `json:"env,omitempty" jsonschema_description:"Environment variables, added to those of the image and of env_file: texts, or where naru serve finds the value at each start of an instance."`
	EnvFile    string              `json:"env_file,omitempty" jsonschema_description:"File of NAME=value lines, read by naru serve at each start of an instance. Its values are kept as secret as those of env can be."`
	Volumes    []string            `json:"volumes,omitempty" jsonschema_description:"Folders of this machine or named volumes, such as ./data:/data or data:/data:ro."`
	Memory     Size                `json:"memory,omitempty" jsonschema_description:"Memory that an instance may use; 0: no limit. One that needs more is killed by the kernel." jsonschema:"default=0"`
	CPUs       float64             `json:"cpus,omitempty" jsonschema_description:"Processors that an instance may use, such as 0.5; 0: no limit." jsonschema:"default=0,minimum=0"`
	User       string              `json:"user,omitempty" jsonschema_description:"User, or user:group, in place of the image's."`
	Labels     map[string]string   `json:"labels,omitempty" jsonschema_description:"Further labels of the containers."`
	StopSignal string              `json:"stop_signal,omitempty" jsonschema_description:"Signal that asks the program to end. Default: the image's, else SIGTERM."`
	Pull       string              `json:"pull,omitempty" jsonschema_description:"When a deploy asks the registry for the image." jsonschema:"enum=missing,enum=always,enum=never,default=missing"`
	Dir        string              `json:"dir,omitempty" jsonschema_description:"Folder of this machine in which tests and commands of sources run." jsonschema:"default=."`
}

func (d Docker) normalise() Docker {
	d.Command, d.Volumes = copyList(d.Command), copyList(d.Volumes)
	d.Env, d.Labels = copyVariables(d.Env), copyTable(d.Labels)
	d.Pull = cmp.Or(d.Pull, "missing")
	d.Dir = cmp.Or(d.Dir, ".")
	return d
}

// copyTable makes no difference between an empty table and none.
func copyTable(t map[string]string) map[string]string {
	if len(t) == 0 {
		return nil
	}
	return maps.Clone(t)
}

// Folder is where the commands of a service run that are not its instances: tests and sources.
func (s Service) Folder() string {
	switch {
	case s.Process != nil:
		return s.Process.Dir
	case s.Docker != nil:
		return s.Docker.Dir
	}
	return ""
}

// minMemory is what the engine demands at least.
const minMemory = Size(6 << 20)

var (
	// imageName is no full grammar, which is the engine's; it finds what cannot be meant, after ${…} is filled in.
	imageName  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$`)
	signalName = regexp.MustCompile(`^(SIG)?[A-Z][A-Z0-9+-]*$`)
	volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
)

func (s Service) validateDocker(p *problems) {
	d := s.Docker
	d.validateImage(p)
	switch {
	case s.Worker() && d.Port != 0:
		p.add("docker.port", "a worker (port: none) is reached by nobody: remove it")
	case !s.Worker() && (d.Port < 1 || d.Port > 65535):
		p.add("docker.port", "%d: write the port that the program listens on in its container, from 1 to 65535, or port: none beside docker for a worker", d.Port)
	}
	for i, word := range d.Command {
		if strings.ContainsRune(word, 0) {
			p.add(fmt.Sprintf("docker.command[%d]", i), "holds a NUL character, which no program can be given")
		}
	}
	p.variables("docker.env", d.Env)
	d.validateVolumes(p)
	d.validateBounds(p)
	if d.StopSignal != "" && !signalName.MatchString(d.StopSignal) {
		p.add("docker.stop_signal", "%q is no signal: write a name such as SIGTERM or SIGQUIT", d.StopSignal)
	}
	p.oneOf("docker.pull", d.Pull, "missing", "always", "never")
	s.portless(p, d.texts())
	p.exposed(d.exposed())
}

func (d Docker) validateImage(p *problems) {
	const at = "docker.image"
	filled := strings.NewReplacer("${VERSION}", "1").Replace(d.Image)
	switch {
	case d.Image == "":
		p.add(at, "is missing: it names what runs, such as chat:${VERSION}")
	case strings.Contains(filled, "${"):
		p.add(at, "%s: only ${VERSION} is filled in here, because every instance of a revision runs the same image", d.Image)
	case !imageName.MatchString(filled):
		p.add(at, "%q is no image: write name:tag, such as registry.example.com/chat:${VERSION}", d.Image)
	}
}

func (d Docker) validateVolumes(p *problems) {
	targets := map[string]bool{}
	for i, text := range d.Volumes {
		at := fmt.Sprintf("docker.volumes[%d]", i)
		v, ok := ParseVolume(text)
		switch {
		case !ok:
			p.add(at, "%q: write FOLDER:/path/in/the/container, or NAME:/path for a volume that the engine keeps, and :ro after it for reading alone", text)
		case targets[v.Target]:
			p.add(at, "%s is mounted twice", v.Target)
		}
		targets[v.Target] = true
	}
}

func (d Docker) validateBounds(p *problems) {
	if d.Memory != 0 && d.Memory < minMemory {
		p.add("docker.memory", "%s is less than the engine allows, %s", d.Memory, minMemory)
	}
	if d.CPUs < 0 || d.CPUs != 0 && d.CPUs < 0.01 {
		p.add("docker.cpus", "%g: write a number from 0.01 on, or 0 for no limit", d.CPUs)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Labels)) {
		if name == "" || strings.HasPrefix(name, "naru.") {
			p.add("docker.labels."+name, "labels that begin with naru. are set by naru: choose another name")
		}
	}
}

// texts are where ${…} is filled in per instance.
func (d Docker) texts() []filled {
	uses := append([]filled{{"docker.image", d.Image}}, filledIn("docker", d.Command, d.Env)...)
	for i, v := range d.Volumes {
		uses = append(uses, filled{fmt.Sprintf("docker.volumes[%d]", i), v})
	}
	return uses
}

// exposed are texts of which others see what is filled in.
func (d Docker) exposed() []filled {
	uses := filledIn("docker", d.Command, nil)
	for i, v := range d.Volumes {
		uses = append(uses, filled{fmt.Sprintf("docker.volumes[%d]", i), v})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Labels)) {
		uses = append(uses, filled{"docker.labels." + name, d.Labels[name]})
	}
	return uses
}

// Volume is an entry of docker.volumes.
type Volume struct {
	Source   string // a path of this machine, or the name of a volume
	Target   string // absolute path in the container
	ReadOnly bool
}

// Named reports whether the engine keeps the volume, by its name.
func (v Volume) Named() bool {
	return volumeName.MatchString(v.Source) && !strings.HasPrefix(v.Source, ".")
}

// String writes the form that ParseVolume reads.
func (v Volume) String() string {
	if v.ReadOnly {
		return v.Source + ":" + v.Target + ":ro"
	}
	return v.Source + ":" + v.Target
}

// ParseVolume reads SOURCE:TARGET, SOURCE:TARGET:ro or SOURCE:TARGET:rw. A source with a slash, or that begins with a dot, is
// a path; any other is a volume's name.
func ParseVolume(text string) (v Volume, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) == 3 && (parts[2] == "ro" || parts[2] == "rw") {
		v.ReadOnly, parts = parts[2] == "ro", parts[:2]
	}
	if len(parts) != 2 || parts[0] == "" || !strings.HasPrefix(parts[1], "/") || parts[1] == "/" || strings.ContainsRune(text, 0) {
		return Volume{}, false
	}
	v.Source, v.Target = parts[0], parts[1]
	path := strings.Contains(v.Source, "/") || strings.HasPrefix(v.Source, ".")
	return v, path || v.Named()
}
