//go:build linux

package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/naru-deploy/naru/internal/platform"
)

// sockets are the data plane's listening sockets. They are opened once and stay open here as well as in the
// proxy, so that connections wait while a dead proxy is replaced.
type sockets struct {
	addresses []string
	mu        sync.Mutex
	files     []*os.File
}

// open returns the sockets for a proxy, opening what is not open yet.
func (s *sockets) open() ([]*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.files); i < len(s.addresses); i++ {
		l, err := listen(s.addresses[i])
		if err != nil {
			return nil, err
		}
		f, err := l.(*net.TCPListener).File()
		l.Close() // f is a duplicate; the socket goes on listening
		if err != nil {
			return nil, fmt.Errorf("keep the socket of %s: %w", s.addresses[i], err)
		}
		s.files = append(s.files, f)
	}
	return s.files, nil
}

func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		f.Close()
	}
	s.files = nil
}

// listen opens an address, or says who has it.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the address is taken%s; stop that program or choose another address in the server section", address, holder(address))
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: ports below 1024 are for root; run naru with CAP_NET_BIND_SERVICE or choose a higher port", address)
	}
	return nil, fmt.Errorf("listen on %s: %w", address, err)
}

// holder names the program that has an address.
func holder(address string) string {
	_, port, err := net.SplitHostPort(address)
	number, numberErr := strconv.Atoi(port)
	if err != nil || numberErr != nil {
		return ""
	}
	return platform.Holder(number)
}
