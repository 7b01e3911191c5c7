package deploy

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// validateRoute checks which requests come to the service.
func (s Service) validateRoute(p *problems) {
	switch fixed := s.Port.Fixed(); {
	case s.Port == "" || s.Worker():
	case fixed == 0:
		p.add("port", "%q is not known here: none makes a worker without traffic, a number from 1 to 65535 is the port that the program always listens on; otherwise leave it out, naru chooses the port and names it as ${PORT}", s.Port)
	case !s.Exclusive:
		p.add("port", "%d is one port, and while a version is replaced two instances would want it: leave it out and let the program listen on ${PORT}, or write exclusive: true, which ends the old one first", fixed)
	}
	if s.Worker() {
		s.validateWorker(p)
		return
	}
	for i, host := range s.Hosts {
		path := fmt.Sprintf("hosts[%d]", i)
		p.host(path, host, true)
		if slices.Index(s.Hosts, host) < i {
			p.add(path, "%q stands here twice", host)
		}
	}
	p.prefix("path", s.Path)
}

// validateWorker refuses what only makes sense for requests.
func (s Service) validateWorker(p *problems) {
	const none = "a worker (port: none) takes no requests; remove it"
	if len(s.Hosts) > 0 {
		p.add("hosts", none)
	}
	if s.Path != "" {
		p.add("path", none)
	}
	if s.Affinity.By != "none" || s.Affinity.Sticky {
		p.add("affinity", none)
	}
}

// validateRequests checks how requests are handled.
func (s Service) validateRequests(p *problems) {
	p.positive("drain_timeout", s.DrainTimeout)
	p.positive("stop_timeout", s.StopTimeout)
	p.positive("hold_timeout", s.HoldTimeout)
	p.positive("deadline", s.Deadline)
	if !(s.MaxOverload >= 1) || math.IsInf(s.MaxOverload, 0) {
		p.add("max_overload", "%v: must be at least 1, the share that an instance has at full strength", s.MaxOverload)
	}
	p.oneOf("balance", s.Balance, "least_request", "round_robin", "random")
	s.Affinity.validate(p)
	if n := s.Retries.Attempts; n != nil && (*n < 0 || *n > 10) {
		p.add("retries.attempts", "%d further attempts: the number must be from 0 to 10", *n)
	}
	p.share("retries.budget", s.Retries.Budget)
	if s.Limits.Body < 0 || s.Limits.Body > maxBody {
		p.add("limits.body", "must be from 0 (no limit) to %s", maxBody)
	}
	p.positive("limits.response_timeout", s.Limits.ResponseTimeout)
}

// fieldName is a token of RFC 9110, section 5.6.2: what header and cookie names are made of.
var fieldName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func (a Affinity) validate(p *problems) {
	name, header := strings.CutPrefix(a.By, "header ")
	switch {
	case header && !fieldName.MatchString(name):
		p.add("affinity.by", "%q is no name of a header: write it as in 'header X-User'", name)
	case !header && !slices.Contains([]string{"cookie", "client_ip", "none"}, a.By):
		p.add("affinity.by", "%q is not known here: write cookie, client_ip, 'header NAME' or none", a.By)
	case a.By == "none" && a.Sticky:
		p.add("affinity.sticky", "a user can only be kept on an instance when affinity.by says what names a user, such as cookie")
	}
}

// prefix wants a path that requests can be compared with as it stands: nothing encoded, nothing to resolve.
func (p *problems) prefix(path, prefix string) {
	switch {
	case !strings.HasPrefix(prefix, "/"):
		p.add(path, "%q does not begin with /", prefix)
	case strings.Contains(prefix, "*"):
		p.add(path, "%q: a path is a prefix already, * is not needed", prefix)
	case strings.Contains(prefix, "//") || slices.Contains(strings.Split(prefix, "/"), "..") || slices.Contains(strings.Split(prefix, "/"), "."):
		p.add(path, "%q can never match: requests are compared after //, /./ and /../ have been resolved", prefix)
	case strings.ContainsFunc(prefix, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`?#%\`, r) }):
		p.add(path, "%q is not a plain path: no spaces, ?, #, %% or \\, and only ASCII", prefix)
	case prefix != "/" && strings.HasSuffix(prefix, "/"):
		p.add(path, "%q: leave the last / out; the prefix matches whole segments", prefix)
	}
}

// target wants what stands in the first line of a request: a path, with a query if it likes.
func (p *problems) target(path, target string) {
	switch {
	case !strings.HasPrefix(target, "/"):
		p.add(path, "%q does not begin with /", target)
	case strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }):
		p.add(path, "%q is not a plain path: no spaces or #, and only ASCII", target)
	}
}

// hostLabel is a label of RFC 1123, and the underscore that internal names like to use.
var hostLabel = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// host wants a name as it is compared: lower case, without a port. A wildcard stands for one or more labels.
func (p *problems) host(path, host string, wildcard bool) {
	name := host
	if wildcard {
		name = strings.TrimPrefix(host, "*.")
	}
	switch {
	case host == "":
		p.add(path, "a host name is empty")
	case strings.Contains(name, "*") && !wildcard:
		p.add(path, "%q: exactly one name is needed here, without *", host)
	case strings.Contains(name, "*"):
		p.add(path, "%q: * may only be the whole first label, as in *.example.com", host)
	case strings.Contains(host, "://") || strings.Contains(host, "/"):
		p.add(path, "%q is an address: write the host name alone", host)
	case strings.Contains(host, ":"):
		p.add(path, "%q: write the host name without a port; server.http says which ports are listened on", host)
	case strings.ToLower(host) != host:
		p.add(path, "%q: write host names in lower case, %q", host, strings.ToLower(host))
	case len(name) > 253 || slices.ContainsFunc(strings.Split(name, "."), func(l string) bool { return !hostLabel.MatchString(l) }):
		p.add(path, "%q is not a host name: letters, digits and - between dots; names in other scripts in their xn-- form", host)
	}
}
