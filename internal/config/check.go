package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/naru-deploy/naru/internal/deploy"
)

// serviceName keeps names fit for instance IDs, folders and labels of host names.
var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)

// validate returns everything wrong with the values of the file, each part by itself and all of them together.
func (f *File) validate() []deploy.Problem {
	problems := f.Server.validate()
	for _, name := range f.Order {
		at := join("services", name)
		if !serviceName.MatchString(name) {
			problems = append(problems, deploy.Problem{Path: at,
				Message: fmt.Sprintf("%q is not a name for a service: begin with a letter, use a to z, 0 to 9 and -, at most 41", name)})
		}
		problems = append(problems, under(at, f.Services[name].Validate())...)
	}
	return slices.Concat(problems, f.routeClashes(), f.previewClashes(), f.portClashes(), f.portScarcity())
}

func under(at string, problems []deploy.Problem) []deploy.Problem {
	for i := range problems {
		problems[i].Path = join(at, problems[i].Path)
	}
	return problems
}

// route is one host of a service, "" for every host, and where the file names it.
type route struct {
	service, host string
	path          string // path of the service
	at            string
}

func (f *File) routes() []route {
	var all []route
	for _, name := range f.Order {
		s := f.Services[name]
		at := join("services", name)
		switch {
		case s.Worker():
		case len(s.Hosts) == 0:
			all = append(all, route{name, "", s.Path, at + ".path"})
		}
		for i, host := range s.Hosts {
			all = append(all, route{name, host, s.Path, fmt.Sprintf("%s.hosts[%d]", at, i)})
		}
	}
	return all
}

// routeClashes finds two services that answer the same host and path.
func (f *File) routeClashes() []deploy.Problem {
	var problems []deploy.Problem
	type key struct{ host, path string }
	first := make(map[key]route)
	for _, r := range f.routes() {
		earlier, taken := first[key{r.host, r.path}]
		switch {
		case !taken:
			first[key{r.host, r.path}] = r
		case earlier.service != r.service: // a host doubled within a service is that service's own problem
			at := f.source.root.find(earlier.at)
			problems = append(problems, deploy.Problem{Path: r.at, Message: fmt.Sprintf("service %s answers %s%s already, see %s:%d:%d",
				earlier.service, cmp.Or(r.host, "every host, "), r.path, f.source.name, at.line, at.column)})
		}
	}
	return problems
}

// previewClashes finds names for previews that users, or another preview, reach something else by.
func (f *File) previewClashes() []deploy.Problem {
	var problems []deploy.Problem
	owners := make(map[string]string)
	for _, r := range f.routes() {
		owners[r.host] = r.service
	}
	for _, name := range f.Order {
		b := f.Services[name].Strategy.BlueGreen
		if b == nil || b.Preview.Host == "" {
			continue
		}
		if owner, taken := owners[b.Preview.Host]; taken {
			problems = append(problems, deploy.Problem{Path: join("services", name) + ".strategy.blue_green.preview.host",
				Message: fmt.Sprintf("%s already belongs to service %s: choose a name of its own for the preview", b.Preview.Host, owner)})
		}
		owners[b.Preview.Host] = name
	}
	return problems
}

// portClashes finds a port that a service wants for itself and that naru, or another service, has already.
func (f *File) portClashes() []deploy.Problem {
	var problems []deploy.Problem
	owners := make(map[int]string)
	for _, l := range f.Server.listeners() {
		if l.resolve() && l.port != 0 {
			owners[l.port] = fmt.Sprintf("%s (%s)", l.path, l.text)
		}
	}
	for _, name := range f.Order {
		port := f.Services[name].Port.Fixed()
		if port == 0 {
			continue
		}
		at := join("services", name) + ".port"
		switch owner, taken := owners[port]; {
		case taken:
			problems = append(problems, deploy.Problem{Path: at, Message: fmt.Sprintf("port %d belongs to %s already: choose another one", port, owner)})
		case port >= f.Server.Ports.Low && port <= f.Server.Ports.High:
			problems = append(problems, deploy.Problem{Path: at, Message: fmt.Sprintf("port %d lies in server.ports (%s), which are given to other instances: choose one outside of them", port, f.Server.Ports)})
		}
		owners[port] = "service " + name
	}
	return problems
}

// portScarcity compares the ports there are with the instances that want one at the same time. A rollout may
// need up to twice as many as stand still; that much is the user's to judge.
func (f *File) portScarcity() []deploy.Problem {
	wanted := 0
	for _, s := range f.Services {
		if !s.Worker() && s.Port.Fixed() == 0 {
			wanted += s.Instances
		}
	}
	if have := f.Server.Ports.High - f.Server.Ports.Low + 1; have < wanted {
		return []deploy.Problem{{Path: "server.ports", Message: fmt.Sprintf("%s are %d ports, and the services have %d instances", f.Server.Ports, have, wanted)}}
	}
	return nil
}
