package dockertest

import "syscall"

// Hang makes the engine of the tests answer nobody, with all its connections open, until GoOn.
func (e *Engine) Hang() error { return e.cmd.Process.Signal(syscall.SIGSTOP) }

// GoOn ends a Hang.
func (e *Engine) GoOn() error { return e.cmd.Process.Signal(syscall.SIGCONT) }
