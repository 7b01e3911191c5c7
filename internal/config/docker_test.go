package config

import (
	"strings"
	"testing"
)

// Ports of the machine are naru's to give: containers of two services may listen on the same one inside, and who asks for one
// outside, as compose files do, is told what to write.
func TestHostPorts(t *testing.T) {
	const two = "services:\n  a:\n    hosts: [a.test]\n    docker: {image: \"a:${VERSION}\", port: 80}\n  b:\n    hosts: [b.test]\n    docker: {image: \"b:${VERSION}\", port: 80}\n"
	if _, err := Parse("naru.yaml", []byte(two)); err != nil {
		t.Error(err)
	}
	_, err := Parse("naru.yaml", []byte(strings.ReplaceAll(two, "port: 80", "ports: [\"80:80\"]")))
	if err == nil {
		t.Fatal("both were given port 80")
	}
	for _, want := range []string{`naru.yaml:4:37: services.a.docker.ports: unknown key "ports"; write port`, `naru.yaml:7:37: services.b.docker.ports: unknown key "ports"; write port`,
		"naru publishes it by itself and answers users on server.http"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

// Every key that people bring along from compose files says what to do instead, and none of them is a key of ours.
func TestComposeHabits(t *testing.T) {
	for key, instead := range dockerHabits {
		_, err := Parse("naru.yaml", []byte("services: {a: {docker: {image: \"a:${VERSION}\", port: 80, "+key+": x}}}\n"))
		if err == nil || !strings.Contains(err.Error(), "naru.yaml:1:") || !strings.Contains(err.Error(), "services.a.docker."+key+": unknown key \""+key+"\"; "+instead) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
