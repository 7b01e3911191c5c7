package deploy

import (
	"strings"
	"testing"
)

func TestDockerIsValidated(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Service)
		want   []string // path and part of the message
	}{
		{"the least", func(*Service) {}, nil},
		{"everything", func(s *Service) {
			*s.Docker = Docker{Image: "registry.test:5000/team/chat:v${VERSION}", Port: 80, Command: []string{"${PORT}", "${INSTANCE}"}, Env: map[string]Variable{"A": {Text: "${REVISION}-${env:HOME}"}, "B": {File: "b"}, "C": {Command: []string{"c"}}},
				EnvFile: "x", Volumes: []string{"./a:/a", "bb:/b:ro", "/c:/c:rw"}, Memory: 6 << 20, CPUs: .5, User: "1:1", Labels: map[string]string{"a.b": ""}, StopSignal: "SIGRTMIN+3", Pull: "never"}
		}, nil},
		{"a worker", func(s *Service) { s.Port, s.Docker.Port = "none", 0 }, nil},
		{"process as well", func(s *Service) { s.Process = &Process{Command: []string{"x"}} }, []string{"docker", "stands beside process"}},
		{"no image", func(s *Service) { s.Docker.Image = "" }, []string{"docker.image", "is missing"}},
		{"an image per instance", func(s *Service) { s.Docker.Image = "chat:${INSTANCE}" }, []string{"docker.image", "only ${VERSION} is filled in"}},
		{"no image's name", func(s *Service) { s.Docker.Image = "chat latest" }, []string{"docker.image", "is no image"}},
		{"no port", func(s *Service) { s.Docker.Port = 0 }, []string{"docker.port", "write the port that the program listens on"}},
		{"a worker with a port", func(s *Service) { s.Port = "none" }, []string{"docker.port", "is reached by nobody"}},
		{"a worker that uses one", func(s *Service) { s.Port, s.Docker.Port, s.Docker.Command = "none", 0, []string{"${PORT}"} }, []string{"docker.command[0]", "a worker (port: none) is given no port"}},
		{"PORT", func(s *Service) { s.Docker.Env = map[string]Variable{"PORT": {Text: "1"}} }, []string{"docker.env.PORT", "is set by naru"}},
		{"a volume without a target", func(s *Service) { s.Docker.Volumes = []string{"data"} }, []string{"docker.volumes[0]", "write FOLDER:/path"}},
		{"a target twice", func(s *Service) { s.Docker.Volumes = []string{"a1:/x", "b1:/x"} }, []string{"docker.volumes[1]", "/x is mounted twice"}},
		{"little memory", func(s *Service) { s.Docker.Memory = 1 << 20 }, []string{"docker.memory", "less than the engine allows, 6MiB"}},
		{"less than no processor", func(s *Service) { s.Docker.CPUs = -1 }, []string{"docker.cpus", "from 0.01 on"}},
		{"naru's own label", func(s *Service) { s.Docker.Labels = map[string]string{"naru.service": "x"} }, []string{"docker.labels.naru.service", "set by naru"}},
		{"no signal", func(s *Service) { s.Docker.StopSignal = "please" }, []string{"docker.stop_signal", "is no signal"}},
		{"no policy", func(s *Service) { s.Docker.Pull = "sometimes" }, []string{"docker.pull", "missing, always, never"}},
	} {
		s := Service{Docker: &Docker{Image: "chat:${VERSION}", Port: 8080}}
		test.change(&s)
		got := s.Normalise().Validate()
		switch {
		case test.want == nil && got != nil:
			t.Errorf("%s: %v", test.name, got)
		case test.want != nil && (len(got) != 1 || got[0].Path != test.want[0] || !strings.Contains(got[0].Message, test.want[1])):
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestParseVolume(t *testing.T) {
	for text, want := range map[string]Volume{
		"data:/data": {"data", "/data", false}, "data:/data:ro": {"data", "/data", true}, "./a:/a:rw": {"./a", "/a", false},
		"/a/b:/c": {"/a/b", "/c", false}, "..:/up": {"..", "/up", false},
	} {
		if v, ok := ParseVolume(text); !ok || v != want {
			t.Errorf("%s: %+v, %t", text, v, ok)
		}
	}
	for _, text := range []string{"", "/a", "a", ":/a", "a:b", "a:/", "a:/b:z", "a:/b:ro:ro", "da ta:/x", "a:/b\x00"} {
		if v, ok := ParseVolume(text); ok {
			t.Errorf("%q: %+v", text, v)
		}
	}
}

func TestWarningOfAnImageWithoutVersion(t *testing.T) {
	for image, warned := range map[string]bool{"chat:${VERSION}": false, "chat:latest": true} {
		s := Service{Docker: &Docker{Image: image, Port: 1}}.Normalise()
		if got := s.Warnings(); (len(got) == 1) != warned {
			t.Errorf("%s: %v", image, got)
		}
	}
}
