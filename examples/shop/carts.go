package main

import (
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	cookieName = "shop_session"
	// sessionAge is how long a cart is kept after its last item.
	sessionAge = 30 * time.Minute
)

// carts are the sessions of one instance, in its memory: who comes back to
// another instance finds an empty cart. That is why naru.yaml asks for sticky
// affinity.
type carts struct {
	mu       sync.Mutex
	sessions map[string]*session
	swept    time.Time
	orders   int
}

type session struct {
	items []string
	used  time.Time
}

func newCarts() *carts {
	return &carts{sessions: make(map[string]*session), swept: time.Now()}
}

// add puts an item into the customer's cart and returns all of them. Who has
// none here gets a new one, with a new cookie: never one under an id that the
// customer chose.
func (c *carts) add(w http.ResponseWriter, r *http.Request, item string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.sweep(now)
	s := c.find(r)
	if s == nil {
		s = new(session)
		id := rand.Text()
		c.sessions[id] = s
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	s.items = append(s.items, item)
	s.used = now
	return slices.Clone(s.items)
}

// of returns the items in the customer's cart.
func (c *carts) of(r *http.Request) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.find(r); s != nil {
		return slices.Clone(s.items)
	}
	return nil
}

// take empties the customer's cart, and numbers the order if it held anything.
func (c *carts) take(r *http.Request) (number int, items []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(r)
	if s == nil || len(s.items) == 0 {
		return 0, nil
	}
	items, s.items = s.items, nil
	c.orders++
	return c.orders, items
}

// find returns the customer's session, or nil. The lock is held.
func (c *carts) find(r *http.Request) *session {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	return c.sessions[cookie.Value]
}

// sweep forgets old sessions, once a minute. The lock is held.
func (c *carts) sweep(now time.Time) {
	if now.Sub(c.swept) < time.Minute {
		return
	}
	c.swept = now
	for id, s := range c.sessions {
		if now.Sub(s.used) > sessionAge {
			delete(c.sessions, id)
		}
	}
}
