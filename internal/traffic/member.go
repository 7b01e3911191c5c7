package traffic

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// reconnectPause is how long a user waits who was refused. One who was
	// told to come back does so at once.
	reconnectPause = 50 * time.Millisecond
	// largestFrame is read in one piece, in bytes.
	largestFrame = 1 << 20
)

// member is one user: the connection changes, the messages stay.
type member struct {
	sockets Sockets
	books   *socketBooks
	source  *source
	prefix  string        // begins all texts of this user
	phase   time.Duration // so that not all users speak at once

	mu      sync.Mutex
	next    int
	waiting []message     // sent and not seen again, oldest first
	seen    chan struct{} // signals, without blocking, that waiting got shorter
}

type message struct {
	number int
	text   string
	first  time.Time // when it was sent for the first time
}

func (r *RunningSockets) member(i int, s *source) *member {
	return &member{
		sockets: r.sockets,
		books:   r.books,
		source:  s,
		prefix:  fmt.Sprintf("[%s user %d message ", r.tag, i),
		phase:   r.sockets.Every * time.Duration(i) / time.Duration(r.sockets.Users),
		seen:    make(chan struct{}, 1),
	}
}

// live connects, and connects again, until ctx has ended and nothing is waited
// for any more, or until late has ended.
func (m *member) live(ctx, late context.Context) {
	for ctx.Err() == nil || late.Err() == nil && m.waits() {
		conn, version, err := m.connect(late)
		if err != nil {
			if late.Err() == nil {
				m.books.refused(m.failure(version, err))
			}
			select {
			case <-late.Done():
			case <-time.After(reconnectPause):
			}
			continue
		}
		m.books.connected(version)
		err = m.session(ctx, late, conn)
		m.books.disconnected()
		m.judge(late, version, err)
	}
	m.books.lost(m.forget())
}

// connect opens a WebSocket, following no redirect.
func (m *member) connect(ctx context.Context) (*websocket.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, m.sockets.Patience)
	defer cancel()
	url := strings.TrimSuffix(m.sockets.URL, "/") + m.sockets.Path
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: m.source.fresh,
		Host:       m.sockets.Host,
	})
	version := ""
	if response != nil {
		version = response.Header.Get(m.sockets.VersionHeader)
	}
	if err != nil {
		return nil, version, err
	}
	conn.SetReadLimit(largestFrame)
	return conn, version, nil
}

// judge counts the end of a session: nil is the user's own.
func (m *member) judge(late context.Context, version string, err error) {
	switch {
	case err == nil || late.Err() != nil:
	case websocket.CloseStatus(err) == websocket.StatusGoingAway:
		m.books.told()
	default:
		m.books.dropped(m.failure(version, fmt.Errorf("connection lost: %w", err)))
		m.books.lost(m.forget())
	}
}

// session holds one connection until the user has done everything (nil), or
// until the connection ends (the reason, which wraps a websocket.CloseError
// when the other side closed it in form).
func (m *member) session(ctx, late context.Context, conn *websocket.Conn) error {
	ended := make(chan error, 1)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer conn.CloseNow()
	reader.Go(func() { ended <- m.read(late, conn) })

	m.repeat(late, conn)
	turn := time.NewTimer(m.phase)
	defer turn.Stop()
	over := ctx.Done()
	for {
		if ctx.Err() != nil && !m.waits() {
			// Our own farewell; what the other side makes of it is no matter.
			_ = conn.Close(websocket.StatusNormalClosure, "")
			return nil
		}
		select {
		case err := <-ended:
			return err
		case <-turn.C:
			if ctx.Err() == nil {
				m.say(late, conn)
				turn.Reset(m.sockets.Every)
			}
		case <-m.seen:
		case <-over:
			over = nil
		}
	}
}

// read takes frames until the connection ends, and returns why it did.
func (m *member) read(ctx context.Context, conn *websocket.Conn) error {
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		m.hear(string(frame))
	}
}

// say sends a new message. It is waited for even when sending fails, because
// nobody knows how far it came; the reader will see the connection end.
func (m *member) say(ctx context.Context, conn *websocket.Conn) {
	m.mu.Lock()
	m.next++
	text := m.prefix + strconv.Itoa(m.next) + "]"
	m.waiting = append(m.waiting, message{number: m.next, text: text, first: time.Now()})
	m.mu.Unlock()
	m.books.sent()
	m.write(ctx, conn, text)
}

// repeat sends once more what has not come back from an earlier connection.
func (m *member) repeat(ctx context.Context, conn *websocket.Conn) {
	m.mu.Lock()
	texts := make([]string, len(m.waiting))
	for i, w := range m.waiting {
		texts[i] = w.text
	}
	m.mu.Unlock()
	for _, text := range texts {
		m.books.resent()
		m.write(ctx, conn, text)
	}
}

func (m *member) write(ctx context.Context, conn *websocket.Conn, text string) {
	ctx, cancel := context.WithTimeout(ctx, m.sockets.Patience)
	defer cancel()
	_ = conn.Write(ctx, websocket.MessageText, m.sockets.Message(text))
}

// hear looks for an own message in a frame. One that was repeated may come
// twice; it counts once.
func (m *member) hear(frame string) {
	_, rest, found := strings.Cut(frame, m.prefix)
	digits, _, closed := strings.Cut(rest, "]")
	number, err := strconv.Atoi(digits)
	if !found || !closed || err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, w := range m.waiting {
		if w.number != number {
			continue
		}
		m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
		m.books.echoed(time.Since(w.first))
		select {
		case m.seen <- struct{}{}:
		default:
		}
		return
	}
}

func (m *member) waits() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.waiting) > 0
}

// forget gives up all messages that are waited for, and returns their number.
func (m *member) forget() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.waiting)
	m.waiting = nil
	return n
}

func (m *member) failure(version string, err error) Failure {
	return Failure{
		At:      time.Now(),
		What:    "WebSocket " + m.sockets.Path,
		Source:  m.source.address,
		Version: version,
		Err:     err.Error(),
	}
}
