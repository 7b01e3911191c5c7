package config

import (
	"fmt"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Warnings returns what the file may say but probably does not mean, in the order of the file.
func (f *File) Warnings() []Error {
	problems := f.serverWarnings()
	if len(f.Services) == 0 {
		problems = append(problems, deploy.Problem{Message: "there are no services: naru answers every request 503 until one is deployed"})
	}
	for _, name := range f.Order {
		problems = append(problems, under(join("services", name), f.Services[name].Warnings())...)
	}
	var warnings []Error
	for _, p := range problems {
		warnings = append(warnings, f.source.locate(fault{f.source.root.find(p.Path), p.Path, p.Message}))
	}
	return sorted(warnings)
}

func (f *File) serverWarnings() []deploy.Problem {
	var problems []deploy.Problem
	add := func(path, format string, args ...any) {
		problems = append(problems, deploy.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	s := f.Server
	if len(s.HTTP)+len(s.HTTPS) == 0 {
		add("server.http", "naru listens nowhere: no service can be reached")
	}
	if len(s.HTTPS) == 0 && len(s.TLS.pairs()) > 0 {
		add("server.tls", "is not used: no address is listed under server.https")
	}
	for _, l := range s.listeners() {
		if l.resolve() && s.Ports.Low <= l.port && l.port <= s.Ports.High {
			add(l.path, "%s lies within server.ports, %s: an instance may hold the port when naru starts", l.text, s.Ports)
		}
	}
	return problems
}
