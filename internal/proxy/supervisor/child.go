package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// child is a proxy process of our own.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (c *child) alive() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// spawn starts a proxy in a session of its own.
func (s *Supervisor) spawn() error {
	sockets, err := s.o.Sockets()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return err
	}
	log, err := openLog(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.o.Command[0], s.o.Command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, sockets
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", s.o.Command[0], err)
	}
	c := &child{cmd, make(chan struct{})}
	s.mu.Lock()
	s.child = c
	s.mu.Unlock()
	go func() { // ends with the proxy, which may outlive us; it holds nothing but the wait
		err := cmd.Wait()
		close(c.done)
		s.mu.Lock()
		closing := s.closing
		s.mu.Unlock()
		if !closing {
			s.o.Log.Warn("the proxy has ended", "pid", cmd.Process.Pid, "error", err)
		}
	}()
	s.o.Log.Info("proxy started", "pid", cmd.Process.Pid)
	return nil
}

// alive reports whether a process of that number runs; a zombie of ours does not.
func alive(pid int) bool {
	if pid <= 0 || syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	for i := len(stat) - 1; i > 0; i-- {
		if stat[i] == ')' {
			return i+2 < len(stat) && stat[i+2] != 'Z'
		}
	}
	return false
}
