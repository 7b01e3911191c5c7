package traffic

import "net/http"

// Request is one request of a [Load], described before it is sent.
type Request struct {
	Method string      // empty: GET, or POST when there is a body
	Path   string      // with its query, "/products?page=2"
	Header http.Header // added to what the client sends by itself; may be nil
	Body   []byte
	// Chunked sends the body without a Content-Length, as a client does that
	// does not know the size beforehand. Once a byte of it has left, the HTTP
	// client cannot repeat such a request, so every broken connection shows.
	Chunked bool
	// Check judges a whole answer that is not a 5xx; an error makes it a
	// failed request. Nil: any such answer is good.
	Check func(Answer) error
}

// Answer is what came back for a [Request], whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // the first 64 KiB; the rest was read and thrown away
}

// Get returns a generator of GET requests that goes through the paths in order,
// again and again. Without a path it asks for "/".
func Get(paths ...string) func(i int) Request {
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	return func(i int) Request { return Request{Path: paths[i%len(paths)]} }
}

// Mix returns a generator that takes its requests from the given ones in turn:
// Mix(a, b) sends the requests a(0), b(0), a(1), b(1) and so on.
func Mix(generators ...func(i int) Request) func(i int) Request {
	n := len(generators)
	return func(i int) Request { return generators[i%n](i / n) }
}

// method is the method that goes on the wire.
func (r Request) method() string {
	switch {
	case r.Method != "":
		return r.Method
	case r.Body != nil:
		return http.MethodPost
	default:
		return http.MethodGet
	}
}
