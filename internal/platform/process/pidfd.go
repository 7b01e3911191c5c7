//go:build linux

package process

import (
	"context"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// handle refers to one process for as long as it is open: signals sent through it can never reach another
// process that got the same number, and its end can be waited for by those who are not its parent.
type handle struct {
	pid  int
	file *os.File
	conn syscall.RawConn
}

// openProcess returns a handle on the process that has the number now; the caller makes sure that it is the one
// that was meant, after this call.
func openProcess(pid int) (*handle, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK) // non-blocking, so that Go's poller takes it
	if err != nil {
		return nil, err
	}
	h := &handle{pid: pid, file: os.NewFile(uintptr(fd), "pidfd")}
	if h.conn, err = h.file.SyscallConn(); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// open returns a handle on the process that the identity names, or nil when that has ended.
func (i identity) open() *handle {
	if i.PID <= 0 {
		return nil
	}
	h, err := openProcess(i.PID)
	if err != nil {
		return nil
	}
	if !i.alive() {
		h.close()
		return nil
	}
	return h
}

func (h *handle) close() { _ = h.file.Close() }

// signal sends a signal; a process that has ended is no error.
func (h *handle) signal(sig unix.Signal) error {
	var sent error
	err := h.conn.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	if err == nil {
		err = sent
	}
	if err == unix.ESRCH {
		return nil
	}
	return err
}

// wait returns nil once the process has ended (a zombie has), or the context's error.
func (h *handle) wait(ctx context.Context) error {
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = h.file.SetReadDeadline(time.Unix(1, 0))
		close(fired)
	})
	defer func() {
		if !stop() {
			<-fired // or its deadline would end the next wait
		}
		_ = h.file.SetReadDeadline(time.Time{})
	}()
	err := h.conn.Read(func(fd uintptr) bool {
		// POLLIN on a pidfd means that the process has ended.
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return err == nil && n > 0
	})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// waitFor is wait with a bound; it reports whether the process has ended.
func (h *handle) waitFor(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return h.wait(ctx) == nil
}
