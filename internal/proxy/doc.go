// Package proxy is the routing core of naru's data plane. It decides which
// instance answers a request, and it knows no protocol: engines such as
// [github.com/naru-deploy/naru/internal/proxy/nethttp] speak HTTP and ask it.
//
// The front door is [Router]. A controller gives it one immutable [Table] after
// the other ([Router.Apply], or over a unix socket with [Client]); an engine
// calls [Router.Begin] for every request and gets an [Exchange], which chooses
// and claims a [Backend], says whether a failed attempt may be repeated, and
// counts the outcome.
//
// Two rules carry everything else:
//
//   - A request claims its backend in the same atomic step that chooses it. The
//     claim fails once the backend is closed, and the request then picks again
//     from the newest table. So neither a swap nor a drain can lose a request,
//     and a closed backend whose in-flight count is 0 will never be used again.
//   - Healthy and enabled are two facts. Probes and refused connections say
//     whether a backend is healthy; only the table says whether it is enabled.
package proxy
