package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Server is the part of the file that concerns naru itself. Load fills in the defaults and makes paths absolute.
type Server struct {
	HTTP           []string        `json:"http,omitempty" jsonschema_description:"Addresses that answer HTTP: host:port or :port. [] for none." jsonschema:"default=:8080"`
	HTTPS          []string        `json:"https,omitempty" jsonschema_description:"Addresses that answer HTTPS, HTTP/2 included. They need tls."`
	TLS            TLS             `json:"tls,omitzero" jsonschema_description:"Certificates: {cert, key} for every host, or host: {cert, key}."`
	Admin          string          `json:"admin,omitempty" jsonschema_description:"Address of the API, /metrics and /healthz. One that is not loopback needs admin_token_file." jsonschema:"default=127.0.0.1:7070"`
	State          string          `json:"state,omitempty" jsonschema_description:"Folder of sockets, store and logs, relative to the file." jsonschema:"default=.naru"`
	Ports          deploy.PortSpan `json:"ports,omitzero" jsonschema_description:"Range that instances are given ports from." jsonschema:"default=20000-29999"`
	TrustedProxies []netip.Prefix  `json:"trusted_proxies,omitempty" jsonschema_description:"Networks of proxies in front, whose X-Forwarded-For and Forwarded are believed."`
	AdminTokenFile string          `json:"admin_token_file,omitempty" jsonschema_description:"File with the token that the API asks for, relative to the file."`
}

// TLS names certificate files: one pair for every host, or one for each.
type TLS struct {
	Default KeyPair            // empty when Hosts is given
	Hosts   map[string]KeyPair // host name to pair; "*.example.com" for all below
}

// KeyPair is a certificate chain and its key, both files in PEM form.
type KeyPair struct {
	Cert string `json:"cert" jsonschema_description:"File with the certificate and its chain, PEM, relative to the file."`
	Key  string `json:"key" jsonschema_description:"File with the private key, PEM, relative to the file."`
}

// decodeNode takes a mapping with cert or key for a pair, any other for hosts.
func (t *TLS) decodeNode(d *decoder, n *node, path string) {
	_, cert := n.key("cert")
	_, key := n.key("key")
	switch acme, planned := n.key("acme"); {
	case planned:
		d.fault(acme.at, join(path, "acme"), "%s", unknownKey(reflect.TypeFor[TLS](), "acme"))
	case cert || key:
		d.value(n, reflect.ValueOf(&t.Default).Elem(), path)
	default:
		d.value(n, reflect.ValueOf(&t.Hosts).Elem(), path)
	}
}

// pairs lists every pair with the path of its place.
func (t TLS) pairs() map[string]KeyPair {
	pairs := make(map[string]KeyPair, 1+len(t.Hosts))
	if t.Default != (KeyPair{}) {
		pairs["server.tls"] = t.Default
	}
	for host, pair := range t.Hosts {
		pairs["server.tls."+host] = pair
	}
	return pairs
}

// portText reads and checks a range of ports, 20000-29999.
type portText deploy.PortSpan

func (p *portText) UnmarshalText(text []byte) error {
	from, to, _ := strings.Cut(string(text), "-")
	low, errLow := strconv.ParseUint(from, 10, 16)
	high, errHigh := strconv.ParseUint(to, 10, 16)
	if errLow != nil || errHigh != nil || low == 0 || low > high {
		return fmt.Errorf("%q is not a range of ports: write the lowest and the highest, such as 20000-29999", text)
	}
	*p = portText{Low: int(low), High: int(high)}
	return nil
}

// networkText reads a network as netip does, with a message for people.
type networkText netip.Prefix

func (n *networkText) UnmarshalText(text []byte) error {
	p, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a network: write an address and the length of its prefix, such as 10.0.0.0/8 or 192.0.2.1/32", text)
	}
	*n = networkText(p)
	return nil
}

// normalise fills in defaults and makes paths absolute, seen from folder.
func (s Server) normalise(folder string) Server {
	if s.HTTP == nil {
		s.HTTP = []string{":8080"}
	}
	s.Admin = cmp.Or(s.Admin, "127.0.0.1:7070")
	s.State = below(folder, cmp.Or(s.State, ".naru"))
	s.Ports = cmp.Or(s.Ports, deploy.PortSpan{Low: 20000, High: 29999})
	s.TLS.Default = s.TLS.Default.below(folder)
	for host, pair := range s.TLS.Hosts {
		s.TLS.Hosts[host] = pair.below(folder)
	}
	s.AdminTokenFile = below(folder, s.AdminTokenFile)
	return s
}

func (k KeyPair) below(folder string) KeyPair {
	return KeyPair{Cert: below(folder, k.Cert), Key: below(folder, k.Key)}
}

// below makes a path absolute; nothing stays nothing.
func below(folder, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// validate returns everything wrong with a normalised section.
func (s Server) validate() []deploy.Problem {
	var problems []deploy.Problem
	add := func(path, format string, args ...any) {
		problems = append(problems, deploy.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	s.validateListeners(add)
	if host, _, err := net.SplitHostPort(s.Admin); err == nil && !loopback(host) && s.AdminTokenFile == "" {
		add("server.admin", "%s can be reached from elsewhere: name a file with a token in server.admin_token_file, or listen on 127.0.0.1", s.Admin)
	}
	pairs := s.TLS.pairs()
	if len(s.HTTPS) > 0 && len(pairs) == 0 {
		add("server.https", "needs server.tls with cert and key")
	}
	for path, pair := range pairs {
		if pair.Cert == "" || pair.Key == "" {
			add(path, "cert and key are needed together")
		}
	}
	for i, network := range s.TrustedProxies {
		if network != network.Masked() {
			add(fmt.Sprintf("server.trusted_proxies[%d]", i), "%s is an address within a network: write %s, or %s/%d for it alone",
				network, network.Masked(), network.Addr(), network.Addr().BitLen())
		}
	}
	return problems
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
