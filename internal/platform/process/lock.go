//go:build linux

package process

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The lock of an instance's folder is taken in two ways that exclude each other. The shim takes a POSIX record
// lock and keeps it for life: such a lock names its holder, so the kernel itself says which process the shim is,
// without a number in a file that might be old. The controller takes an open-file-description lock while it
// changes the folder of an instance without a shim: that kind is not lost when another goroutine of the
// same process opens and closes the file, as a record lock would be.

var errLocked = errors.New("another process holds the lock")

// lockAsShim takes the lock until the process ends: the file is never closed, and must never be opened again, since
// closing any descriptor of it would give the lock up.
func lockAsShim(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0) // not created: without it there is no instance any more
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	if err := setLock(fd, unix.F_SETLK, unix.F_WRLCK); err != nil {
		return err
	}
	return sameFile(fd, path)
}

// lockAsController takes the lock, or returns errLocked when a shim has it.
func lockAsController(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	fd := int(file.Fd())
	if err := setLock(fd, unix.F_OFD_SETLK, unix.F_WRLCK); err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() {
		// Closing is not enough: a process that another goroutine forks just now has the file too until its exec,
		// and would keep the lock from the shim.
		_ = setLock(fd, unix.F_OFD_SETLK, unix.F_UNLCK)
		_ = file.Close()
	}, nil
}

func setLock(fd, command int, kind int16) error {
	err := unix.FcntlFlock(uintptr(fd), command, &unix.Flock_t{Type: kind})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return errLocked
	}
	return err
}

// sameFile fails when the path leads to another file by now: the instance was forgotten, and perhaps started
// anew, between the opening and the locking.
func sameFile(fd int, path string) error {
	var ours, theirs unix.Stat_t
	if err := errors.Join(unix.Fstat(fd, &ours), unix.Stat(path, &theirs)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if ours.Dev != theirs.Dev || ours.Ino != theirs.Ino {
		return fmt.Errorf("%s was replaced", path)
	}
	return nil
}

// lockHolder returns the shim that holds the lock, or 0.
func lockHolder(path string) int {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	query := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &query); err != nil || query.Type == unix.F_UNLCK {
		return 0
	}
	return max(0, int(query.Pid)) // -1: held by a controller
}
