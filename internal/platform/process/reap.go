//go:build linux

package process

import (
	"time"

	"golang.org/x/sys/unix"
)

// All signals to the program's group are sent by the shim between two calls of wait4, so the group's number cannot
// have been given to others: a process that is not reaped keeps it, and nobody but the shim reaps.

// reap collects what has ended and reports whether nothing is left.
func (s *shim) reap() (done bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil: // ECHILD
			return true
		case pid == 0:
			s.endRest()
			return false
		case pid == s.state.Child.PID:
			s.status, s.reaped = status, true
		}
	}
}

// endRest kills what the program has left behind. When the instance is being stopped the members of its group have
// got the signal as well and may finish what they do; those who left the group got none.
func (s *shim) endRest() {
	if !s.reaped {
		return
	}
	if s.killing || !s.stopping {
		s.kill()
	} else if s.signalGroup(0); s.groupGone {
		s.kill()
	}
}

// signalGroup sends a signal to the program's group until that is found empty; from then on its number may be
// somebody else's.
func (s *shim) signalGroup(sig unix.Signal) {
	if !s.groupGone {
		s.groupGone = unix.Kill(-s.state.Child.PID, sig) == unix.ESRCH
	}
}

// stop passes the wish to end on to the group, once, and takes over the deadline of the order.
func (s *shim) stop() {
	deadline := time.Now().Add(s.launch.Spec.Settings.StopTimeout.D())
	if o, err := s.folder.readStop(); err == nil {
		deadline = o.Deadline
	} else if s.launch.Spec.Settings.StopTimeout == 0 {
		deadline = time.Now().Add(defaultStopTimeout)
	}
	s.deadline = time.After(time.Until(deadline))
	if !s.stopping {
		s.stopping = true
		s.signalGroup(unix.SIGTERM)
	}
}

// defaultStopTimeout is for a SIGTERM that no order explains: the machine is being shut down, say.
const defaultStopTimeout = 10 * time.Second

// kill ends the whole group, and every process that left it and has become the shim's child by now. The death of
// those makes their own children the shim's, which the next SIGCHLD brings up.
func (s *shim) kill() {
	s.killing, s.deadline = true, nil
	s.signalGroup(unix.SIGKILL)
	all, err := processes()
	if err != nil {
		return
	}
	for _, p := range all {
		if p.PPID == s.state.Shim.PID {
			_ = unix.Kill(p.PID, unix.SIGKILL) // our child: its number is its own until it is reaped, here
		}
	}
}
