package websocket

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialled.Close(); accepted.Close() })
	for _, c := range []net.Conn{dialled, accepted} {
		c.SetReadDeadline(time.Now().Add(20 * time.Second)) // no test hangs
	}
	return accepted.(*net.TCPConn), dialled.(*net.TCPConn)
}

// start relays between a client and a backend that the test plays.
func start(t *testing.T) (r *Relay, client, backend *net.TCPConn) {
	t.Helper()
	toClient, client := pair(t)
	toBackend, backend := pair(t)
	toClient.SetReadDeadline(time.Time{})
	toBackend.SetReadDeadline(time.Time{})
	r = Start(Peer{Conn: toClient}, Peer{Conn: toBackend})
	t.Cleanup(func() { r.Close(); r.Wait() })
	return r, client, backend
}

func send(t *testing.T, c net.Conn, p []byte) {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes %.40q (%v), want %d bytes %.40q", n, got[:n], err, len(want), want)
	}
}

func expectEnd(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || n != 0 {
		t.Fatalf("read %d bytes and %v, want the end", n, err)
	}
}

var goodbye = CloseFrame(GoingAway, "going away", false)

func TestRelayCarriesEverythingBothWays(t *testing.T) {
	r, client, backend := start(t)
	data := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(data)
	for _, way := range [][2]*net.TCPConn{{client, backend}, {backend, client}} {
		sent := make(chan error, 1)
		go func() {
			_, err := way[0].Write(data)
			way[0].CloseWrite()
			sent <- err
		}()
		hash := sha256.New()
		if _, err := io.Copy(hash, way[1]); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if [32]byte(hash.Sum(nil)) != sha256.Sum256(data) {
			t.Fatal("digest differs")
		}
	}
	if got, want := r.Wait(), (Result{In: 3 << 20, Out: 3 << 20}); got != want {
		t.Fatalf("result %+v, want %+v", got, want)
	}
}

func TestReadAheadComesFirst(t *testing.T) {
	toClient, client := pair(t)
	toBackend, backend := pair(t)
	r := Start(Peer{Conn: toClient, Reader: io.MultiReader(bytes.NewReader([]byte("early ")), toClient)}, Peer{Conn: toBackend})
	send(t, client, []byte("late"))
	expect(t, backend, []byte("early late"))
	r.Close()
	r.Wait()
}

func TestGoAwayWhileIdle(t *testing.T) {
	r, client, backend := start(t)
	gone := make(chan struct{})
	go func() { r.GoAway(); close(gone) }()
	expect(t, client, goodbye)
	reply := CloseFrame(GoingAway, "", true)
	message := frame(0x81, []byte("under way"), true)
	send(t, client, append(message, reply...))
	expect(t, backend, append(message, reply...)) // nothing that the client sent is lost
	send(t, backend, CloseFrame(GoingAway, "", false))
	expectEnd(t, client)
	<-gone
	if res := r.Wait(); !res.Told || res.Broken {
		t.Fatalf("result %+v", res)
	}
}

func TestGoAwayWaitsForTheEndOfTheFrame(t *testing.T) {
	r, client, backend := start(t)
	message := frame(0x82, bytes.Repeat([]byte("a"), 100_000), false)
	more := frame(0x82, []byte("dropped: nothing may follow a close frame"), false)
	send(t, backend, message[:60_000])
	expect(t, client, message[:60_000])
	gone := make(chan struct{})
	go func() { r.GoAway(); close(gone) }()
	waitLeaving(t, r.down)
	send(t, backend, append(message[60_000:], more...))
	expect(t, client, message[60_000:])
	expect(t, client, goodbye)
	client.Close()
	<-gone
	if res := r.Wait(); !res.Told {
		t.Fatalf("result %+v", res)
	}
}

func TestGoAwayCutsAFrameThatNeverEnds(t *testing.T) {
	r, client, backend := start(t)
	message := frame(0x82, make([]byte, 1000), false)
	send(t, backend, message[:500])
	expect(t, client, message[:500])
	r.GoAway()
	expectEnd(t, client)
	if res := r.Wait(); res.Told || res.Broken {
		t.Fatalf("result %+v", res)
	}
}

func TestGoAwayAnswersForASilentClient(t *testing.T) {
	r, client, backend := start(t)
	gone := make(chan struct{})
	go func() { r.GoAway(); close(gone) }()
	expect(t, client, goodbye)
	masked := make([]byte, 6+12)
	if _, err := io.ReadFull(backend, masked); err != nil {
		t.Fatal(err)
	}
	if masked[0] != 0x88 || masked[1] != maskBit|12 || masked[6]^masked[2] != 0x03 || masked[7]^masked[3] != 0xe9 {
		t.Fatalf("backend was sent % x, want a masked 1001", masked)
	}
	<-gone
	expectEnd(t, client)
	r.Wait()
}

func TestGoAwayAfterTheServerSaidGoodbye(t *testing.T) {
	r, client, backend := start(t)
	own := CloseFrame(1000, "", false)
	send(t, backend, own)
	expect(t, client, own)
	r.GoAway()
	expectEnd(t, client) // and not a second close frame
	if res := r.Wait(); res.Told {
		t.Fatalf("result %+v", res)
	}
}

func TestBrokenBackend(t *testing.T) {
	for name, end := range map[string]func(*net.TCPConn){
		"reset":              func(c *net.TCPConn) { c.SetLinger(0); c.Close() },
		"end inside a frame": func(c *net.TCPConn) { c.Write([]byte{0x82, 100, 1, 2, 3}); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r, client, backend := start(t)
			end(backend)
			io.Copy(io.Discard, client)
			client.Close()
			if res := r.Wait(); !res.Broken {
				t.Fatalf("result %+v, want broken", res)
			}
		})
	}
}

func TestClientThatGoesAwayBreaksNothing(t *testing.T) {
	r, client, backend := start(t)
	client.SetLinger(0)
	client.Close()
	io.Copy(io.Discard, backend)
	if res := r.Wait(); res.Broken {
		t.Fatalf("result %+v, want not broken", res)
	}
}

// waitLeaving polls until the farewell waits for the end of a frame.
func waitLeaving(t *testing.T, h *half) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		h.mu.Lock()
		leaving := h.leaving
		h.mu.Unlock()
		if leaving {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("GoAway did not begin")
		}
	}
}
