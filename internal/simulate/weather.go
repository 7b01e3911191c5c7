package simulate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"time"

	"github.com/naru-deploy/naru/internal/analysis"
)

// tick is the step of virtual time: what the proxies report by.
const tick = 100 * time.Millisecond

// weather is what a request meets on one revision at one moment. Latencies are positions on the axis of buckets, so that
// "1.2 times as long" is a shift.
type weather struct {
	fails float64 // of the requests that are answered, as they would also on stable
	extra float64 // further ones, because of a regression
	hang  float64 // of all requests
	shift float64 // of all latencies, in buckets
	body  float64 // further, of the fastest 90 %
	tail  float64 // further, of the slowest 5 %
	slow  float64 // of the requests, that are further shifted by slowBy
	slowBy,
	plain float64 // shift of stable at the same moment: what the canary is compared with
}

// buckets is a factor on a latency as a shift.
func buckets(factor float64) float64 {
	if factor <= 0 {
		return 0
	}
	return math.Log(factor) / math.Log(analysis.Gamma)
}

// sky makes the weather of both revisions.
type sky struct {
	s     *Scenario
	rand  *rand.Rand
	swing [3]float64 // errors, latency, rate: logarithms of what drift makes of them now
	phase [3]float64
}

func newSky(s *Scenario, r *rand.Rand) *sky {
	k := &sky{s: s, rand: r}
	for i, amplitude := range k.amplitudes() {
		k.phase[i] = 2 * math.Pi * r.Float64()
		k.swing[i] = amplitude * r.NormFloat64() // where a walk begins
	}
	return k
}

func (k *sky) amplitudes() [3]float64 {
	d := k.s.Drift
	return [3]float64{d.Errors, d.Latency, d.Rate}
}

// drift moves on by a second: to a place of the wave, or by a step of an Ornstein-Uhlenbeck process, whose spread stays
// what it is.
func (k *sky) drift(now time.Duration) {
	d := k.s.Drift
	for i, amplitude := range k.amplitudes() {
		switch {
		case amplitude == 0:
			k.swing[i] = 0
		case d.Shape == "walk":
			kept := math.Exp(-float64(time.Second) / float64(d.Period))
			k.swing[i] = k.swing[i]*kept + amplitude*math.Sqrt(1-kept*kept)*k.rand.NormFloat64()
		default:
			k.swing[i] = amplitude * math.Sin(2*math.Pi*now.Seconds()/d.Period.D().Seconds()+k.phase[i])
		}
	}
}

// rate is the number of requests per second now.
func (k *sky) rate() float64 { return k.s.Rate * math.Exp(k.swing[2]) }

// look returns the weather at a time of the rollout. share is the canary's part of the traffic; since is when its first
// users came, negative when none has.
func (k *sky) look(now, since time.Duration, share float64) (stable, canary weather) {
	common := weather{shift: buckets(math.Exp(k.swing[1]))}
	var onStable, onCanary weather
	for _, i := range k.s.Incidents {
		if now < i.At.D() || i.Lasts > 0 && now >= i.At.D()+i.Lasts.D() {
			continue
		}
		to := map[string]*weather{"stable": &onStable, "canary": &onCanary}[i.On]
		if to == nil {
			to = &common
		}
		to.add(i.Errors, i.Latency)
	}
	if o := k.s.Overload; o != nil && share > float64(o.Share) {
		common.add(o.Errors, o.Latency)
	}
	rate := float64(k.s.Errors) * math.Exp(k.swing[0])
	stable = weather{fails: certain(rate + common.fails + onStable.fails), shift: common.shift + onStable.shift}
	canary = weather{shift: common.shift + onCanary.shift, plain: stable.shift}
	own := rate
	if since >= 0 {
		own = canary.worsen(k.s.Regressions, now-since, rate, math.Exp(k.swing[0]))
	}
	fails := certain(own + common.fails + onCanary.fails)
	canary.fails = min(fails, stable.fails)
	canary.extra = fails - canary.fails
	stable.plain = stable.shift
	return stable, canary
}

func (w *weather) add(errors Portion, latency float64) {
	w.fails += float64(errors)
	w.shift += buckets(latency)
}

// worsen adds what is wrong with the canary, so long after its first users came, and returns its own error rate.
func (w *weather) worsen(list []Regression, since time.Duration, rate, swing float64) float64 {
	own := rate
	for _, r := range list {
		grown := r.grown(since)
		if grown == 0 {
			continue
		}
		if r.Errors != nil {
			own += grown * (float64(*r.Errors)*swing - rate)
		}
		switch by := grown * buckets(r.Latency); r.Part {
		case "body":
			w.body += by
		case "tail":
			w.tail += by
		default:
			w.shift += by
		}
		w.hang = certain(w.hang + grown*float64(r.Hang))
		if r.Slow > 0 {
			w.slow, w.slowBy = certain(w.slow+grown*float64(r.Slow)), buckets(cmp.Or(r.Times, 10))
		}
	}
	return max(0, own)
}

// grown is how much of the regression there is, from 0 to 1.
func (r Regression) grown(since time.Duration) float64 {
	switch age := since - r.After.D(); {
	case age < 0:
		return 0
	case r.Ramp > 0 && age < r.Ramp.D():
		return float64(age) / float64(r.Ramp)
	default:
		return 1
	}
}

func certain(p float64) float64 { return min(1, p) }
