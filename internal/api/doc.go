// Package api is both ends of the wire between naru serve and everything that speaks to it: the server, the client and
// the types of their JSON. NewServer and Client are its front doors.
//
// The OpenAPI 3.1 document at /v1/openapi.json follows from the Go types here. What a status or a receipt looks like is
// said by packages engine and deploy; this package adds only what exists because there is a wire.
package api
