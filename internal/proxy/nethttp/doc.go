// Package nethttp is the engine of the data plane that speaks HTTP by net/http: HTTP/1.1, HTTP/2 over
// TLS and with prior knowledge, gRPC, WebSocket and other upgrades.
//
// It decides nothing: which instance answers, whether a failed attempt is repeated and when a long
// connection must go is said by a [github.com/naru-deploy/naru/internal/proxy.Exchange]. What the engine
// owns is the wire: framing, hop-by-hop headers, bodies, trailers, and the promise that a response that
// broke in the middle never looks complete.
//
// [Server] is the front door. A request is a visit (visit.go), made of attempts (attempt.go) of which one
// is answered (answer.go).
package nethttp
