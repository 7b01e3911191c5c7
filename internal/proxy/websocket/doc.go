// Package websocket relays upgraded connections between a client and a backend and can end a
// WebSocket politely: the client is told 1001 (going away) between two frames of the server, never
// inside one, so that no message arrives torn and clients know that they should reconnect.
//
// [Start] begins a relay, [Relay.GoAway] ends it politely, [Relay.Close] cuts it. [Follower] is the
// part that knows frames (RFC 6455 section 5.2); it neither copies nor changes what passes, so an
// engine with a copy loop of its own can use it alone.
package websocket
