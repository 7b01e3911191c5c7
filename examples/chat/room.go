package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/naru-deploy/naru/examples/app"
)

const (
	// unread is how many messages may wait for a member who reads slowly,
	// before the member has to go: one of them must not slow down the room.
	unread = 64
	// writeTimeout is how long one message may take to leave.
	writeTimeout = 5 * time.Second
)

// message is what members receive.
type message struct {
	Type     string `json:"type"` // welcome, message or error
	Version  string `json:"version"`
	Instance string `json:"instance"`
	Name     string `json:"name,omitempty"`    // welcome: your name
	Members  int    `json:"members,omitempty"` // welcome: you included
	From     string `json:"from,omitempty"`
	Text     string `json:"text,omitempty"`
}

// room is everyone who is connected to this instance.
type room struct {
	program app.Program
	closing chan struct{} // closed when all have to go

	mu      sync.Mutex
	closed  bool
	guests  int // numbers those without a name
	members map[*member]struct{}
	inside  sync.WaitGroup // one per member
}

type member struct {
	name  string
	inbox chan []byte
	cut   context.CancelFunc
}

func newRoom(p app.Program) *room {
	return &room{program: p, closing: make(chan struct{}), members: make(map[*member]struct{})}
}

// close tells all members to come back (1001, "going away") and waits until
// they have gone. Who comes later is told so at once.
func (r *room) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	close(r.closing)
	r.inside.Wait()
}

// serve is the stay of one member, from the handshake to the farewell.
func (r *room) serve(w http.ResponseWriter, request *http.Request) {
	conn, err := websocket.Accept(w, request, nil)
	if err != nil {
		return // Accept has answered what is wrong
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	m, ok := r.join(request.FormValue("name"), cancel)
	if !ok {
		_ = conn.Close(websocket.StatusGoingAway, "this instance is stopping")
		return
	}
	defer r.leave(m)

	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel()
	writer.Go(func() { r.write(ctx, conn, m) })
	r.read(ctx, conn, m)
}

// join lets a member in, unless the room is closing.
func (r *room) join(name string, cut context.CancelFunc) (*member, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, false
	}
	if name == "" {
		r.guests++
		name = fmt.Sprintf("guest-%d", r.guests)
	}
	m := &member{name: name, inbox: make(chan []byte, unread), cut: cut}
	r.inside.Add(1)
	r.members[m] = struct{}{}
	r.program.Log.Printf("%q joined, %d here", name, len(r.members))
	r.deliver(m, r.encode(message{Type: "welcome", Name: name, Members: len(r.members)}))
	return m, true
}

func (r *room) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, m)
	r.program.Log.Printf("%q left, %d here", m.name, len(r.members))
	r.inside.Done()
}

// read passes on what a member says, until the connection ends.
func (r *room) read(ctx context.Context, conn *websocket.Conn, m *member) {
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var said struct {
			Text string `json:"text"`
		}
		r.mu.Lock()
		if json.Unmarshal(data, &said) != nil || said.Text == "" {
			r.deliver(m, r.encode(message{Type: "error", Text: `say {"text":"..."}`}))
		} else {
			line := r.encode(message{Type: "message", From: m.name, Text: said.Text})
			for other := range r.members {
				r.deliver(other, line)
			}
		}
		r.mu.Unlock()
	}
}

// encode says where a message comes from, and puts it into JSON.
func (r *room) encode(m message) []byte {
	m.Version, m.Instance = r.program.Version, r.program.Instance
	line, err := json.Marshal(m)
	if err != nil {
		panic(err) // a struct of strings and numbers always has a JSON form
	}
	return line
}

// deliver puts a message into an inbox, or cuts off a member whose inbox is
// full. The lock is held.
func (r *room) deliver(m *member, line []byte) {
	select {
	case m.inbox <- line:
	default:
		r.program.Log.Printf("%q reads too slowly: cut off", m.name)
		m.cut()
	}
}

// write empties the inbox onto the wire, until the connection ends or the room
// closes. The farewell comes after the last message.
func (r *room) write(ctx context.Context, conn *websocket.Conn, m *member) {
	send := func(line []byte) bool {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		return conn.Write(ctx, websocket.MessageText, line) == nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-m.inbox:
			if !send(line) {
				m.cut()
				return
			}
		case <-r.closing:
			for len(m.inbox) > 0 && send(<-m.inbox) {
			}
			_ = conn.Close(websocket.StatusGoingAway, "this instance is stopping")
			return
		}
	}
}
