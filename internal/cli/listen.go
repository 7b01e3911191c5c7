//go:build linux

package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
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

// holder names the process that listens on a port, as far as /proc shows it.
func holder(address string) string {
	_, port, err := net.SplitHostPort(address)
	number, numberErr := strconv.Atoi(port)
	if err != nil || numberErr != nil {
		return ""
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if pid := owner(inode(table, number)); pid != "" {
			command, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf(" by %s (pid %s)", strings.TrimSpace(string(command)), pid)
		}
	}
	return ""
}

// inode finds the listening socket of a port in the kernel's table (proc(5), /proc/net/tcp: state 0A is LISTEN).
func inode(table string, port int) string {
	text, err := os.ReadFile(table)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			return f[9]
		}
	}
	return ""
}

// owner finds the process that has a socket open.
func owner(inode string) string {
	if inode == "" {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
			return strings.Split(link, "/")[2]
		}
	}
	return ""
}
