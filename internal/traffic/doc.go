// Package traffic plays the users of a service and counts what happened to each
// of their requests. It is what proves, or disproves, that nobody noticed a
// deployment.
//
// [Load] sends HTTP requests in an open loop: on a schedule that does not care
// how the answers come in. A closed loop, which waits for an answer before it
// sends the next request, slows down together with the server and so hides the
// very outage it was meant to see.
//
// [Sockets] keeps WebSockets open and follows every message there and back.
// [Attack] is the load test of a gate: one path, one rate, a few figures.
//
// A request is never dropped from the books: it is answered, failed, or counted
// as overflow.
package traffic
