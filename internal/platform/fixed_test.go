package platform

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A port that a program always has is waited for while its last holder lets go of it, and otherwise refused by name.
func TestFixedPort(t *testing.T) {
	// Not a port of the kernel's choice: as soon as it is free, the kernel may give it to somebody's connection.
	var l net.Listener
	port, err := 24960, error(nil)
	for ; port < 24980; port++ {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var p Ports
	kept := 0
	keep := func(port int) error { kept = port; return nil }
	want := fmt.Sprintf("port %d of 127.0.0.1 is taken by platform.test (pid %d)", port, os.Getpid())
	if err := p.Fixed(t.Context(), port, keep); kept != 0 || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("kept %d, %v, want %q", kept, err, want)
	}
	freed := time.AfterFunc(100*time.Millisecond, func() { l.Close() })
	defer freed.Stop()
	if err := p.Fixed(t.Context(), port, keep); kept != port || err != nil {
		t.Errorf("kept %d, %v", kept, err)
	}
}
