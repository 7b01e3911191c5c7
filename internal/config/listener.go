package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// listener is an address that naru listens on, and where the file says so.
type listener struct {
	path string
	host string
	port int
	text string
}

func (s Server) listeners() []listener {
	var all []listener
	for i, a := range s.HTTP {
		all = append(all, listener{path: fmt.Sprintf("server.http[%d]", i), text: a})
	}
	for i, a := range s.HTTPS {
		all = append(all, listener{path: fmt.Sprintf("server.https[%d]", i), text: a})
	}
	return append(all, listener{path: "server.admin", text: s.Admin})
}

// resolve takes the address apart and reports whether it can be listened on.
func (l *listener) resolve() bool {
	host, port, err := net.SplitHostPort(l.text)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	l.host, l.port = host, int(number)
	return err == nil
}

// clashes reports whether the two could not be listened on at the same time. Port 0 is any free one, and an
// address for all interfaces takes the port of each.
func (l listener) clashes(m listener) bool {
	return l.port == m.port && l.port != 0 && (l.host == m.host || l.everywhere() || m.everywhere())
}

func (l listener) everywhere() bool {
	ip, err := netip.ParseAddr(l.host)
	return l.host == "" || err == nil && ip.IsUnspecified()
}

func (s Server) validateListeners(add func(path, format string, args ...any)) {
	var good []listener
	for _, l := range s.listeners() {
		if !l.resolve() {
			add(l.path, "%q is not an address to listen on: write host:port or :port, such as 127.0.0.1:8080", l.text)
			continue
		}
		if i := slices.IndexFunc(good, l.clashes); i >= 0 {
			add(l.path, "%s cannot be listened on together with %s, %s", l.text, good[i].path, good[i].text)
		}
		good = append(good, l)
	}
}
