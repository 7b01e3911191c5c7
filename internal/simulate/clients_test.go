package simulate

import (
	"testing"
	"time"
)

// burst plays clients that repeat what has failed three times, and counts what is charged for each of their failures.
func burst(t *testing.T, c Clients) (failures, charged [2]int) {
	t.Helper()
	s := Default()
	s.Service = s.Service.Normalise()
	s.Errors, s.Clients, s.Rate = 0.01, c, 500
	p := begin(&s, 5)
	const share = 0.3
	for range 3000 {
		p.now += tick
		a, b := p.sky.look(p.now, -1, share)
		w := [2]*weather{&a, &b}
		for i, arm := range p.arms {
			arm.begin(p.now)
			failures[i] -= int(arm.total.Failed)
		}
		p.crowd.send(p.now, share, p.arms, w)
		for i, arm := range p.arms {
			arm.serve(p.now, 50*[2]float64{1 - share, share}[i], w[i], &p.result.Hurt)
		}
		for i, arm := range p.arms {
			n, _ := p.crowd.charge(p.now, share, i, arm)
			charged[i] += n
			failures[i] += int(arm.total.Failed)
		}
	}
	return failures, charged
}

func TestWhatIsChargedOfABurst(t *testing.T) {
	const first = 0.01 * 500 * 300 // failures of clients that had none
	for _, c := range []struct {
		name    string
		clients Clients
		all     float64 // charged, in failures of new clients
	}{
		{"once", Clients{Retries: 3}, 1},
		{"once, sticky", Clients{Retries: 3, Sticky: true}, 1},
		{"per revision, sticky", Clients{Retries: 3, Sticky: true, Charge: ChargeRevision}, 1},
		// Of the three repeats of a client of stable 1-0.7^3 reach the canary, of one of the canary 1-0.3^3 stable.
		{"per revision", Clients{Retries: 3, Charge: ChargeRevision}, 1 + 0.7*(1-0.7*0.7*0.7) + 0.3*(1-0.3*0.3*0.3)},
		{"all", Clients{Retries: 3, Charge: ChargeAll}, 4},
	} {
		failures, charged := burst(t, c.clients)
		near(t, c.name+": failures", float64(failures[0]+failures[1]), 4*first)
		near(t, c.name+": charged", float64(charged[0]+charged[1]), c.all*first)
	}
	sticky, _ := burst(t, Clients{Retries: 3, Sticky: true})
	near(t, "failures of the canary with affinity", float64(sticky[canary]), 0.3*4*first)
}

// TestStuck expects a client that always fails to be counted once in ten seconds.
func TestStuck(t *testing.T) {
	s := Default()
	s.Errors, s.Clients = 0, Clients{Stuck: 1, Every: ms(1000)}
	s.Service = s.Service.Normalise()
	p := begin(&s, 1)
	p.now = 0
	var charged uint64
	for p.now < 10*time.Minute {
		sample, _ := p.step()
		charged += sample.Stable.Failed
	}
	failed := p.arms[stable].total.Failed
	near(t, "failures", float64(failed), 600)
	if charged < 50 || charged > 60 {
		t.Errorf("%d are charged in 10 minutes, want one in 10 s", charged)
	}
}

func TestStickyClientsFollowTheShare(t *testing.T) {
	s := Default()
	s.Clients = Clients{Stuck: 200, Every: ms(1000), Sticky: true}
	s.Service = s.Service.Normalise()
	p := begin(&s, 1)
	on := map[*client]bool{}
	for _, share := range []float64{0.05, 0.25, 0.75} {
		for range 100 {
			p.now += tick
			a, b := p.sky.look(p.now, -1, share)
			for _, arm := range p.arms {
				arm.begin(p.now)
			}
			p.crowd.send(p.now, share, p.arms, [2]*weather{&a, &b})
			for who, there := range on {
				if there && who.place >= share {
					t.Fatalf("a client of place %v leaves the canary at %v", who.place, share)
				}
			}
			for _, f := range p.arms[canary].fails {
				who := f.client
				if who == nil {
					continue
				}
				on[who] = true
				if who.place >= share {
					t.Fatalf("a client of place %v is on the canary at %v", who.place, share)
				}
			}
			for i, arm := range p.arms {
				p.crowd.charge(p.now, share, i, arm)
			}
		}
	}
	near(t, "clients on the canary", float64(len(on)), 150)
}
