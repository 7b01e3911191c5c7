package platformtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// Program is a program that the suite runs as an instance. A platform under test finds its own way to run
// Program.Main as a program: a test binary may re-execute itself, an image may contain one.
type Program string

const (
	// Echo serves HTTP on 127.0.0.1:$PORT, or on all addresses where $ECHO_HOST says so, and answers every request with an Answer. It ends on SIGTERM.
	Echo Program = "echo"
	// Fail prints twelve numbered lines and ends with exit status 3.
	Fail Program = "fail"
	// Stubborn prints "ready" and ignores SIGTERM.
	Stubborn Program = "stubborn"
	// Chatty prints "line 1", "line 2" and so on, as many lines as its argument says, and waits for SIGTERM.
	Chatty Program = "chatty"
	// Parent starts a Stubborn in its own process group, prints that one's process number and waits for SIGTERM.
	Parent Program = "parent"
	// Confess prints what its variable SECRET holds and ends with exit status 3.
	Confess Program = "confess"
	// Missing does not exist.
	Missing Program = "missing"
)

// Answer is what Echo answers, in JSON.
type Answer struct {
	Version, Revision, Instance, Port string
	Args                              []string
	Env                               []string // the whole environment
}

// Main runs the program and never returns.
func (p Program) Main(args []string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	switch p {
	case Echo:
		go echo(args)
		<-term
	case Fail:
		for i := range 12 {
			fmt.Println("giving up", i+1)
		}
		os.Exit(3)
	case Confess:
		fmt.Printf("cannot log in as ada:%s@db\n", os.Getenv("SECRET"))
		os.Exit(3)
	case Stubborn:
		fmt.Println("ready")
		for range term {
			fmt.Println("no")
		}
	case Chatty:
		n, _ := strconv.Atoi(args[0])
		for i := range n {
			fmt.Println("line", i+1)
		}
		<-term
	case Parent:
		child := exec.Command("/proc/self/exe", "program", string(Stubborn))
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			fail(err)
		}
		fmt.Println("child", child.Process.Pid)
		<-term
	default:
		fail(fmt.Errorf("no program %q", p))
	}
	os.Exit(0)
}

func echo(args []string) {
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(os.Getenv("ECHO_HOST"), "127.0.0.1"), os.Getenv("PORT")))
	if err != nil {
		fail(err)
	}
	fmt.Println("listening")
	fail(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(Answer{
			Version: os.Getenv("NARU_VERSION"), Revision: os.Getenv("NARU_REVISION"),
			Instance: os.Getenv("NARU_INSTANCE"), Port: os.Getenv("PORT"),
			Args: args, Env: os.Environ(),
		})
	})))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
