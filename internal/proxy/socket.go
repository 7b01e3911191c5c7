package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// A socket address holds about 100 bytes of path, and state folders are often
// deeper than that. So the folder is opened, and the socket is named by way of
// the open folder.
func shortPath(dir *os.File, path string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
}

// controlListener keeps the folder open, by way of which Close removes the socket.
type controlListener struct {
	net.Listener
	dir *os.File
}

// Close stops listening and removes the socket.
func (l *controlListener) Close() error {
	return errors.Join(l.Listener.Close(), l.dir.Close())
}

// ListenControl listens on a unix socket of mode 0600 at path, which may be
// longer than a socket address allows. A socket left behind by a process that
// was killed is replaced; one that answers is an error.
func ListenControl(ctx context.Context, path string) (net.Listener, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("listen on control socket: %w", err)
	}
	l, err := listenUnix(ctx, shortPath(dir, path))
	if errors.Is(err, syscall.EADDRINUSE) {
		if err = removeStale(ctx, path); err == nil {
			l, err = listenUnix(ctx, shortPath(dir, path))
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on control socket %s: %w", path, err), dir.Close())
	}
	return &controlListener{l, dir}, nil
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// Before bind, so that there is no moment at which others can connect:
		// on Linux the file gets the mode of the socket.
		var err error
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }), err)
	}}
	return lc.Listen(ctx, "unix", path)
}

// removeStale removes a socket on which nobody listens.
func removeStale(ctx context.Context, path string) error {
	c, err := dialControl(ctx, path)
	if err == nil {
		c.Close()
		return errors.New("another process listens there: stop it first")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	// Connecting to a file of any kind is refused too.
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return errors.New("a file that is no socket is in the way: move it away")
	}
	return os.Remove(path)
}

// dialControl connects to the unix socket at path, however long that is.
func dialControl(ctx context.Context, path string) (net.Conn, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var d net.Dialer
	return d.DialContext(ctx, "unix", shortPath(dir, path))
}
