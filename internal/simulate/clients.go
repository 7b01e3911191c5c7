package simulate

import (
	"math/rand/v2"
	"time"
)

// window is the time in which a client's failures are counted once.
const window = 10 * time.Second

// The two revisions, as indices.
const (
	stable = iota
	canary
)

// client is one whose requests fail.
type client struct {
	place   float64 // among the users, from 0 to 1: with affinity the canary has those below its share
	left    int     // repeats to come; below zero: it never gives up
	canary  bool    // its failure is the canary's fault: stable answers it
	charged [2]time.Duration

	compared bool // one failure was, if it stays with its version
}

// crowd is the clients that come again.
type crowd struct {
	of    Clients
	rand  *rand.Rand
	again float64 // of the repeated requests, that fail too
	gap   time.Duration
	every time.Duration
	at    int         // present place in the ring
	ring  [][]*client // who comes next, by tick
}

func newCrowd(s *Scenario, r *rand.Rand) *crowd {
	c := &crowd{of: s.Clients, rand: r, again: 1, every: 2 * time.Second}
	if s.Clients.Again != nil {
		c.again = float64(*s.Clients.Again)
	}
	if s.Clients.Every > 0 {
		c.every = s.Clients.Every.D()
	}
	within := 3 * time.Second
	if s.Clients.Within > 0 {
		within = s.Clients.Within.D()
	}
	c.gap = within / time.Duration(max(1, s.Clients.Retries))
	c.ring = make([][]*client, 2+int(2*max(c.gap, c.every)/tick))
	for range s.Clients.Stuck {
		c.later(c.client(r.Float64(), -1), time.Duration(r.Float64()*float64(c.every)))
	}
	return c
}

func (c *crowd) client(place float64, left int) *client {
	return &client{place: place, left: left, charged: [2]time.Duration{-time.Hour, -time.Hour}}
}

// alone reports whether nobody comes again, so that there is nothing to keep in mind.
func (c *crowd) alone() bool { return c.of.Retries == 0 && c.of.Stuck == 0 }

// later lets a client come again.
func (c *crowd) later(who *client, in time.Duration) {
	i := (c.at + 1 + int(in/tick)) % len(c.ring)
	c.ring[i] = append(c.ring[i], who)
}

// send gives the requests of this tick that are repeated to the revisions.
func (c *crowd) send(now time.Duration, share float64, arms [2]*arm, w [2]*weather) {
	if c.alone() {
		return
	}
	c.at = (c.at + 1) % len(c.ring)
	due := c.ring[c.at]
	c.ring[c.at] = nil
	for _, who := range due {
		to, place := stable, who.place
		if !c.of.Sticky {
			place = c.rand.Float64()
		}
		if place < share {
			to = canary
		}
		p := c.again
		switch {
		case who.left < 0:
			p = 1
		case who.canary && to == stable:
			p = w[to].fails
		}
		arms[to].repeat(now, who, c.rand.Float64() < p, w[to])
		if who.left < 0 {
			c.later(who, c.spread(c.every))
		}
	}
}

// spread is a time around d, so that nothing beats in step.
func (c *crowd) spread(d time.Duration) time.Duration {
	return time.Duration((0.5 + c.rand.Float64()) * float64(d))
}

// charge says how many failures of a tick count against a revision, and how many of them may be compared, and lets those
// clients come again.
func (c *crowd) charge(now time.Duration, share float64, revision int, a *arm) (charged, fair int) {
	for _, f := range a.fails {
		n := 1
		who := f.client
		if who == nil && !c.alone() {
			who = c.client(c.somewhere(share, revision), c.of.Retries)
			who.canary = f.extra
		}
		if who != nil {
			n = c.fail(who, now, revision)
		}
		charged += n
		switch {
		case !f.fair:
		case c.of.Sticky && (c.of.Charge == "" || c.of.Charge == ChargeOnce): // of a user who stays where it is the first failure says all
			if who == nil {
				fair++
			} else if !who.compared {
				who.compared = true
				fair++
			}
		default:
			fair += n
		}
	}
	return charged, fair
}

// somewhere is the place of one of a revision's users.
func (c *crowd) somewhere(share float64, revision int) float64 {
	place := c.rand.Float64()
	if revision == canary {
		return place * share
	}
	return share + place*(1-share)
}

// fail counts a failure of a client, 1 or 0, and plans its next request.
func (c *crowd) fail(who *client, now time.Duration, revision int) (charged int) {
	last := who.charged[revision]
	switch c.of.Charge {
	case ChargeAll:
		last = -time.Hour
	case ChargeRevision:
	default:
		last = max(who.charged[stable], who.charged[canary])
	}
	if now-last >= window {
		who.charged[revision] = now
		charged = 1
	}
	if who.left > 0 {
		who.left--
		c.later(who, c.spread(c.gap))
	}
	return charged
}
