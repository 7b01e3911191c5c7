package platform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Ports hands out ports one after the other, so that one that was given up is not used again soon: somebody may
// still hold its old address. Platforms that serve one range share it. Its zero value is ready.
type Ports struct {
	mu      sync.Mutex
	next    int
	sources []Promised
}

// Promised returns the ports that instances were given and may not have come to listening on yet, but for one instance,
// which is about to get a new one.
type Promised func(but string) (map[int]bool, error)

// Respect makes Take keep off the ports that a platform has promised. It is called before the first Take.
func (p *Ports) Respect(promised Promised) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources = append(p.sources, promised)
}

// Take finds a port for an instance that nobody listens on and that is not promised to another one. keep makes the promise,
// before anybody else may look.
func (p *Ports) Take(id string, span deploy.PortSpan, keep func(port int) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := make(map[int]bool)
	for _, promised := range p.sources {
		more, err := promised(id)
		if err != nil {
			return err
		}
		maps.Copy(taken, more)
	}
	if p.next == 0 { // a new controller goes on behind what an earlier one gave out
		for port := range taken {
			p.next = max(p.next, port+1)
		}
	}
	for range span.High - span.Low + 1 {
		if p.next < span.Low || p.next > span.High {
			p.next = span.Low
		}
		port := p.next
		p.next++
		if taken[port] {
			continue
		}
		free, err := bindable(port)
		if err != nil {
			return fmt.Errorf("look for a free port in %s on 127.0.0.1: %w", span, err)
		}
		if free {
			return keep(port)
		}
	}
	return fmt.Errorf("no free port in %s on 127.0.0.1: all %d are in use; widen server.ports",
		span, max(0, span.High-span.Low+1))
}

// Free counts the ports of a range that could be taken now, and stops at enough: each that is looked at costs a socket.
func (p *Ports) Free(span deploy.PortSpan, enough int) (free int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := make(map[int]bool)
	for _, promised := range p.sources {
		more, err := promised("")
		if err != nil {
			return 0, err
		}
		maps.Copy(taken, more)
	}
	for i := 0; i <= span.High-span.Low && free < enough; i++ {
		port := span.Low + (max(p.next-span.Low, 0)+i)%(span.High-span.Low+1)
		if taken[port] {
			continue
		}
		ok, err := bindable(port)
		if err != nil {
			return free, err
		}
		if ok {
			free++
		}
	}
	return free, nil
}

// unbound is how long a port may take to become free after whoever had it has ended, and how often that is looked at.
const (
	unbound      = 2 * time.Second
	unboundEvery = 20 * time.Millisecond
)

// Fixed waits until nobody listens on a port that a program always has, for a short while, and makes the promise by keep. The
// error says who has it.
func (p *Ports) Fixed(ctx context.Context, port int, keep func(port int) error) error {
	for deadline := time.Now().Add(unbound); ; {
		err := Vacant(port)
		if err == nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			return keep(port)
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(unboundEvery):
		}
	}
}

// Vacant says why a program could not listen on a port of 127.0.0.1 now, or nil.
func Vacant(port int) error {
	free, err := bindable(port)
	switch {
	case err != nil:
		return fmt.Errorf("look whether port %d of 127.0.0.1 is free: %w", port, err)
	case !free:
		return fmt.Errorf("port %d of 127.0.0.1 is taken%s, or is for root alone: stop that program, or choose another port", port, Holder(port))
	}
	return nil
}

// bindable reports whether a program could listen on the port of 127.0.0.1 now. A port that is in use or forbidden
// is no error; running out of files is.
func bindable(port int) (bool, error) {
	// A process that another goroutine forks has a copy of the socket until its exec: the port would be in
	// use for longer than it is here, perhaps until the program wants it.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	unix.CloseOnExec(fd) // before the lock is given up
	// As servers do: what is left of closed connections does not count, a listener does.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return false, err
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}
