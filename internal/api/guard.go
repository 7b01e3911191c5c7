package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// guard decides who may speak to the server.
//
// On a loopback address that is whoever sits at this machine, but not the web pages that they have open: a page can make
// its browser send requests here, from its own origin (cross-site request forgery), or under a name of its own that
// resolves to 127.0.0.1 (DNS rebinding). The first shows in Sec-Fetch-Site and Origin, the second in Host. On any other
// address the token is asked for, which no page has.
func (s *Server) guard(local bool, next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !local && !s.authorised(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="naru"`)
			refuse(w, http.StatusUnauthorized, Unauthorized, "the token is missing or wrong: pass the file that server.admin_token_file names, with --token-file or NARU_TOKEN_FILE")
			return
		case local && !s.known(r.Host):
			refuse(w, http.StatusForbidden, Forbidden, "%q is not a name of this server: use localhost or its IP address", r.Host)
			return
		}
		if err := cross.Check(r); err != nil {
			refuse(w, http.StatusForbidden, Forbidden, "the request comes from a web page of another site (%s)", r.Header.Get("Origin"))
			return
		}
		if r.Method == http.MethodPost { // bodies are JSON, whatever a client calls them
			r.Header.Set("Content-Type", "application/json")
		}
		next.ServeHTTP(w, r)
	})
}

// authorised compares digests, so that the time it takes tells nothing of the token, not even its length.
func (s *Server) authorised(r *http.Request) bool {
	token := s.token()
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && ok && token != ""
}

// known reports whether a Host header names this server.
func (s *Server) known(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host == "localhost" || slices.Contains(s.o.Hosts, host)
}

// loopback reports whether only this machine reaches an address.
func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
