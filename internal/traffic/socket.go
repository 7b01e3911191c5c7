package traffic

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Defaults of [Sockets].
const (
	defaultEvery    = time.Second
	defaultPatience = 5 * time.Second
)

// Sockets is a number of users of a WebSocket, each of whom sends a message
// now and then and expects to see it again, echoed or broadcast.
//
// A user who is told to go (close code 1001, RFC 6455 section 7.4.1) connects
// again at once and repeats the messages that had not come back, as a good
// client does. Any other end of a connection is counted as dropped.
type Sockets struct {
	URL  string // scheme, host and port: "http://127.0.0.1:8080"
	Host string // the Host header; empty: as in URL
	Path string // of the WebSocket, "/ws"

	Users   int           // at least 1
	Every   time.Duration // between two messages of a user; 0: 1s
	Sources int           // client addresses, as for [Load]; 0: one per user
	// Duration is how long messages are sent; 0: until the context ends.
	Duration time.Duration

	// Message wraps the text of a message into what the service understands.
	// The text must come back as it is, anywhere in a frame; it holds no
	// character that JSON escapes. Nil: the text alone.
	Message func(text string) []byte
	// VersionHeader names the header of the handshake's answer that tells the
	// version; empty: X-Version.
	VersionHeader string
	// Patience is how long, after the end, messages may still come back, and
	// how long a handshake or the sending of a message may take; 0: 5s.
	Patience time.Duration
}

// RunningSockets is [Sockets] at work.
type RunningSockets struct {
	sockets Sockets
	tag     string // tells this run's messages from those of others in the room
	books   *socketBooks
	stop    context.CancelFunc
	done    chan struct{}
}

// Run plays the users until the Duration is over or ctx ends, waits for the
// messages that are still out, closes the connections and reports.
//
// It panics when Users is less than 1.
func (s Sockets) Run(ctx context.Context) SocketReport {
	return s.Start(ctx).Wait()
}

// Start begins what Run does and returns at once. The caller must call Wait or
// Stop in the end.
func (s Sockets) Start(ctx context.Context) *RunningSockets {
	if s.Users < 1 {
		panic(fmt.Sprintf("traffic: Sockets with %d users", s.Users))
	}
	s = s.withDefaults()
	ctx, stop := endAfter(ctx, s.Duration)
	r := &RunningSockets{
		sockets: s,
		tag:     strings.ToLower(rand.Text()[:6]),
		books:   newSocketBooks(s.Users),
		stop:    stop,
		done:    make(chan struct{}),
	}
	go r.run(ctx)
	return r
}

func (s Sockets) withDefaults() Sockets {
	if s.Every <= 0 {
		s.Every = defaultEvery
	}
	if s.Patience <= 0 {
		s.Patience = defaultPatience
	}
	if s.Sources <= 0 {
		s.Sources = s.Users
	}
	if s.Message == nil {
		s.Message = func(text string) []byte { return []byte(text) }
	}
	if s.VersionHeader == "" {
		s.VersionHeader = "X-Version"
	}
	return s
}

// endAfter ends a context after d, or only when it is told to where d is 0.
func endAfter(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// Wait waits until all users have gone, and reports.
func (r *RunningSockets) Wait() SocketReport {
	<-r.done
	return r.Report()
}

// Stop ends the sending, waits for the messages that are still out, closes the
// connections and reports.
func (r *RunningSockets) Stop() SocketReport {
	r.stop()
	return r.Wait()
}

// Report tells what has happened so far.
func (r *RunningSockets) Report() SocketReport { return r.books.report() }

// run plays all users and ends with the last of them.
func (r *RunningSockets) run(ctx context.Context) {
	defer close(r.done)
	defer r.stop()
	// late outlives ctx by the users' patience.
	late, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	unhook := context.AfterFunc(ctx, func() {
		patience := time.NewTimer(r.sockets.Patience)
		defer patience.Stop()
		select {
		case <-patience.C:
			giveUp()
		case <-late.Done():
		}
	})
	defer unhook()

	sources := newSources(r.sockets.URL, r.sockets.Sources, false)
	var users sync.WaitGroup
	for i := range r.sockets.Users {
		m := r.member(i, sources[i%len(sources)])
		users.Go(func() { m.live(ctx, late) })
	}
	users.Wait()
	for _, s := range sources {
		s.close()
	}
}
