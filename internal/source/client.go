package source

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// maxAnswer bounds what is read of an answer, in bytes: one number is wanted.
const maxAnswer = 1 << 20

// newClient returns a client that keeps no connection open between two questions, so that nothing has to be closed when
// nobody asks any more, and follows no redirect: it would carry the question, and what it is allowed by, to somebody else.
func newClient() *http.Client {
	return &http.Client{
		Transport:     bounded{&http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded ends answers that are longer than maxAnswer with an error.
type bounded struct{ next http.RoundTripper }

// RoundTrip answers a request.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	}
	return answer, err
}

// tooLong reports whether an answer was cut by bounded.
func tooLong(err error) bool {
	var long *http.MaxBytesError
	return errors.As(err, &long)
}

// address reads a URL. The error of the standard library repeats it, and may so give a password away.
func address(part, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") {
		return u, nil
	}
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	if err == nil {
		err = errors.New("http:// or https:// and a host are needed")
	}
	return nil, &fault{part: part, wrong: true, who: "the address", text: fmt.Sprintf("is not a URL: %v", err)}
}
