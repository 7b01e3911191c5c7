//go:build linux

package process

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/secret"
)

// shim is the parent of one program, in a process of its own.
type shim struct {
	folder folder
	launch launch
	found  secret.Set // from the controller, by a pipe: it is on no disk
	state  state
	output *output
	copied chan struct{} // closed when the program's output has been read to its end
	pipe   *os.File      // where it is read

	died chan os.Signal // SIGCHLD: something may have ended
	term chan os.Signal // SIGTERM: end the program

	status    unix.WaitStatus // of the program, once reaped is true
	reaped    bool
	groupGone bool             // no process of the program's group is left
	stopping  bool             // SIGTERM was passed on; what is left of the group may finish
	killing   bool             // time is over: everything is killed
	deadline  <-chan time.Time // when stopping becomes killing
}

// Shim runs the instance whose folder is given until it has ended; it is what the command `naru shim DIR` does. It
// tells the controller on standard output: nothing and the end of file once the start, or its failure, is
// recorded; anything else is the reason why there is no record. On SIGTERM it ends the program as the order in
// the folder says. It must be called from the program's main goroutine and never returns before the instance's
// processes are gone.
func Shim(dir string) error {
	// The kernel sends the program its parent-death signal when the thread that started it ends, not the process.
	runtime.LockOSThread()
	closeInherited()
	s := &shim{
		folder: folder(dir),
		copied: make(chan struct{}),
		died:   make(chan os.Signal, 1),
		term:   make(chan os.Signal, 1),
	}
	s.listen()
	// Orphans of the program become children of the shim, so none can slip away.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("shim: become the parent of orphans: %w", err)
	}
	if err := lockAsShim(s.folder.lockFile()); err != nil {
		return fmt.Errorf("shim: lock %s: %w", dir, err)
	}
	if err := s.load(); err != nil {
		return fmt.Errorf("shim: %w", err)
	}
	return s.run()
}

// listen catches what must not end the shim. The signals are caught and not ignored, because a program inherits
// what its parent ignores.
func (s *shim) listen() {
	signal.Notify(s.died, unix.SIGCHLD)
	signal.Notify(s.term, unix.SIGTERM)
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2)
}

func (s *shim) load() (err error) {
	if s.launch, err = s.folder.readLaunch(); err != nil {
		return err
	}
	if s.found, err = secret.Receive(os.Stdin); err != nil {
		return fmt.Errorf("receive the environment: %w", err)
	}
	letGo(os.Stdin)                     // of the only copy outside this process
	previous, _ := s.folder.readState() // none, or damaged: counting starts anew
	s.state = state{Exits: previous.Exits, Ended: previous.Ended, Reason: previous.Reason}
	if s.state.Boot, err = bootID(); err != nil {
		return err
	}
	s.state.Shim, err = identify(os.Getpid())
	return err
}

func (s *shim) run() error {
	s.output = openOutput(s.launch.Logs)
	s.output.hide = s.found
	defer s.output.close()
	if err := s.start(); err != nil {
		s.state.end(time.Now(), err.Error())
		return s.folder.write(stateFile, s.state)
	}
	if err := s.folder.write(stateFile, s.state); err != nil {
		// Without a record nobody could find the program again.
		err = fmt.Errorf("shim: record the start: %w", err)
		s.kill()
		s.supervise()
		return err
	}
	release()
	s.supervise()
	s.state.end(time.Now(), s.reason())
	return s.folder.write(stateFile, s.state)
}

// supervise returns when the program and everything it started are gone and their output is in the log.
func (s *shim) supervise() {
	for !s.reap() {
		select {
		case <-s.died:
		case <-s.term:
			s.stop()
		case <-s.deadline:
			s.kill()
		}
	}
	// All writers of the pipe are dead, so its end has come; the bound is for one that got away to another parent.
	_ = s.pipe.SetReadDeadline(time.Now().Add(time.Second))
	<-s.copied
	_ = s.pipe.Close()
}

// reason says how the program ended, with its last words.
func (s *shim) reason() string {
	after := time.Since(s.state.Started)
	round := time.Second
	if after < 10*time.Second {
		round = 10 * time.Millisecond
	}
	text := fmt.Sprintf("%s after %s", describe(s.status), after.Round(round))
	if tail := s.output.tail(); tail != "" {
		text += "; its last output:\n" + tail
	}
	return text
}

func describe(status unix.WaitStatus) string {
	if !status.Signaled() {
		return fmt.Sprintf("it ended with exit status %d", status.ExitStatus())
	}
	text := "it was ended by " + unix.SignalName(status.Signal())
	if status.Signal() == unix.SIGKILL {
		text += " (kill -9, or the machine ran out of memory)"
	}
	if status.CoreDump() {
		text += ", core dumped"
	}
	return text
}

// release lets go of the controller: its pipe is closed, which tells it that the record is there.
func release() { letGo(os.Stdout, os.Stderr) }

// letGo puts nothing in the place of standard files, so that no other file ever has their numbers.
func letGo(files ...*os.File) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for _, f := range files {
		_ = unix.Dup3(int(null.Fd()), int(f.Fd()), 0)
	}
}

// closeInherited closes the files that the shim got from whoever started it, such as a listening socket that
// would otherwise stay bound for as long as the instance runs. Files that this process opened itself are marked
// close-on-exec, inherited ones cannot be: the mark would have closed them.
func closeInherited() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
}

// start starts the program; the error is the reason in words.
func (s *shim) start() error {
	c, err := s.launch.program(s.found)
	if err != nil {
		return fmt.Errorf("cannot start %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", c.args[0], err)
	}
	null, err := os.Open(os.DevNull)
	if err == nil {
		err = s.spawn(c, null, write)
		_ = null.Close()
	}
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return fmt.Errorf("cannot start %s: %w", c.args[0], err)
	}
	s.pipe = read
	go func() {
		defer close(s.copied)
		s.output.copy(read)
	}()
	return nil
}

func (s *shim) spawn(c command, stdin, output *os.File) error {
	child, err := os.StartProcess(c.path, c.args, &os.ProcAttr{
		Dir: c.dir, Env: c.env, Files: []*os.File{stdin, output, output},
		Sys: &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return explain(err)
	}
	s.state.Started, s.state.Running = time.Now(), true
	if s.state.Child, err = identify(child.Pid); err != nil { // it cannot go before it is reaped, here
		s.state.Child = identity{PID: child.Pid}
	}
	return child.Release() // this process reaps by itself
}
