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
