package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"sync/atomic"
	"time"
)

// impatient is a load of users who ask for something else every time, and who ask three times more, at once, when the
// answer is a failure. Questions are sent on a schedule that does not wait for answers.
type impatient struct {
	s                         *stand
	clients                   []*http.Client
	asked, hurt, failed, lost atomic.Int64 // questions; those that failed at first; failed answers in all; requests without an answer
	stop                      chan struct{}
	busy                      sync.WaitGroup
}

func (s *stand) impatient(rate int, cookies bool) *impatient {
	s.t.Helper()
	u := &impatient{s: s, stop: make(chan struct{})}
	for i := range 1000 {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 4, byte(i/250), byte(1+i%250))}}
		c := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}, Timeout: 20 * time.Second}
		if cookies {
			c.Jar, _ = cookiejar.New(nil) // it fails for no options at all
		}
		u.clients = append(u.clients, c)
	}
	u.busy.Go(func() {
		every := time.NewTicker(time.Second / time.Duration(rate))
		defer every.Stop()
		for i := 0; ; i++ {
			select {
			case <-u.stop:
				return
			case <-every.C:
				u.busy.Go(func() { u.ask(i) })
			}
		}
	})
	return u
}

// ask is the i-th question, with what follows.
func (u *impatient) ask(i int) {
	u.asked.Add(1)
	for try := range 4 {
		res, err := u.clients[i%len(u.clients)].Get(fmt.Sprintf("http://%s/api/echo?text=%d", u.s.http, i))
		if err != nil {
			u.lost.Add(1)
			return
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode < 500 {
			return
		}
		if u.failed.Add(1); try == 0 {
			u.hurt.Add(1)
		}
	}
}

// until waits until so many questions were asked.
func (u *impatient) until(n int64) {
	u.s.t.Helper()
	u.s.until(30*time.Second, "users ask", func() error {
		if got := u.asked.Load(); got < n {
			return fmt.Errorf("%d have", got)
		}
		return nil
	})
}

func (u *impatient) end() {
	close(u.stop)
	u.busy.Wait()
	for _, c := range u.clients {
		c.CloseIdleConnections()
	}
}
