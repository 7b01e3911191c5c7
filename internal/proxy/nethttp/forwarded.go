package nethttp

import (
	"net/http"
	"net/netip"
	"strings"
)

const (
	forwardedFor   = "X-Forwarded-For"
	forwardedProto = "X-Forwarded-Proto"
	forwardedHost  = "X-Forwarded-Host"
	forwarded      = "Forwarded"
)

// trustedProxies are the peers that may speak for others.
type trustedProxies []netip.Prefix

func (t trustedProxies) contains(a netip.Addr) bool {
	for _, p := range t {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// peer is the address at the other end of the connection; not valid for those that have none.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// client is the address of the user: the last one in X-Forwarded-For that a trusted proxy vouches for.
func (t trustedProxies) client(r *http.Request) netip.Addr {
	at := peer(r)
	hops := strings.Split(strings.Join(r.Header[forwardedFor], ","), ",")
	for i := len(hops) - 1; i >= 0 && t.contains(at); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // what comes before an entry that makes no sense cannot be trusted either
		}
		at = hop.Unmap()
	}
	return at
}

// announce writes into h, a copy of r's header, for whom and how the request came in: X-Forwarded-* and
// Forwarded (RFC 7239).
func (t trustedProxies) announce(h http.Header, r *http.Request) {
	at := peer(r)
	if !t.contains(at) {
		for _, name := range []string{forwardedFor, forwardedProto, forwardedHost, forwarded} {
			h.Del(name)
		}
	}
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	if at.IsValid() {
		h.Set(forwardedFor, list(h[forwardedFor], at.String()))
	}
	h.Set(forwarded, list(h[forwarded], "for="+forwardedNode(at)+";host="+forwardedValue(r.Host)+";proto="+proto))
	// A proxy in front knows what the user asked for; the connection from it does not.
	if h.Get(forwardedProto) == "" {
		h.Set(forwardedProto, proto)
	}
	if h.Get(forwardedHost) == "" {
		h.Set(forwardedHost, r.Host)
	}
}

// list appends to a comma-separated list.
func list(old []string, last string) string {
	return strings.Join(append(old[:len(old):len(old)], last), ", ")
}

// forwardedNode writes an address as RFC 7239 section 6 wants it.
func forwardedNode(a netip.Addr) string {
	switch {
	case a.Is4():
		return a.String()
	case a.IsValid():
		return `"[` + a.String() + `]"`
	}
	return "unknown"
}

// forwardedValue quotes what is not a token (RFC 7239 section 4), such as a host with a port.
func forwardedValue(v string) string {
	const separators = "()<>@,;:\\\"/[]?={} \t"
	if v != "" && !strings.ContainsAny(v, separators) {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}
