package proxy

import (
	"errors"
	"syscall"
)

// What the router refuses.
var (
	// ErrNoService means that no route matches the request: answer 404.
	ErrNoService = errors.New("no service is routed for this host and path")
	// ErrNoInstance means that no healthy instance was found, not even after
	// holding: answer 503.
	ErrNoInstance = errors.New("no healthy instance")
	// ErrTooManyHeld means that as many requests wait already as one service
	// may hold: answer 503.
	ErrTooManyHeld = errors.New("too many requests are waiting for an instance")
)

// FailureKind says how an attempt failed.
type FailureKind int

const (
	Dial    FailureKind = iota // no connection could be made; nothing was sent
	Reset                      // the connection broke before the response began
	Timeout                    // no response head in time
	Broken                     // the response head made no sense
)

// String is the kind in lower case.
func (k FailureKind) String() string {
	switch k {
	case Dial:
		return "dial"
	case Reset:
		return "reset"
	case Timeout:
		return "timeout"
	default:
		return "broken"
	}
}

// Failure describes an attempt that failed before any byte was answered.
type Failure struct {
	Kind FailureKind
	// BodyConsumed: some of the request body was read from the client and
	// cannot be sent again.
	BodyConsumed bool
	// Reused: the connection had served a request before. A reset then says
	// nothing about the instance, which may have closed it for being idle.
	Reused bool
	// Err is the cause, for the log and the state; may be nil.
	Err error
}

// ours tells whether the proxy's own machine ran out of something: then the
// failure says nothing about the instance. Without this, one process at its
// limit of open files would declare every instance unhealthy.
func (f Failure) ours() bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(f.Err, e) {
			return true
		}
	}
	return false
}

// By says who made the answer.
type By int

const (
	ByApp  By = iota // the instance
	ByNaru           // the proxy itself
)

// Outcome is how a request ended, as the user saw it.
type Outcome struct {
	Status   int // final status; 0: none was sent
	Answered By
	Aborted  bool  // the client went away; never a failure
	Broken   bool  // the response broke in the middle
	In, Out  int64 // bytes of request and response bodies
}

func (o Outcome) failed() bool { return !o.Aborted && (o.Broken || o.Status >= 500) }
