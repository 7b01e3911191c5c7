package platform

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestBindable(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Log(err) // a machine without IPv6
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		if free, err := bindable(port); free || err != nil {
			t.Errorf("%s is listened on: %t, %v", l.Addr(), free, err)
		}
		l.Close()
		if free, err := bindable(port); !free || err != nil {
			t.Errorf("%s is free again: %t, %v", l.Addr(), free, err)
		}
	}
}

func TestPortsAreNotUsedAgainSoon(t *testing.T) {
	span := deploy.PortSpan{Low: 24990, High: 24999}
	var p Ports
	taken := make(map[int]bool)
	respect := func() { p.Respect(func(string) (map[int]bool, error) { return taken, nil }) }
	respect()
	take := func(promised ...int) (got int, err error) {
		clear(taken)
		for _, port := range promised {
			taken[port] = true
		}
		err = p.Take("", span, func(port int) error {
			got = port
			return nil
		})
		return got, err
	}
	seen := make(map[int]bool)
	for range 3 { // each is given back at once
		port, err := take()
		if err != nil || seen[port] || port < span.Low || port > span.High {
			t.Errorf("port %d, %v, after %v", port, err, seen)
		}
		seen[port] = true
	}
	p = Ports{} // a new controller
	respect()
	if port, err := take(24997); err != nil || port <= 24997 {
		t.Errorf("behind 24997 comes %d, %v", port, err)
	}
	var all []int
	for port := span.Low; port <= span.High; port++ {
		all = append(all, port)
	}
	if port, err := take(all...); err == nil || !strings.Contains(err.Error(), "widen server.ports") {
		t.Errorf("of none %d is left, %v", port, err)
	}
	if _, err := take(); err != nil {
		t.Errorf("after a failure: %v", err)
	}
	failure := fmt.Errorf("disk full")
	err := p.Take("", span, func(int) error { return failure })
	if err != failure {
		t.Errorf("%v", err)
	}
}

// Free counts what Take would find, and takes nothing.
func TestFreePorts(t *testing.T) {
	span := deploy.PortSpan{Low: 24980, High: 24984}
	var p Ports
	promised := map[int]bool{24981: true}
	p.Respect(func(string) (map[int]bool, error) { return promised, nil })
	l, err := net.Listen("tcp", "127.0.0.1:24983")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	for range 2 {
		for enough, want := range map[int]int{0: 0, 2: 2, 3: 3, 10: 3} {
			if free, err := p.Free(span, enough); err != nil || free != want {
				t.Errorf("asked for %d, free are %d, %v; want %d", enough, free, err, want)
			}
		}
		for _, want := range []int{24980, 24982, 24984}[:2] { // in the order in which they were free
			if err := p.Take("x", deploy.PortSpan{Low: want, High: want}, func(int) error { return nil }); err != nil {
				t.Errorf("%d was counted and cannot be taken: %v", want, err)
			}
		}
	}
}
