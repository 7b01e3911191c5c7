package proxy

import "net/netip"

// Visitor is what the core must know of a request. The engine fills it in.
type Visitor struct {
	Host   string // Host or :authority, a port is allowed
	Path   string // path of the request target, without query
	Method string
	Client netip.Addr
	Header func(name string) string // first value, empty when absent; may be nil
	Cookie func(name string) string // value, empty when absent; may be nil
	// Upgrade says that the request asks for another protocol, such as a WebSocket: a connection that lasts.
	Upgrade bool
	// Preview names the service on whose preview listener the request came in.
	Preview string
}

func (v *Visitor) header(name string) string {
	if v.Header == nil {
		return ""
	}
	return v.Header(name)
}

func (v *Visitor) cookie(name string) string {
	if v.Cookie == nil {
		return ""
	}
	return v.Cookie(name)
}

// idempotent tells whether the request may be sent twice (RFC 9110 section 9.2.2).
func (v *Visitor) idempotent() bool {
	switch v.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}
