package source

import (
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/naru-deploy/naru/internal/deploy"
)

// fault is why a source has not answered.
type fault struct {
	part  string // of the source's settings that it is about: prometheus.url
	wrong bool   // the settings are wrong, so asking again will not help
	who   string // of whom the text speaks, such as http://127.0.0.1:9090
	text  string
}

func (f *fault) Error() string { return f.who + " " + f.text }

// late is the fault of a source that has not answered in time, whatever it was busy with.
func (f *fault) late(timeout time.Duration) *fault {
	return &fault{part: f.part, who: f.who, text: "has not answered within " + deploy.Duration(timeout).String()}
}

// unanswered is the fault of a server that cannot be talked to. The error of a client begins with the whole URL, which
// may hold a password, so only what lies below is shown.
func unanswered(part, who string, err error) *fault {
	var outer *url.Error
	for errors.As(err, &outer) {
		err = outer.Err
	}
	return &fault{part: part, who: who, text: "does not answer: " + line(err.Error())}
}

// origin is scheme and host of a URL: enough to know the server by, and without anything secret. The path of a web hook
// often is its password.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// line makes one line of at most 200 characters of what somebody else has written.
func line(text string) string {
	plain := []rune(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " "))
	if len(plain) > 200 {
		plain = append(plain[:199], '…')
	}
	return string(plain)
}
