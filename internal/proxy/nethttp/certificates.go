package nethttp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// KeyPair names the PEM files of one certificate.
type KeyPair struct {
	// Host is an exact name or "*.example.com". Empty: the names in the certificate count.
	Host      string
	Cert, Key string // paths; Cert holds the chain, leaf first
}

// Certificates chooses a certificate by the name that a client asks for (SNI). Its methods may be called
// from any goroutine.
type Certificates struct {
	mu      sync.Mutex // one reload at a time
	pairs   []KeyPair
	current atomic.Pointer[[]tls.Certificate] // as many as pairs, never empty
}

// LoadCertificates reads all files. The first pair answers clients that name no host, or an unknown one.
func LoadCertificates(pairs ...KeyPair) (*Certificates, error) {
	if len(pairs) == 0 {
		return nil, errors.New("no certificate is named: https needs at least one pair of cert and key")
	}
	c := &Certificates{pairs: pairs}
	c.current.Store(&[]tls.Certificate{})
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again. A pair that cannot be used stays as it was and is named in the error;
// the others are replaced. Connections that are open keep what they have.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.current.Load()
	fresh := make([]tls.Certificate, len(c.pairs))
	copy(fresh, old)
	var errs []error
	for i, p := range c.pairs {
		cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			errs = append(errs, fmt.Errorf("load certificate %s with key %s: %w", p.Cert, p.Key, err))
			continue
		}
		fresh[i] = cert
	}
	if len(errs) == 0 || len(old) > 0 {
		c.current.Store(&fresh)
	}
	return errors.Join(errs...)
}

// choose prefers an exact host, then a wildcard, then what the certificates themselves are made out
// for, then the first.
func (c *Certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	certs := *c.current.Load()
	_, parent, _ := strings.Cut(name, ".")
	for _, host := range []string{name, "*." + parent} {
		for i, p := range c.pairs {
			if p.Host != "" && strings.EqualFold(p.Host, host) {
				return &certs[i], nil
			}
		}
	}
	for i, p := range c.pairs {
		if p.Host == "" && name != "" && hello.SupportsCertificate(&certs[i]) == nil {
			return &certs[i], nil
		}
	}
	return &certs[0], nil
}
